import { askRemote, type RemoteAnswers } from './ask-remote.ts'
import { type Check, isFinding } from './check.ts'
import { environmentChecks } from './environment-checks.ts'
import { type Examined, examineServer } from './examine-server.ts'
import { findClient, findPool } from './find-pool.ts'
import { fleetChecks } from './fleet-checks.ts'
import { remoteChecks } from './remote-checks.ts'
import { serverChecks } from './server-checks.ts'
import { versionChecks } from './version-checks.ts'
import type { PgClientClass, Wiring } from './wiring.ts'

/** What the doctor looks at. */
export interface DoctorOptions {
  /** The folder of the app. */
  readonly folder: string
  readonly environment: Readonly<Record<string, string | undefined>>
  /** A module of the app that exports its pool; `undefined`: the environment describes it. */
  readonly module: string | undefined
  /** The URL of another instance. */
  readonly remote: string | undefined
}

/** What it found. */
export interface Diagnosis {
  readonly region: string | undefined
  readonly primaryRegion: string | undefined
  readonly checks: readonly Check[]
  readonly findings: number
}

/** All servers and the other instance are asked at once, and none for longer than this: the whole takes less than five seconds. */
const DEADLINE_MILLIS = 3_500

/**
 * Looks at everything that the pool could know to be wrong (O2): options, regions, secret, each server, the servers together, the versions,
 * and another instance.
 *
 * @throws {UsageError} when it cannot run.
 */
export async function diagnose({ folder, environment, module, remote }: DoctorOptions): Promise<Diagnosis> {
  const { wiring, refusal } = await findPool(folder, module)
  const signal = AbortSignal.timeout(DEADLINE_MILLIS)
  const [examined, answers] = await Promise.all([
    wiring === undefined ? [] : findClient(folder).then((Client) => examineAll(Client, wiring, signal)),
    remote === undefined ? undefined : answersOf(remote, environment['HEADWATER_SECRET'], signal),
  ])
  const checks: Check[] = [
    ...environmentChecks(environment, wiring),
    ...(refusal === undefined ? [] : [refused(refusal)]),
    ...(wiring === undefined ? [] : examined.flatMap((one) => serverChecks(one, wiring.isKnownExtension))),
    ...(wiring === undefined ? [] : fleetChecks(wiring, examined)),
    ...(await versionChecks(folder, process.versions.node)),
  ]
  if (remote !== undefined) checks.push(...remoteChecks(remote, answers, { wiring, examined }))
  return {
    region: wiring?.region,
    primaryRegion: wiring?.primaryRegion,
    checks,
    findings: checks.filter(isFinding).length,
  }
}

/** `undefined`: without a secret of a length that counts nothing can be asked. */
async function answersOf(
  remote: string,
  secret: string | undefined,
  signal: AbortSignal,
): Promise<RemoteAnswers | undefined> {
  return secret === undefined || secret.length < 16 ? undefined : askRemote(remote, secret, signal)
}

function examineAll(Client: PgClientClass, { servers }: Wiring, signal: AbortSignal): Promise<readonly Examined[]> {
  return Promise.all(servers.map((server) => examineServer(ownClassOf(server.config.Client) ?? Client, server, signal)))
}

/** The class that the app gave as `Client`. */
function ownClassOf(Client: unknown): PgClientClass | undefined {
  return typeof Client === 'function' ? (Client as PgClientClass) : undefined
}

/** What an option is read from where the app gives none. */
const VARIABLES: Readonly<Record<string, string>> = {
  region: 'FLY_REGION',
  'primary.region': 'PRIMARY_REGION',
  connectionString: 'DATABASE_URL',
  'primary.connectionString': 'DATABASE_URL',
}

function refused({ option, message }: { readonly option: string; readonly message: string }): Check {
  const [says = message, cure] = message.split(/; (?=set|give)/)
  const variable = VARIABLES[option]
  const what = variable === undefined ? `the option ${option}` : `${variable}, or the option ${option}`
  return { level: 'bad', about: option, says, cure: cure ?? `correct ${what}` }
}

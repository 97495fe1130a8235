import { randomBytes } from 'node:crypto'
import { DOCTOR_HEADER, parseSecrets, signQuestion, verifyAnswer } from '@headwater/core/internal'
import type { Check } from './check.ts'
import type { Examined } from './examine-server.ts'
import { inWords } from './examine-server.ts'
import type { Wiring } from './wiring.ts'

/** What the status route of another instance says: see `health()` of `@headwater/http`. */
interface RemoteStatus {
  readonly region?: string
  readonly primaryRegion?: string
  readonly isAtHome: boolean
  readonly isReplayed: boolean
  readonly isBehindProxy: boolean
  readonly isDraining: boolean
  readonly time: number
  readonly versions: Readonly<Record<string, string>>
  readonly pool?: { readonly cluster?: string; readonly timeline?: number; readonly hasPrimary?: boolean }
}

interface Asked {
  readonly status: RemoteStatus
  readonly tookMillis: number
}

const CLOCKS_APART_MILLIS = 30_000

/** What a remote check compares with. */
export interface OwnSide {
  readonly secret: string | undefined
  readonly wiring: Wiring | undefined
  readonly examined: readonly Examined[]
}

/**
 * Asks another instance, over its signed status route, who it is and what it takes for the primary, and has one request replayed where that
 * instance is away. Never rejects.
 */
export async function remoteChecks(url: string, own: OwnSide, signal: AbortSignal): Promise<readonly Check[]> {
  const about = safeUrl(url)
  if (own.secret === undefined || own.secret.length < 16) {
    return [
      {
        level: 'warn',
        about,
        says: 'was not asked: there is no HEADWATER_SECRET to sign with',
        cure: 'set HEADWATER_SECRET as there',
      },
    ]
  }
  const first = await ask(url, own.secret, {}, signal)
  if ('level' in first) return [{ ...first, about }]
  const checks = [...compare(first, own), ...(await replayChecks(url, own.secret, first.status, signal))]
  return checks.map((check) => ({ ...check, about }))
}

type Told = Omit<Check, 'about'>

async function ask(
  url: string,
  secret: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Asked | Told> {
  const question = signQuestion(secret, Date.now(), randomBytes(16).toString('base64url'))
  const target = new URL(url)
  if (target.pathname === '/') target.pathname = '/headwater/status'
  const sentAt = performance.now()
  let response: Response
  let body: string
  try {
    response = await fetch(target, { headers: { ...headers, [DOCTOR_HEADER]: question }, signal, redirect: 'manual' })
    body = await response.text()
  } catch (error) {
    const { message } = inWords(Reflect.get(Object(error), 'cause') ?? error)
    return { level: 'bad', says: `cannot be reached: ${message}`, cure: 'give --remote the URL of a running instance' }
  }
  const tookMillis = performance.now() - sentAt
  if (response.status === 401) {
    return {
      level: 'bad',
      says: 'does not take this secret: HEADWATER_SECRET differs there, or its clock is more than 5 minutes away',
      cure: 'set HEADWATER_SECRET to the same value in every instance, and the clocks by NTP',
    }
  }
  if (response.status === 409 && response.headers.has('fly-replay')) {
    return {
      level: 'bad',
      says: 'answers with a replay, and no proxy acts on it: clients see a raw 409',
      cure: 'give --remote the public URL, behind the proxy; for a proxy that is not Fly’s, set replayTarget',
    }
  }
  if (response.status !== 200) {
    return {
      level: 'bad',
      says: `answers ${response.status} where its status should be`,
      cure: 'use health({ pool }) in the app, before headwater(), with HEADWATER_SECRET set',
    }
  }
  if (!verifyAnswer(parseSecrets(secret), question, body, response.headers.get(DOCTOR_HEADER) ?? '')) {
    return {
      level: 'bad',
      says: 'gives an answer that is not signed with this secret',
      cure: 'look at who answers that URL',
    }
  }
  return { status: JSON.parse(body) as RemoteStatus, tookMillis }
}

function compare({ status, tookMillis }: Asked, { wiring, examined }: OwnSide): Told[] {
  const { region, primaryRegion, versions } = status
  const where = region === undefined ? 'no region' : region
  const checks: Told[] = [
    {
      level: 'ok',
      says: `${where}, primary ${primaryRegion ?? 'not named'}, Headwater ${versions['@headwater/http'] ?? '?'}, Node ${versions['node'] ?? '?'}; the secret is the same`,
    },
  ]
  if (wiring !== undefined && wiring.primaryRegion !== primaryRegion) {
    checks.push({
      level: 'bad',
      says: `takes ${primaryRegion ?? 'nothing'} for the primary's region, and here it is ${wiring.primaryRegion ?? 'not named'}`,
      cure: 'set PRIMARY_REGION to the same region everywhere: the one where the primary runs',
    })
  }
  const apart = status.time + tookMillis / 2 - Date.now()
  if (Math.abs(apart) > CLOCKS_APART_MILLIS) {
    checks.push({
      level: 'bad',
      says: `its clock is ${Math.round(Math.abs(apart) / 1000)} s ${apart > 0 ? 'ahead of' : 'behind'} this machine's: tokens allow for 60 s`,
      cure: 'set both clocks by NTP',
    })
  }
  const here = examined.find(({ identity, facts }) => identity !== undefined && facts?.isStandby === false)?.identity
  const there = status.pool
  if (here !== undefined && there?.cluster !== undefined && there.cluster !== here.cluster) {
    checks.push({
      level: 'bad',
      says: 'reads and writes another database cluster: the system identifiers differ',
      cure: 'set DATABASE_URL and DATABASE_REPLICA_URL to servers of one cluster in every region',
    })
  } else if (here !== undefined && there?.timeline !== undefined && there.timeline < here.timeline) {
    checks.push({
      level: 'warn',
      says: `knows timeline ${there.timeline}, and the primary is on ${here.timeline}: it has not seen the promotion`,
      cure: 'list every server that can become the primary in that instance’s options',
    })
  }
  if (there?.hasPrimary === false) {
    checks.push({
      level: 'bad',
      says: 'knows no primary now: its writes get 503',
      cure: 'look at its log, and at the primary',
    })
  }
  return checks
}

async function replayChecks(url: string, secret: string, first: RemoteStatus, signal: AbortSignal): Promise<Told[]> {
  if (first.isAtHome || first.primaryRegion === undefined) return []
  const replayed = await ask(url, secret, { 'headwater-doctor-replay': '1' }, signal)
  if ('level' in replayed) return [replayed]
  const { status, tookMillis } = replayed
  if (status.isReplayed && status.isAtHome) {
    return [
      {
        level: 'ok',
        says: `a replay reached ${status.region ?? 'the primary’s region'} in ${Math.round(tookMillis)} ms`,
      },
    ]
  }
  return [
    {
      level: 'bad',
      says: `a replay to ${first.primaryRegion} was answered by ${status.region ?? 'an instance without a region'}, which is not at home`,
      cure: 'set PRIMARY_REGION to a region where an instance of this app runs, beside the primary',
    },
  ]
}

/** Without user, password and query. */
function safeUrl(url: string): string {
  const { protocol, host } = new URL(url)
  return `${protocol}//${host}`
}

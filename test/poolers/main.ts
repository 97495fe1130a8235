import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { unpackNewerPgBouncer } from './newer-pgbouncer.ts'

/** Runs all that is tested behind poolers, on the installed PgBouncer and on a newer one where that can be had. */
const folder = mkdtempSync(join(tmpdir(), 'headwater-poolers-'))
try {
  const environment = { ...process.env }
  try {
    environment['HEADWATER_PGBOUNCER'] ??= unpackNewerPgBouncer(folder)
  } catch (error) {
    console.warn(
      `skipped: no newer PgBouncer (${error instanceof Error ? error.message.split('\n')[0] : String(error)})`,
    )
  }
  const { status } = spawnSync(
    'vitest',
    ['run', '--project', 'integration', 'packages/pg/test/pooler', ...process.argv.slice(2)],
    {
      env: environment,
      stdio: 'inherit',
    },
  )
  process.exitCode = status ?? 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}

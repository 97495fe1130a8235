import { readdir, readFile } from 'node:fs/promises'
import { withPrimary } from '@headwater/core'
import type { RoutedPool } from '@headwater/pg'

/** Locked while migrations run, so that of two deploys at once one waits, and then finds nothing to do. */
const LOCK = "hashtext('guest-book migrations')"

/**
 * Runs the SQL files of a folder that have not run yet, by name, all in one transaction: either the whole deploy's
 * migrations are there, or none. A file that has run anywhere is never changed again.
 *
 * @returns the names of those that ran now.
 */
export async function migrate(pool: RoutedPool, folder: URL): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.sql')).sort()
  // What has run is asked of the primary: a replica that is behind would have it run twice.
  return await withPrimary(async () => {
    const client = await pool.connect()
    try {
      await client.query('begin')
      await client.query(`select pg_advisory_xact_lock(${LOCK})`)
      await client.query('create table if not exists migration (name text primary key, run_at timestamptz not null)')
      const { rows } = await client.query<{ name: string }>('select name from migration')
      const known = new Set(rows.map(({ name }) => name))
      const pending = names.filter((name) => !known.has(name))
      for (const name of pending) {
        await client.query(await readFile(new URL(name, folder), 'utf8'))
        await client.query('insert into migration (name, run_at) values ($1, now())', [name])
      }
      await client.query('commit')
      return pending
    } catch (error) {
      await client.query('rollback').catch(() => {})
      throw error
    } finally {
      client.release()
    }
  })
}

import { OptionsInvalid } from '@headwater/core'
import type { Kysely, KyselyPlugin } from 'kysely'
import { HeadwaterAdapter } from './headwater-adapter.ts'
import { markReadOnly } from './query-route.ts'
import type { ReadonlyKysely } from './readonly-handle.ts'

/** Changes no query: Kysely shows a plugin every query and its id, by which the driver recognises it. */
const plugin: KyselyPlugin = Object.freeze<KyselyPlugin>({
  transformQuery({ node, queryId }) {
    markReadOnly(queryId)
    return node
  },
  transformResult: ({ result }) => Promise.resolve(result),
})

/**
 * Makes a read-only handle of a database: writes do not compile on it, and every query runs as inside `withReplica`.
 *
 * So it reads from a local replica after a write too, when `db` itself would read at the primary. A write that a cast lets
 * through rejects with `WriteOnReplica` before it is sent. Of a transaction's handle it makes one that reads inside that transaction.
 *
 * @throws {OptionsInvalid} when `db` does not use a `HeadwaterDialect`.
 * @example
 * ```ts
 * const read = readonlyKysely(db)
 * const posts = await read.selectFrom('post').selectAll().execute()
 * ```
 */
export function readonlyKysely<DB>(db: Kysely<DB>): ReadonlyKysely<DB> {
  if (!(db.getExecutor().adapter instanceof HeadwaterAdapter)) {
    throw new OptionsInvalid('db', 'uses another dialect; expected new Kysely({ dialect: new HeadwaterDialect(…) })')
  }
  // The type takes away what the object still has.
  return db.withPlugin(plugin) as unknown as ReadonlyKysely<DB>
}

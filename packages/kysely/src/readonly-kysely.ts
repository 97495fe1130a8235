import { OptionsInvalid } from '@headwater/core'
import type { Kysely, KyselyPlugin } from 'kysely'
import { HeadwaterAdapter } from './headwater-adapter.ts'
import { markReadOnly } from './query-route.ts'
import type { ReadonlyKysely } from './readonly-handle.ts'

/** A plugin changes nothing: it is where Kysely shows every query, with the id by which the driver knows it again. */
const plugin: KyselyPlugin = Object.freeze<KyselyPlugin>({
  transformQuery({ node, queryId }) {
    markReadOnly(queryId)
    return node
  },
  transformResult: ({ result }) => Promise.resolve(result),
})

/**
 * The same database for reading only: writing does not compile, and every query runs as inside `withReplica`.
 *
 * So it reads next door after a write too, where `db` itself would go to the primary. What a cast lets through is refused
 * with `WriteOnReplica` before it is sent. Takes a transaction as well; then it reads inside that transaction.
 *
 * @throws {OptionsInvalid} when `db` is not over a `HeadwaterDialect`.
 */
export function readonlyKysely<DB>(db: Kysely<DB>): ReadonlyKysely<DB> {
  if (!(db.getExecutor().adapter instanceof HeadwaterAdapter)) {
    throw new OptionsInvalid('db', 'is over another dialect; expected new Kysely({ dialect: new HeadwaterDialect(…) })')
  }
  // The type takes away what the object still has.
  return db.withPlugin(plugin) as unknown as ReadonlyKysely<DB>
}

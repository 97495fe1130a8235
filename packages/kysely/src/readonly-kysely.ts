import { OptionsInvalid } from '@headwater/core'
import type { Kysely, KyselyPlugin, QueryExecutor } from 'kysely'
import { HeadwaterAdapter } from './headwater-adapter.ts'
import { ReadonlyConnection } from './readonly-connection.ts'
import type { ReadonlyKysely } from './readonly-handle.ts'

/**
 * Makes a read-only handle of a database: writes do not compile on it, and every statement runs as inside `withReplica`.
 *
 * So it reads from a local replica after a write too, when `db` itself would read at the primary. A write that a cast lets
 * through rejects with `WriteOnReplica` before it is sent. Its transactions are READ ONLY. Of a transaction's handle it makes one
 * that reads inside that transaction.
 *
 * @throws {OptionsInvalid} when `db` does not use a `HeadwaterDialect`.
 * @example
 * ```ts
 * const read = readonlyKysely(db)
 * const posts = await read.selectFrom('post').selectAll().execute()
 * ```
 */
export function readonlyKysely<DB>(db: Kysely<DB>): ReadonlyKysely<DB> {
  const executor = db.getExecutor()
  if (!(executor.adapter instanceof HeadwaterAdapter)) {
    throw new OptionsInvalid('db', 'uses another dialect; expected new Kysely({ dialect: new HeadwaterDialect(…) })')
  }
  // Whatever runs on a Kysely runs on a connection that its executor provides.
  const reading = executor.withConnectionProvider({
    provideConnection: (consumer, ...options: OptionsOfLater) =>
      executor.provideConnection((connection) => consumer(new ReadonlyConnection(connection)), ...options),
  })
  // The type takes away what the object still has.
  return withExecutor(db, executor, reading) as unknown as ReadonlyKysely<DB>
}

/** What Kysely 0.29 passes on besides, and 0.28 does not. */
type OptionsOfLater = Parameters<QueryExecutor['provideConnection']> extends [unknown, ...infer Later] ? Later : []

/** Stands for a plugin; never used. */
const NONE: KyselyPlugin = Object.freeze<KyselyPlugin>({
  transformQuery: ({ node }) => node,
  transformResult: ({ result }) => Promise.resolve(result),
})

/**
 * Makes the same kind of handle (a database, a transaction) with another executor. Kysely has no call for that: it asks the
 * executor that it has for the next one.
 */
function withExecutor<DB>(db: Kysely<DB>, executor: QueryExecutor, next: QueryExecutor): Kysely<DB> {
  Object.defineProperty(executor, 'withPlugin', { value: () => next, configurable: true })
  try {
    return db.withPlugin(NONE)
  } finally {
    Reflect.deleteProperty(executor, 'withPlugin')
  }
}

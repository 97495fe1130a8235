/** A pg client, leased from any pool or connected by itself. */
interface PgTransaction {
  query(text: string): PromiseLike<{ readonly rows: readonly unknown[] }>
}

/** Kysely's `Transaction`: it takes what `CompiledQuery.raw()` makes. */
interface KyselyTransaction {
  readonly isTransaction: boolean
  executeQuery(query: RawQuery): PromiseLike<{ readonly rows: readonly unknown[] }>
}

/** Drizzle's transaction over node-postgres. */
interface DrizzleTransaction {
  rollback(): never
  execute(text: string): PromiseLike<unknown>
}

/** What `onceOnly()` asks of a transaction, of pg, Kysely or Drizzle. */
export type OnceTransaction = PgTransaction | KyselyTransaction | DrizzleTransaction

interface RawQuery {
  readonly sql: string
  readonly parameters: readonly []
  readonly query: {
    readonly kind: 'RawNode'
    readonly sqlFragments: readonly string[]
    readonly parameters: readonly []
  }
  readonly queryId: { readonly queryId: string }
}

/** Runs one statement in the transaction, and gives its rows. */
export async function rowsOf(transaction: OnceTransaction, text: string): Promise<readonly unknown[]> {
  if (isKysely(transaction)) return (await transaction.executeQuery(rawQuery(text))).rows
  const result: unknown = isDrizzle(transaction) ? await transaction.execute(text) : await transaction.query(text)
  const rows: unknown = Reflect.get(Object(result), 'rows')
  if (!Array.isArray(rows)) throw new TypeError('[headwater] onceOnly(): the transaction gave no rows; is it over pg?')
  return rows
}

/** Whether it is a transaction that is open, as far as it says itself: outside one each statement would be committed alone. */
export function isOpen(transaction: OnceTransaction): boolean {
  if (isKysely(transaction)) return transaction.isTransaction
  if (isDrizzle(transaction)) return typeof transaction.rollback === 'function'
  if (typeof Reflect.get(transaction, 'query') !== 'function') return false
  // A pool has none of it. pg's clients have it since 8.17.
  const status: unknown = Reflect.get(transaction, 'getTransactionStatus')
  if (typeof status !== 'function')
    return typeof Reflect.get(transaction, 'connect') === 'function' && !isPool(transaction)
  return Reflect.apply(status, transaction, []) === 'T'
}

function isPool(transaction: object): boolean {
  return typeof Reflect.get(transaction, 'totalCount') === 'number'
}

function isKysely(transaction: OnceTransaction): transaction is KyselyTransaction {
  return typeof Reflect.get(transaction, 'executeQuery') === 'function'
}

/** Its `query` is an object, if it has one. */
function isDrizzle(transaction: OnceTransaction): transaction is DrizzleTransaction {
  return typeof Reflect.get(transaction, 'execute') === 'function'
}

function rawQuery(sql: string): RawQuery {
  return {
    sql,
    parameters: [],
    query: { kind: 'RawNode', sqlFragments: [sql], parameters: [] },
    queryId: { queryId: crypto.randomUUID() },
  }
}

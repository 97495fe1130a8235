import { OptionsInvalid, withReplica } from '@headwater/core'
import type { RoutedPool } from '@headwater/pg'
import { drizzle as overPool } from 'drizzle-orm/node-postgres'
import { configOf } from './drizzle.ts'

/** What a read-only handle keeps of Drizzle's database as it is. */
type Kept = 'select' | 'selectDistinct' | 'selectDistinctOn' | '$with' | '$count' | 'query'

type KeptInWith = 'select' | 'selectDistinct' | 'selectDistinctOn'

/** What it needs of a database to be derived from it; Drizzle 0.45 and 1.0 have it alike. */
interface Readable {
  with: (...ctes: never[]) => object
  transaction: (...args: never[]) => Promise<unknown>
}

type WithOf<Database extends Readable> = (
  ...ctes: Parameters<Database['with']>
) => Pick<ReturnType<Database['with']>, KeptInWith & keyof ReturnType<Database['with']>>

type Reads<Database extends Readable> = Pick<Database, Kept & keyof Database> & { with: WithOf<Database> }

type ReadOnlyConfig<Database extends Readable> = Omit<NonNullable<Parameters<Database['transaction']>[1]>, 'accessMode'>

/** Inside a transaction of a read-only handle. */
export type ReadonlyTransaction<Database extends Readable> = Reads<Database> & {
  /** Ends the transaction with Drizzle's own error. */
  rollback(): never
  /** A savepoint, as in Drizzle. */
  transaction<Result>(run: (tx: ReadonlyTransaction<Database>) => Promise<Result>): Promise<Result>
}

/** Drizzle's database without what writes: `insert` does not compile on it. */
export type ReadonlyDatabase<Database extends Readable> = Reads<Database> & {
  /** A READ ONLY transaction. */
  transaction<Result>(
    run: (tx: ReadonlyTransaction<Database>) => Promise<Result>,
    config?: ReadOnlyConfig<Database>,
  ): Promise<Result>
}

/**
 * Gives a handle that only reads, every time from a replica (R6): what it sends runs in `withReplica`, and its
 * transactions are READ ONLY.
 *
 * It reads next door also after a write in the same request. Without a replica it reads at the primary.
 *
 * @throws {OptionsInvalid} for a database that `drizzle()` of this package did not make.
 * @throws {WriteOnReplica} from a query that needs the primary (`.for('update')`, a writing CTE, `nextval`), as Drizzle's `cause`.
 */
export function readonly<Database extends Readable & { $client: RoutedPool }>(
  database: Database,
): ReadonlyDatabase<Database> {
  const config = configOf(database)
  if (config === undefined) {
    throw new OptionsInvalid(
      'database',
      'it was not made by drizzle() of @headwater/drizzle; expected readonly(drizzle({ client: pool, schema })), outside a transaction.',
    )
  }
  // Drizzle asks no more of a pool than these two.
  const pool = new ReplicaPool(config.client) as unknown as RoutedPool
  const reading = overPool({ ...config, client: pool })
  const transaction = reading.transaction.bind(reading)
  reading.transaction = (run, options) => transaction(run, { ...options, accessMode: 'read only' })
  return reading as unknown as ReadonlyDatabase<Database>
}

/** A pool of which every statement runs in `withReplica`. */
class ReplicaPool {
  readonly #pool: RoutedPool

  constructor(pool: RoutedPool) {
    this.#pool = pool
  }

  query(...args: unknown[]): unknown {
    return onReplica(this.#pool, this.#pool.query, args)
  }

  async connect(): Promise<unknown> {
    const client = await this.#pool.connect()
    const { query } = client
    // A leased client is nobody else's, and is not used again.
    Reflect.set(client, 'query', (...args: unknown[]) => onReplica(client, query, args))
    return client
  }
}

function onReplica(target: object, query: (...args: never[]) => unknown, args: unknown[]): unknown {
  return withReplica(() => Reflect.apply(query, target, args))
}

// Drizzle takes a client of its own for a transaction only from what has "Pool" in its class name, minified or not.
Object.defineProperty(ReplicaPool, 'name', { value: 'ReplicaPool' })

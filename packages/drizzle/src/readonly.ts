import { OptionsInvalid, withReplica } from '@headwater/core'
import type { RoutedPool } from '@headwater/pg'
import { drizzle as overPool } from 'drizzle-orm/node-postgres'
import { configOf } from './drizzle.ts'

/** The members of Drizzle's database that a read-only handle keeps as they are. */
type Kept = 'select' | 'selectDistinct' | 'selectDistinctOn' | '$with' | '$count' | 'query'

type KeptInWith = 'select' | 'selectDistinct' | 'selectDistinctOn'

/** The members that a database must have; they are the same in Drizzle 0.45 and 1.0. */
interface Readable {
  with: (...ctes: never[]) => object
  transaction: (...args: never[]) => Promise<unknown>
}

type WithOf<Database extends Readable> = (
  ...ctes: Parameters<Database['with']>
) => Pick<ReturnType<Database['with']>, KeptInWith & keyof ReturnType<Database['with']>>

type Reads<Database extends Readable> = Pick<Database, Kept & keyof Database> & { with: WithOf<Database> }

type ReadOnlyConfig<Database extends Readable> = Omit<NonNullable<Parameters<Database['transaction']>[1]>, 'accessMode'>

/** The handle inside a transaction of a read-only handle. */
export type ReadonlyTransaction<Database extends Readable> = Reads<Database> & {
  /** Ends the transaction with Drizzle's own error. */
  rollback(): never
  /** A savepoint, as in Drizzle. */
  transaction<Result>(run: (tx: ReadonlyTransaction<Database>) => Promise<Result>): Promise<Result>
}

/** Drizzle's database without the members that write: `insert` does not compile on it. */
export type ReadonlyDatabase<Database extends Readable> = Reads<Database> & {
  /** Runs a READ ONLY transaction. */
  transaction<Result>(
    run: (tx: ReadonlyTransaction<Database>) => Promise<Result>,
    config?: ReadOnlyConfig<Database>,
  ): Promise<Result>
}

/**
 * Makes a read-only handle of a database (R6): its queries run inside `withReplica`, and its transactions are READ ONLY.
 *
 * It reads from a local replica also after a write in the same request. Without a replica it reads at the primary.
 *
 * @throws {OptionsInvalid} for a database that `drizzle()` of this package did not make.
 * @throws {WriteOnReplica} from a query that needs the primary (`.for('update')`, a writing CTE, `nextval`), as Drizzle's `cause`.
 * @example
 * ```ts
 * const read = readonly(drizzle({ client: pool, schema }))
 * const posts = await read.select().from(schema.post)
 * ```
 */
export function readonly<Database extends Readable & { $client: RoutedPool }>(
  database: Database,
): ReadonlyDatabase<Database> {
  const config = configOf(database)
  if (config === undefined) {
    throw new OptionsInvalid(
      'database',
      'was not made by drizzle() of @headwater/drizzle; expected readonly(drizzle({ client: pool, schema })), outside a transaction.',
    )
  }
  // Drizzle uses no more of a pool than these two methods.
  const pool = new ReplicaPool(config.client) as unknown as RoutedPool
  const reading = overPool({ ...config, client: pool })
  const transaction = reading.transaction.bind(reading)
  reading.transaction = (run, options) => transaction(run, { ...options, accessMode: 'read only' })
  return reading as unknown as ReadonlyDatabase<Database>
}

/** A pool that runs every statement inside `withReplica`. */
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
    // A leased client has one user, and is not used again after its release.
    Reflect.set(client, 'query', (...args: unknown[]) => onReplica(client, query, args))
    return client
  }
}

function onReplica(target: object, query: (...args: never[]) => unknown, args: unknown[]): unknown {
  return withReplica(() => Reflect.apply(query, target, args))
}

// Drizzle takes a client of its own for a transaction only from what has "Pool" in its class name, minified or not.
Object.defineProperty(ReplicaPool, 'name', { value: 'ReplicaPool' })

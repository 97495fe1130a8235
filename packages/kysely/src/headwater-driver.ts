import type { OrmPool, RoutedPool } from '@headwater/pg'
import { CompiledQuery, type DatabaseConnection, PostgresDriver, type TransactionSettings } from 'kysely'
import { Backends } from './backends.ts'
import type { CursorConstructor } from './cursor-constructor.ts'
import { QueryRoute } from './query-route.ts'
import { ReadonlyConnection } from './readonly-connection.ts'
import { RoutedConnection } from './routed-connection.ts'

export interface HeadwaterDriverOptions {
  readonly pool: () => Promise<RoutedPool>
  readonly cursor: CursorConstructor | undefined
  readonly primaryTables: readonly string[]
}

/** How many connections are kept for reuse; without a server each is small. */
const MOST_IDLE = 100

/**
 * Connections of a `RoutedPool` for Kysely. BEGIN, COMMIT and savepoints are the loaded Kysely's own.
 *
 * A connection here has no server until its first statement, and may use two.
 */
export class HeadwaterDriver extends PostgresDriver {
  readonly #options: HeadwaterDriverOptions
  readonly #route: QueryRoute
  #pool: OrmPool | undefined
  #backends: Backends | undefined
  /** Connections are reused: Kysely remembers every one that it is given, so a new one for each query would leak. */
  readonly #idle: RoutedConnection[] = []

  constructor(options: HeadwaterDriverOptions) {
    // Every method that would use this pool is overridden below.
    super({ pool: () => Promise.reject(new TypeError('the pool is HeadwaterDriver’s own')) })
    this.#options = options
    this.#route = new QueryRoute(options.primaryTables)
  }

  override async init(): Promise<void> {
    this.#pool = (await this.#options.pool()) as RoutedPool & OrmPool
    this.#backends = new Backends(this.#pool)
  }

  override async acquireConnection(): Promise<DatabaseConnection> {
    const pool = this.#pool
    if (pool === undefined || this.#backends === undefined) throw new Error('driver has already been destroyed')
    const connection = this.#idle.pop() ?? new RoutedConnection(pool, this.#route, this.#backends, this.#options.cursor)
    return connection.take()
  }

  override async beginTransaction(connection: DatabaseConnection, settings: TransactionSettings): Promise<void> {
    const isReadonly = connection instanceof ReadonlyConnection
    await super.beginTransaction(connection, isReadonly ? { ...settings, accessMode: 'read only' } : settings)
  }

  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    // A client whose ROLLBACK failed needs no mark: the pool closes one that is still in a transaction.
    await connection.executeQuery(CompiledQuery.raw('rollback'))
  }

  override async releaseConnection(connection: DatabaseConnection): Promise<void> {
    if (!(connection instanceof RoutedConnection) || !connection.release()) return
    if (this.#idle.length < MOST_IDLE) this.#idle.push(connection)
  }

  override async destroy(): Promise<void> {
    const pool = this.#pool
    this.#pool = undefined
    this.#backends = undefined
    this.#idle.length = 0
    await pool?.end()
  }
}

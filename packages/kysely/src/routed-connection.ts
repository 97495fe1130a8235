import type { OrmClient, OrmPool } from '@headwater/pg'
import type { CompiledQuery, DatabaseConnection, QueryResult } from 'kysely'
import type pg from 'pg'
import type { Backends } from './backends.ts'
import type { CursorConstructor } from './cursor-constructor.ts'
import type { Need } from './node-need.ts'
import type { QueryRoute } from './query-route.ts'

/** The commands whose row count Kysely reports as affected rows. */
const AFFECTS_ROWS: ReadonlySet<string> = new Set(['INSERT', 'UPDATE', 'DELETE', 'MERGE'])

/**
 * A connection for Kysely. It leases a client at the first statement that a later one may depend on. Plain reads before that go
 * through the pool: a leased client would route them the same way, at a higher cost.
 */
export class RoutedConnection implements DatabaseConnection {
  readonly #pool: OrmPool
  readonly #route: QueryRoute
  readonly #backends: Backends
  readonly #cursor: CursorConstructor | undefined
  /** Settles with the running query; `undefined` when there is none. */
  #running: Promise<unknown> | undefined
  #client: OrmClient | undefined
  #mustClose = false
  #isTaken = false
  /** Whether a query has failed: then Kysely may hold back others of the same time, and send them after the release. */
  #hasFailed = false
  /** The number of queries and streams that have begun and not ended. */
  #pending = 0

  constructor(pool: OrmPool, route: QueryRoute, backends: Backends, cursor: CursorConstructor | undefined) {
    this.#pool = pool
    this.#route = route
    this.#backends = backends
    this.#cursor = cursor
  }

  /** Reserves the connection for one caller until `release`. */
  take(): this {
    this.#isTaken = true
    return this
  }

  async executeQuery<Row>(
    query: CompiledQuery,
    options?: { readonly signal?: AbortSignal },
  ): Promise<QueryResult<Row>> {
    const { sql, parameters } = query
    const need = this.#route.needOf(query)
    this.#pending += 1
    try {
      // A query with a signal may have to be cancelled, for which its server must be known.
      const isForPool = need !== 'write' && this.#client === undefined && !options?.signal
      let sent = isForPool ? this.#route.run(need, () => this.#pool.queryPlainRead(sql, parameters)) : undefined
      if (sent === undefined) {
        const client = this.#lease()
        sent = this.#route.run(need, () => send(client, need, sql, parameters))
      }
      this.#running = sent
      return resultOf<Row>(await sent)
    } catch (error) {
      this.#hasFailed = true
      throw error
    } finally {
      this.#running = undefined
      this.#pending -= 1
    }
  }

  async *streamQuery<Row>(query: CompiledQuery, chunkSize: number): AsyncIterableIterator<QueryResult<Row>> {
    const Cursor = this.#cursor
    if (Cursor === undefined) {
      throw new Error('stream() needs the option `cursor` of HeadwaterDialect: the class that pg-cursor exports.')
    }
    if (!Number.isInteger(chunkSize) || chunkSize <= 0) throw new Error('chunkSize must be a positive integer')
    this.#pending += 1
    try {
      yield* this.#stream<Row>(this.#lease(), query, new Cursor(query.sql, [...query.parameters]), chunkSize)
    } finally {
      this.#running = undefined
      this.#pending -= 1
    }
  }

  async *#stream<Row>(
    client: OrmClient,
    query: CompiledQuery,
    cursor: InstanceType<CursorConstructor>,
    chunkSize: number,
  ): AsyncIterableIterator<QueryResult<Row>> {
    const need = this.#route.needOf(query)
    this.#route.run(need, () => (need === 'write' ? client.queryWrite(cursor) : client.query(cursor)))
    let isOver = false
    try {
      while (!isOver) {
        const reading = cursor.read(chunkSize)
        this.#running = reading
        // An error ends the cursor, and a lost connection would never answer its close.
        const rows = await reading.catch((error: unknown) => {
          isOver = true
          throw error
        })
        this.#running = undefined
        isOver = rows.length === 0
        // The cursor's rows are what its query selects, which is what Kysely's types say.
        if (!isOver) yield { rows: rows as Row[] }
      }
    } finally {
      if (!isOver) await cursor.close()
    }
  }

  /** For `inflightQueryAbortStrategy: 'cancel query'` (Kysely 0.29): cancels on the server that runs the query. */
  async cancelQuery(): Promise<void> {
    const running = this.#running
    if (running === undefined) return
    await this.#backends.cancel({
      client: () => (this.#running === running ? this.#client?.current : undefined),
      settled: running,
    })
  }

  /**
   * For `inflightQueryAbortStrategy: 'kill session'` (Kysely 0.29): cancels, and closes the session when Kysely lets it go.
   *
   * It does not terminate the session: on a replica that would look like a lost replica, and the pool would send the read elsewhere
   * or replay the request (X2).
   */
  async killSession(): Promise<void> {
    this.#mustClose = true
    await this.cancelQuery()
  }

  /**
   * Gives the client back, once. Returns whether the connection may be reused, which it may not while a query of the last caller
   * still runs, or may still come.
   */
  release(): boolean {
    if (!this.#isTaken) return false
    this.#isTaken = false
    const client = this.#client
    const mustClose = this.#mustClose
    this.#client = undefined
    this.#mustClose = false
    client?.release(mustClose)
    return this.#pending === 0 && !this.#hasFailed
  }

  #lease(): OrmClient {
    // It would run a query on its own that was meant for a transaction that is over.
    if (!this.#isTaken) throw new Error('Client was released to the pool and is not queryable')
    this.#client ??= this.#pool.lease()
    return this.#client
  }
}

/** pg does not write into the parameters, though its types do not say so. */
function send(client: OrmClient, need: Need, text: string, parameters: readonly unknown[]): Promise<pg.QueryResult> {
  return need === 'write' ? client.queryWrite(text, parameters) : client.query(text, parameters as unknown[])
}

/** Makes Kysely's result (0.28 and 0.29) of pg's. For a text of several statements pg gives an array, which has no rows. */
function resultOf<Row>(result: pg.QueryResult): QueryResult<Row> {
  const { command, rowCount, rows } = result
  // Kysely 0.29 looks here for a COMMIT that the server answered with ROLLBACK.
  if (command === 'COMMIT' || command === 'ROLLBACK') return { rows: [{ command } as Row] }
  if (AFFECTS_ROWS.has(command)) return { numAffectedRows: BigInt(rowCount ?? 0), rows: rows ?? [] }
  return { rows: rows ?? [] }
}

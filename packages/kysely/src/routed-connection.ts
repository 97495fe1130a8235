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
 * What Kysely takes for a connection. It leases a client at the first statement that a later one may depend on; plain
 * reads before that go through the pool, which is what a leased client would do with them, for less.
 */
export class RoutedConnection implements DatabaseConnection {
  readonly #pool: OrmPool
  readonly #route: QueryRoute
  readonly #backends: Backends
  readonly #cursor: CursorConstructor | undefined
  /** Settles with the query that runs; `undefined` when none does. */
  #running: Promise<unknown> | undefined
  #client: OrmClient | undefined
  #mustClose = false
  #isTaken = false
  /** Whether a query has failed: then Kysely may hold others back that were asked beside it, and send them after the release. */
  #hasFailed = false
  /** The queries and streams that have begun and not ended. */
  #pending = 0

  constructor(pool: OrmPool, route: QueryRoute, backends: Backends, cursor: CursorConstructor | undefined) {
    this.#pool = pool
    this.#route = route
    this.#backends = backends
    this.#cursor = cursor
  }

  /** Whoever gets it has it for themselves until `release`. */
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
      // With a signal it may have to be cancelled, for which its server must be known.
      const isForPool = need !== 'write' && this.#client === undefined && !options?.signal
      let sent = isForPool ? this.#route.run(query, need, () => this.#pool.queryPlainRead(sql, parameters)) : undefined
      if (sent === undefined) {
        const client = this.#lease()
        sent = this.#route.run(query, need, () => send(client, need, sql, parameters))
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
    this.#route.run(query, need, () => (need === 'write' ? client.queryWrite(cursor) : client.query(cursor)))
    let isOver = false
    try {
      while (!isOver) {
        const reading = cursor.read(chunkSize)
        this.#running = reading
        // An error ends the cursor, and on a lost connection nobody would answer its end.
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
   * A session terminated on a replica would look like a replica that was lost: the pool would send the read elsewhere, or
   * replay the request (X2).
   */
  async killSession(): Promise<void> {
    this.#mustClose = true
    await this.cancelQuery()
  }

  /**
   * Gives back what it holds, once; says whether it may be taken again, which it may not while a query still runs, or may come
   * that belongs to whoever had it.
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
    // It would run on its own what was asked inside a transaction that is over.
    if (!this.#isTaken) throw new Error('Client was released to the pool and is not queryable')
    this.#client ??= this.#pool.lease()
    return this.#client
  }
}

/** pg does not write into the parameters; its types do not say so. */
function send(client: OrmClient, need: Need, text: string, parameters: readonly unknown[]): Promise<pg.QueryResult> {
  return need === 'write' ? client.queryWrite(text, parameters) : client.query(text, parameters as unknown[])
}

/** What Kysely 0.28 and 0.29 expect of pg's result; a text of several statements has an array of them, and no rows. */
function resultOf<Row>(result: pg.QueryResult): QueryResult<Row> {
  const { command, rowCount, rows } = result
  // Kysely 0.29 looks here for a COMMIT that the server answered with ROLLBACK.
  if (command === 'COMMIT' || command === 'ROLLBACK') return { rows: [{ command } as Row] }
  if (AFFECTS_ROWS.has(command)) return { numAffectedRows: BigInt(rowCount ?? 0), rows: rows ?? [] }
  return { rows: rows ?? [] }
}

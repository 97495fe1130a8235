import type { EventEmitter } from 'node:events'
import pg from 'pg'
import type { Settle } from './settle.ts'

/**
 * What pg's client has and its types do not declare. All that this package uses of pg beyond its types is declared in this
 * file, and nowhere else: `pg-internals.integration.test.ts` says for each release of pg whether it is still there.
 */
export interface ClientInternals {
  /** The backend's process id, by BackendKeyData; `null` before the connection is made. */
  readonly processID: number | null
  /** What a request to cancel must say; `null` before the connection is made. */
  readonly secretKey: number | null
  /** What the startup message will say, and for how long pg waits for an answer. */
  readonly connectionParameters: { options?: string | undefined; readonly query_timeout?: number }
  readonly host: string
  readonly port: number
  readonly connection: CancelConnection
  /** Whether it is ready for the next query: the last one was answered to its end, or never sent. */
  readonly readyForQuery: boolean
  /** Whether queries are sent before the previous one is answered (8.23 and later). */
  readonly pipeline?: boolean
  ref(): void
  unref(): void
  /** Every form of a query in one: pg's types declare them one by one. */
  query(config: unknown, values?: unknown, callback?: Settle): unknown
  /** Called with every ReadyForQuery. */
  _handleReadyForQuery(message: { readonly status?: unknown }): void
}

/** What a connection has for a request to cancel. */
export interface CancelConnection extends pg.Connection {
  readonly ssl: unknown
  readonly sslNegotiation?: string
  /** A path is that of a Unix socket. */
  connect(portOrPath: number | string, host?: string): void
  requestSsl(): void
  cancel(processId: number, secretKey: number): void
}

/** The only place where a client is looked into. */
export function internalsOf(client: object): ClientInternals {
  return client as ClientInternals
}

/** What pg's pool keeps in fields that its types call read-only: a pool over several pools ends by its own rules. */
export interface PoolInternals {
  ending: boolean
  ended: boolean
  /** The callers that wait for a connection. */
  readonly _pendingQueue?: unknown[]
  /** Its connections, idle and in use. */
  readonly _clients?: pg.Client[]
  /** Those that are free; the last one is the next to be given out. */
  readonly _idle?: IdleConnection[]
  /** Gives one out: its `release` is made, and it is listened to as one that is in use. */
  _acquireClient?(
    client: pg.PoolClient,
    waiting: { readonly callback: () => void },
    idleListener: unknown,
    isNew: boolean,
  ): void
}

/** A connection of pg's pool that is free. */
export interface IdleConnection {
  readonly client: pg.PoolClient & { ref(): void }
  readonly idleListener: unknown
  readonly timeoutId: NodeJS.Timeout | undefined
}

/** As `internalsOf`, for a pool. */
export function poolInternalsOf(pool: object): PoolInternals {
  return pool as PoolInternals
}

/** Makes pg's pool forget the callers that wait for a connection: they have been told. It has no call for that. */
export function forgetPending(pool: object): void {
  const queue = poolInternalsOf(pool)._pendingQueue
  if (queue !== undefined) queue.length = 0
}

/** The connections of pg's pool, idle and in use. */
export function clientsOf(pool: object): readonly pg.Client[] {
  return [...(poolInternalsOf(pool)._clients ?? [])]
}

/** What pg asks of a Submittable and its types do not declare, and where pg-cursor and pg-query-stream keep their text. */
export interface SubmittableInternals {
  readonly text?: unknown
  readonly cursor?: { readonly text?: unknown }
  readonly destroyed?: unknown
  callback?: unknown
  handleError?: (error: unknown, connection: unknown) => unknown
}

/** As `internalsOf`, for a Submittable. */
export function submittableInternalsOf(submittable: pg.Submittable): SubmittableInternals {
  return submittable as SubmittableInternals
}

/** What pg's result keeps of the columns, for its rows. */
export interface ResultInternals {
  fields?: readonly object[]
  _parsers?: readonly unknown[] | undefined
  /** What the server said that it has done; none before it has. */
  readonly command?: unknown
  /** The parsers of this query or of its client; without any, pg's own. */
  readonly _types?: Pick<typeof pg.types, 'getTypeParser'> | undefined
  /** What each row begins with. */
  _prebuiltEmptyResultObject?: object | null
  addFields?(columns: readonly object[]): void
}

/** pg's own query as it is: its types show none of its fields. */
export interface QueryInternals {
  text: unknown
  values: unknown
  name: unknown
  types: unknown
  rows: unknown
  binary: unknown
  queryMode: unknown
  query_timeout: unknown
  portal: unknown
  _rowMode: unknown
  callback: Settle | undefined
  _result: ResultInternals
  _results: unknown
  /** The error for which the rest of its answer is passed over; it is told at the answer's end. */
  _canceledDueToError: unknown
  _accumulateRows?: unknown
  submit(connection: pg.Connection): unknown
  /** Whether it is sent by the extended protocol. */
  requiresPreparation(): boolean
  /** Sends it by the extended protocol; with `_getRows` at its end. */
  prepare(connection: pg.Connection): void
  _getRows(connection: pg.Connection, rows: unknown): void
  handleRowDescription(message: { readonly fields: readonly object[] }): void
  handleDataRow(message: { readonly fields: readonly unknown[] }): void
  handleCommandComplete(message: unknown, connection: unknown): void
  handleReadyForQuery(connection: unknown): void
  handleError(error: unknown, connection: unknown): void
}

/** The messages of the extended protocol that pg's connection sends. */
export interface ExtendedProtocol {
  parse(query: { readonly text: string; readonly name?: string }): void
  bind(config: { readonly statement?: string }): void
  execute(config: { readonly portal?: unknown }): void
  close(target: { readonly type: 'S' | 'P'; readonly name: string }): void
}

/** As `internalsOf`, for a connection. */
export function extendedOf(connection: pg.Connection): ExtendedProtocol {
  return connection as unknown as ExtendedProtocol
}

/** As `internalsOf`, for a query. */
export function queryInternalsOf(query: object): QueryInternals {
  return query as QueryInternals
}

/** pg's class of queries, which its types declare without the callback. */
export const PgQuery = pg.Query as unknown as new (text: unknown, values: unknown, callback: Settle) => QueryInternals

/** pg's class of pools, without what `RoutedPool` has its own of: pg declares the overloads one by one. */
export const PgPool = pg.Pool as unknown as new (
  config: pg.PoolConfig,
) => Omit<pg.Pool, 'query' | 'connect' | 'end' | 'totalCount' | 'idleCount' | 'waitingCount' | 'expiredCount'> & {
  /** The class of the promises that it gives: the option `Promise`, or the global one. */
  readonly Promise: PromiseConstructor
}

/** Any client or pool as Node's emitter: pg's types declare the events one by one. */
export function emitterOf(emitter: object): EventEmitter {
  return emitter as EventEmitter
}

/** Lets `run` call what opens the client's socket. */
export function wrapOpening({ connection }: pg.Client, run: (open: () => unknown) => unknown): void {
  const inner = connection as unknown as { connect(...address: unknown[]): unknown }
  const { connect } = inner
  inner.connect = (...address) => run(() => connect.apply(connection, address))
}

/** Calls back with each setting that the server reports unasked (ParameterStatus). */
export function onParameterStatus({ connection }: pg.Client, heard: (name: string, value: string) => void): void {
  connection.on('parameterStatus', (message: { parameterName: string; parameterValue: string }) => {
    heard(message.parameterName, message.parameterValue)
  })
}

/** The class of a pool's clients: what the app gave as `Client`, or pg's own. */
export function clientClassOf({ Client }: pg.PoolConfig): typeof pg.Client {
  return (Client as typeof pg.Client | undefined) ?? pg.Client
}

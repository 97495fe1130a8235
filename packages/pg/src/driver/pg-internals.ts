import type { EventEmitter } from 'node:events'
import type pg from 'pg'
import type { Settle } from './settle.ts'

/**
 * What pg's client has and its types do not declare. All that this package uses of it is declared here, and nowhere else:
 * `pg-internals.test.ts` says for each release of pg whether it is still there.
 */
export interface ClientInternals {
  /** The backend's process id, by BackendKeyData; `null` before the connection is made. */
  readonly processID: number | null
  /** What the startup message will say. */
  readonly connectionParameters: { options?: string | undefined }
  /** Whether it is ready for the next query: it was answered to the end, or the last one was never sent. */
  readonly readyForQuery: boolean
  /** Whether queries are sent before the one in front of them is answered (8.22 and later). */
  readonly pipeline?: boolean
  ref(): void
  unref(): void
  /** Every form of a query in one: pg's types declare them one by one. */
  query(config: unknown, values?: unknown, callback?: Settle): unknown
  /** Called with every ReadyForQuery. */
  _handleReadyForQuery(message: { readonly status?: unknown }): void
}

/** The only place where a client is looked into. */
export function internalsOf(client: object): ClientInternals {
  return client as ClientInternals
}

/** What pg's pool keeps in fields that its types call read-only: a pool over several pools ends by its own rules. */
export interface PoolInternals {
  ending: boolean
  ended: boolean
}

/** As `internalsOf`, for a pool. */
export function poolInternalsOf(pool: object): PoolInternals {
  return pool as PoolInternals
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

/** Any client or pool as Node's emitter: pg's types declare the events one by one. */
export function emitterOf(emitter: object): EventEmitter {
  return emitter as EventEmitter
}

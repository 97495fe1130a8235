import type { EventEmitter } from 'node:events'
import type pg from 'pg'

/**
 * What a `RoutedPool` offers to the ORM adapters of this repository, beyond pg's own pool. Not for apps.
 *
 * The pool always classifies the text itself; an adapter can only make that verdict stricter.
 */
export interface OrmPool extends EventEmitter {
  end(): Promise<void>
  /**
   * Sends a text that is a single plain read, on which no later statement depends, as `query` does. For any other text it sends
   * nothing and returns `undefined`.
   */
  queryPlainRead(text: string, values: readonly unknown[]): Promise<pg.QueryResult> | undefined
  /**
   * Leases a client as `connect()` does, synchronously: it has no connection yet.
   *
   * @throws what `connect()` rejects with.
   */
  lease(): OrmClient
  /**
   * Cancels the query that runs on `client`, a client that `OrmClient.current` gave, where it runs; done when the server has been
   * asked. Cancels nothing when `isStillThere()` says that the query has moved on meanwhile.
   */
  cancelQuery(client: pg.PoolClient, isStillThere: () => boolean): Promise<void>
}

/** A client that `lease()` gave. */
export interface OrmClient extends pg.PoolClient {
  /** pg's own client for the server that was used last; `undefined` before the first statement. */
  readonly current: pg.PoolClient | undefined
  /** `query` for a statement that its builder marks as a write, whatever its text looks like. */
  queryWrite(text: string, values: readonly unknown[]): Promise<pg.QueryResult>
  queryWrite<Sent extends pg.Submittable>(submittable: Sent): Sent
}

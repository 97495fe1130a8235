import type { EventEmitter } from 'node:events'
import type pg from 'pg'

/**
 * What the ORM adapters of this repository ask of a `RoutedPool`, beyond what pg has. Not for apps.
 *
 * A verdict is never handed in: the pool reads the text itself, and what an adapter adds can only make that stricter.
 */
export interface OrmPool extends EventEmitter {
  end(): Promise<void>
  /**
   * Sends a text that is one plain read, which nothing after it depends on, as `query` does; gives `undefined`, and sends
   * nothing, for any other.
   */
  queryPlainRead(text: string, values: readonly unknown[]): Promise<pg.QueryResult> | undefined
  /**
   * What `connect()` gives, at once: it has no connection yet.
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

/** What `lease()` gives. */
export interface OrmClient extends pg.PoolClient {
  /** pg's own client for the server that was asked last; `undefined` before the first statement. */
  readonly current: pg.PoolClient | undefined
  /** `query`, for what its builder knows as a write, whatever the text looks like. */
  queryWrite(text: string, values: readonly unknown[]): Promise<pg.QueryResult>
  queryWrite<Sent extends pg.Submittable>(submittable: Sent): Sent
}

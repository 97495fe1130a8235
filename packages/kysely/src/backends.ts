import { once } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import type { OrmPool } from '@headwater/pg'
import type pg from 'pg'

/** A query that is running, and may move to another server meanwhile. */
export interface RunningQuery {
  /** pg's client for the server that runs it; `undefined` once it is over. */
  client(): pg.PoolClient | undefined
  /** Settles with the query. */
  readonly settled: Promise<unknown>
}

/**
 * Cancels queries on the server that runs them.
 *
 * A process id means nothing without its server: sent to the primary, the id of a replica's process would cancel someone
 * else's query.
 */
export class Backends {
  readonly #pool: OrmPool

  constructor(pool: OrmPool) {
    this.#pool = pool
  }

  /**
   * Cancels a query, also one that still waits for its connection, or moves to another server because the first was lost. Done
   * when the query has settled.
   */
  async cancel(query: RunningQuery): Promise<void> {
    const over = new AbortController()
    const end = () => over.abort()
    const ended = query.settled.then(end, end)
    let last: pg.PoolClient | undefined
    while (!over.signal.aborted) {
      const client = query.client()
      if (client !== undefined && client !== last) {
        last = client
        await this.#pool.cancelQuery(client, () => query.client() === client)
      } else {
        const moved = once(this.#pool, 'acquire', { signal: over.signal }).then(() => setImmediate())
        await Promise.race([ended, moved.catch(end)])
      }
    }
  }
}

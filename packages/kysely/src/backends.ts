import { once } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import type { OrmPool } from '@headwater/pg'
import type pg from 'pg'

/** A query that runs, and may move to another server while it does. */
export interface RunningQuery {
  /** pg's client for the server that runs it; `undefined` when it is over. */
  client(): pg.PoolClient | undefined
  /** Settles with the query. */
  readonly settled: Promise<unknown>
}

/**
 * The server processes behind the connections in use, so that a query can be cancelled where it runs.
 *
 * A process number means nothing without its server: sent to the primary, the number of a replica's process would
 * cancel a stranger's query.
 */
export class Backends {
  readonly #pool: OrmPool

  constructor(pool: OrmPool) {
    this.#pool = pool
  }

  /**
   * Cancels a query on the server that runs it, also one that is still on its way there, or on its way to another server
   * after the first was lost; done when it has settled.
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

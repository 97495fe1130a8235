import type pg from 'pg'
import { isOwnProcess } from './own-process.ts'
import { clientClassOf } from './pg-internals.ts'

/** A connection outside the pools: it takes no place that a query of the app waits for. */
export interface OwnConnection {
  /** The pool whose server answered. */
  readonly pool: pg.Pool
  /** Whether the process of this id, which has answered, is its own. */
  isOwnProcess(processId: number): boolean
  query(text: string): Promise<{ readonly rows: readonly unknown[] }>
  /** Ends it at once, also in the middle of a query; may be called again, and never rejects. */
  end(): Promise<void>
}

/** How long the catalog's query may take; then its connection is given up. */
const QUERY_TIMEOUT_MILLIS = 60_000

/**
 * Opens a connection outside the pools, with the settings of the first pool whose server answers.
 *
 * Rejects with the driver's last error when none answers, and with the signal's reason when that aborts.
 */
export async function openOwnConnection(pools: readonly pg.Pool[], signal: AbortSignal): Promise<OwnConnection> {
  let failure: unknown = new Error('there is no server to read the catalog from')
  for (const pool of pools) {
    signal.throwIfAborted()
    const { options } = pool
    const client = new (clientClassOf(options))(options)
    // Without a listener the loss of the connection would end the process; the query's own error reports it.
    client.on('error', () => undefined)
    const destroy = (): void => {
      client.connection.stream.destroy()
    }
    signal.addEventListener('abort', destroy, { once: true })
    try {
      await client.connect()
      return {
        pool,
        isOwnProcess: (processId) => isOwnProcess(client, processId),
        query: (text: string) => client.query({ text, query_timeout: QUERY_TIMEOUT_MILLIS } as pg.QueryConfig),
        end: async () => {
          signal.removeEventListener('abort', destroy)
          await client.end().catch(() => undefined)
        },
      }
    } catch (error) {
      signal.removeEventListener('abort', destroy)
      destroy()
      failure = error
    }
  }
  signal.throwIfAborted()
  throw failure
}

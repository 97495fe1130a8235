import type pg from 'pg'
import { internalsOf } from './pg-internals.ts'

/**
 * Cancels the query that runs on `client`, over a connection of its own to the same server: `client` is busy, and the pool may
 * be full.
 *
 * Asks `isStillThere` once connected, and cancels nothing when the query has moved on. Rejects with the driver's error when
 * the server cannot be reached.
 */
export async function cancelQuery(client: pg.PoolClient, isStillThere: () => boolean): Promise<void> {
  const { processID, connectionParameters } = internalsOf(client)
  // The pool's own class of client, with the parameters of the very server.
  const Client = client.constructor as typeof pg.Client
  const control = new Client(connectionParameters)
  control.on('error', () => undefined)
  try {
    await control.connect()
    if (isStillThere()) await control.query('select pg_cancel_backend($1)', [processID])
  } finally {
    await control.end()
  }
}

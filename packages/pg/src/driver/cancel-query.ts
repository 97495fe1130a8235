import type pg from 'pg'
import { internalsOf } from './pg-internals.ts'

/** A server that does not take the request for so long does not hear it. */
const PATIENCE_MILLIS = 10_000

/**
 * Asks the server to cancel the query that runs on `client`, in the way that the protocol has for it: a pooler's process ids and keys
 * are its own, and mean another process, or none, to its server. It takes a socket for a moment, and no session.
 *
 * Asks `isStillThere` once connected, and cancels nothing when the query has moved on. Rejects with the driver's error when
 * the server cannot be reached.
 */
export async function cancelQuery(client: pg.PoolClient, isStillThere: () => boolean): Promise<void> {
  const { processID, secretKey, connectionParameters } = internalsOf(client)
  // It was never connected, so nothing runs on it.
  if (processID === null || secretKey === null) return
  // The pool's own class of client, with the parameters of the very server.
  const Client = client.constructor as typeof pg.Client
  const { host, port, connection } = internalsOf(new Client(connectionParameters))
  const send = (): void => {
    if (isStillThere()) connection.cancel(processID, secretKey)
    else connection.stream.destroy()
  }
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new Error(`the server took no request to cancel within ${PATIENCE_MILLIS} ms`))
      connection.stream.destroy()
    }, PATIENCE_MILLIS)
    connection.on('error', reject)
    connection.on('connect', () => {
      if (!connection.ssl) send()
      else if (connection.sslNegotiation !== 'direct') connection.requestSsl()
    })
    connection.on('sslconnect', send)
    // The server closes it once it has signalled the process.
    connection.on('end', () => {
      clearTimeout(timer)
      resolve()
    })
    if (host.startsWith('/')) connection.connect(`${host}/.s.PGSQL.${port}`)
    else connection.connect(port, host)
  })
}

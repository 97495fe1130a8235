import { internalsOf } from '../driver/pg-internals.ts'
import type { TrackedClient } from '../driver/tracked-client.ts'

/**
 * Sets the session read-only, but only if the server process behind it is the one that the connection began with, in one query.
 * A pooler answers the startup itself, with a process id of its own; behind it the setting would stay on a session that
 * others use after us (B3).
 */
const setIfOurs = (processId: number): string =>
  `select pg_catalog.set_config('default_transaction_read_only', 'on', false) where pg_catalog.pg_backend_pid() operator(pg_catalog.=) ${processId}`

/**
 * Makes sure that a new session on a replica cannot write (X1), where no other client shares it, and tells whether it is so.
 * Sends nothing when the server has reported the setting already.
 */
export function forceReadOnlySession(
  client: TrackedClient,
  done: (error: Error | undefined, isForced: boolean) => void,
): void {
  if (client.isReadOnlyByDefault === true) return done(undefined, true)
  const processId = processIdOf(client)
  if (processId === undefined) return done(undefined, false)
  client.query(setIfOurs(processId)).then(
    ({ rows }) => done(undefined, rows.length === 1),
    (error: Error) => done(error, false),
  )
}

/** The id of the process that serves a connection, from its startup; `undefined` when that did not say. */
export function processIdOf(client: object): number | undefined {
  return internalsOf(client).processID ?? undefined
}

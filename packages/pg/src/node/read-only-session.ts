import { internalsOf } from '../driver/pg-internals.ts'
import type { TrackedClient } from '../driver/tracked-client.ts'

/**
 * Sets the session read-only if the server process behind it is the one that the connection began with, in one question.
 * A pooler answers the startup by itself, with a number of its own; what is set behind it would stay with a session that
 * others use after us (B3).
 */
const setIfOurs = (processId: number): string =>
  `select pg_catalog.set_config('default_transaction_read_only', 'on', false) where pg_catalog.pg_backend_pid() operator(pg_catalog.=) ${processId}`

/**
 * Makes sure that a new session on a replica cannot write (X1), where it is ours alone. Says whether that is so; nothing
 * is asked of one whose server has said it already.
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

/** The process that serves a connection, as its startup said; `undefined` when it did not. */
export function processIdOf(client: object): number | undefined {
  return internalsOf(client).processID ?? undefined
}

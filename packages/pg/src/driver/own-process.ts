import { internalsOf } from './pg-internals.ts'

/**
 * Whether the process that answers on a connection is the one that it began with (B1). A pooler answers the startup itself, with a process
 * id of its own; and behind a load balancer each connection has another process.
 */
export function isOwnProcess(client: object, processId: number): boolean {
  return processId === processIdOf(client)
}

/** The same as a condition for the server to decide; `undefined` when the startup did not say, as no server's would. */
export function ownProcessCondition(client: object): string | undefined {
  const processId = processIdOf(client)
  return processId === undefined ? undefined : `pg_catalog.pg_backend_pid() operator(pg_catalog.=) ${processId}`
}

/** The id of the process that serves a connection, from its startup; `undefined` when that did not say. */
function processIdOf(client: object): number | undefined {
  return internalsOf(client).processID ?? undefined
}

import { databaseErrorIn } from '@headwater/core/internal'

/** Whether a Postgres server raised this error: only its errors have a severity. ReadyForQuery follows each. */
export function isServerError(error: unknown): error is Error & { readonly severity: string } {
  return Reflect.has(Object(error), 'severity')
}

/** Whether pg gave up waiting for the answer (`query_timeout`). The query still runs on its connection. Source: pg 8.21 to 8.23. */
export function isReadTimeout(error: unknown): boolean {
  return error instanceof Error && error.message === 'Query read timeout'
}

/** The server shuts down, crashed, or is not up yet. */
const NOT_RUNNING: ReadonlySet<string | undefined> = new Set(['57P01', '57P02', '57P03'])

/** Whether the server itself said that it does not run. */
export function isNotRunning(error: unknown): boolean {
  return NOT_RUNNING.has(databaseErrorIn(error)?.code)
}

/** Whether the server ended the session, and so rolled back what ran in it (57P01). */
export function isSessionEnded(error: unknown): boolean {
  return databaseErrorIn(error)?.code === '57P01'
}

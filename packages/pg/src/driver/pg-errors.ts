/** Whether a Postgres server raised it: its errors, and no others, carry a severity. ReadyForQuery follows each. */
export function isServerError(error: unknown): error is Error & { readonly severity: string } {
  return Reflect.has(Object(error), 'severity')
}

/** Whether pg gave up waiting for the answer (`query_timeout`). The query still runs on its connection. */
export function isReadTimeout(error: unknown): boolean {
  return error instanceof Error && error.message === 'Query read timeout'
}

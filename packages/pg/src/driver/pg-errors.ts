/** Whether a Postgres server raised this error: only its errors have a severity. ReadyForQuery follows each. */
export function isServerError(error: unknown): error is Error & { readonly severity: string } {
  return Reflect.has(Object(error), 'severity')
}

/** Whether pg gave up waiting for the answer (`query_timeout`). The query still runs on its connection. Source: pg 8.21 to 8.23. */
export function isReadTimeout(error: unknown): boolean {
  return error instanceof Error && error.message === 'Query read timeout'
}

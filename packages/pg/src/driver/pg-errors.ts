import { databaseErrorIn, isConnectionLoss } from '@headwater/core'

/** Whether a Postgres server raised it: its errors, and no others, carry a severity. ReadyForQuery follows each. */
export function isServerError(error: unknown): error is Error & { readonly severity: string } {
  return Reflect.has(Object(error), 'severity')
}

/** Whether pg gave up waiting for the answer (`query_timeout`). The query still runs on its connection. */
export function isReadTimeout(error: unknown): boolean {
  return error instanceof Error && error.message === 'Query read timeout'
}

/** Whether no session could be had at all: nothing was sent. 57P03: the server is starting, stopping, or not accepting connections. */
export function isUnreachable(error: unknown): boolean {
  const code = databaseErrorIn(error)?.code
  return code === undefined ? isConnectionLoss(error) : code === '57P03'
}

import { databaseErrorIn } from '@headwater/core/internal'

/** Whether a Postgres server raised this error: only its errors have a severity. ReadyForQuery follows each. */
export function isServerError(error: unknown): error is Error & { readonly severity: string } {
  return Reflect.has(Object(error), 'severity')
}

/** Whether pg gave up waiting for the answer (`query_timeout`). The query still runs on its connection. Source: pg 8.21 to 8.23. */
export function isReadTimeout(error: unknown): boolean {
  return error instanceof Error && error.message === 'Query read timeout'
}

/** What PgBouncer says when it ends a client that waits for a server: what it asked was sent to none. Source: PgBouncer 1.18 to 1.26. */
const NEVER_SENT =
  /query_wait_timeout|server login has been failing|cannot connect to server|no more connections allowed|pgbouncer is shutting down|the database system is shutting down|server_login_retry/i

/** Whether a pooler has ended the connection before it gave it a server. */
export function isNeverSent(error: unknown): boolean {
  return isServerError(error) && error.severity === 'FATAL' && NEVER_SENT.test(error.message) && isPoolers(error)
}

/** Whether a pooler takes no more clients (`max_client_conn`): it is there for those that it has. Source: PgBouncer 1.18 to 1.26. */
export function isFullPooler(error: unknown): boolean {
  return isServerError(error) && /no more connections allowed/i.test(error.message) && isPoolers(error)
}

/** A server's own errors name the file that raised them; a pooler has none. */
function isPoolers(error: unknown): boolean {
  return databaseErrorIn(error)?.file === undefined
}

/** CALL of a procedure that commits, and what cannot run inside a transaction block. */
const NOT_FOR_TRANSACTIONS: ReadonlySet<string | undefined> = new Set(['2D000', '25001'])

/** Whether the statement was refused because of the transaction around it. */
export function isNotForTransactions(error: unknown): boolean {
  return NOT_FOR_TRANSACTIONS.has(databaseErrorIn(error)?.code)
}

/** Whether a pooler runs no transactions. Source: PgBouncer 1.18 to 1.26 in statement mode. */
export function isTransactionRefusal(error: unknown): boolean {
  return (
    error instanceof Error &&
    /transaction blocks not allowed in statement pooling mode|Transactions not allowed in stmt/i.test(error.message)
  )
}

/** Whether the server ended the session, and so rolled back what ran in it (57P01). */
export function isSessionEnded(error: unknown): boolean {
  return databaseErrorIn(error)?.code === '57P01'
}

/** Whether the pool had no free place. Source: pg-pool 3.14; its other two messages (and pg's `timeout expired`) mean the server. */
export function isFullPool(error: unknown): boolean {
  return error instanceof Error && error.message === 'timeout exceeded when trying to connect'
}

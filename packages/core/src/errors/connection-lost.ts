import { HeadwaterError, nameAndBrand } from './headwater-error.ts'
import { HTTP_STATUS, httpHeadersOf } from './http-status.ts'

/**
 * The connection to the database was lost, and what was asked on it was not committed; `cause` is the driver's error (X6).
 *
 * It is `retryable` when nothing that its client did before was committed either: then all of it can be done again. What the
 * server said before it closed the connection is there too: `cause.code` is 57P01 when it stops, or an administrator ended the session.
 */
export class ConnectionLost extends HeadwaterError {
  /** What an HTTP framework answers when the app does not catch this (the http-errors convention): 503 when it is `retryable`. */
  readonly status: 500 | 503
  readonly statusCode: 500 | 503
  readonly headers: Readonly<Record<string, string>>
  /** Whether frameworks may show the message to the client. */
  readonly expose = false

  constructor(cause: unknown, retryable: boolean) {
    super('HEADWATER_CONNECTION_LOST', messageOf(cause, retryable), { retryable, cause })
    this.status = retryable ? HTTP_STATUS.connectionLost.retryable : HTTP_STATUS.connectionLost.final
    this.statusCode = this.status
    this.headers = httpHeadersOf(this.status)
  }

  static {
    nameAndBrand(this, 'ConnectionLost')
  }
}

function messageOf(cause: unknown, retryable: boolean): string {
  // The driver's words stay in it: apps look for them.
  const words = cause instanceof Error && cause.message !== '' ? cause.message : 'no reason was given'
  const advice = retryable
    ? 'Nothing was committed; try again.'
    : 'This statement was not committed, but what this client did before it was: do not repeat that.'
  return `the connection to the database was lost: ${words}. ${advice}`
}

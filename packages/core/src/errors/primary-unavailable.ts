import { HeadwaterError, nameAndBrand } from './headwater-error.ts'

/**
 * No connection to the primary could be made, so nothing was sent; `cause` is the driver's error.
 *
 * Raised when the primary cannot be reached, is full (53300), starting or stopping, or when a pooler in front of it
 * says so (class 08). A refused login, database or TLS is a matter of configuration, and a pool without a free connection says
 * nothing about the primary: those errors pass as the driver made them.
 */
export class PrimaryUnavailable extends HeadwaterError {
  /** The status that an HTTP framework answers with when the app does not catch this (the http-errors convention). */
  readonly status = 503
  readonly statusCode = 503
  readonly headers: Readonly<Record<string, string>> = { 'retry-after': '1' }

  constructor(cause: unknown) {
    super('HEADWATER_PRIMARY_UNAVAILABLE', 'no connection to the primary could be made; nothing was sent. Try again.', {
      retryable: true,
      cause,
    })
  }

  /** Hono answers an uncaught error that has this method with its result. */
  getResponse(): Response {
    return new Response('Service Unavailable', { status: this.status, headers: { ...this.headers } })
  }

  static {
    nameAndBrand(this, 'PrimaryUnavailable')
  }
}

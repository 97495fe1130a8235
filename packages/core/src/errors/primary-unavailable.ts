import { HeadwaterError, nameAndBrand } from './headwater-error.ts'
import { HTTP_STATUS, httpHeadersOf } from './http-status.ts'

const UNAVAILABLE = 'HEADWATER_PRIMARY_UNAVAILABLE'

const MESSAGES = {
  HEADWATER_PRIMARY_UNAVAILABLE:
    'there is no primary, or no connection to it could be made; nothing was sent. Try again.',
  HEADWATER_PRIMARY_BUSY:
    'no replica can answer this read, and others have all of the primary that such reads may take (option primaryReads); nothing was sent. Try again.',
} as const

/**
 * There is no primary, or no connection to it could be made, so nothing was sent; `cause` says why.
 *
 * Raised when no server is known to be the primary, or when it cannot be reached, is full (53300), starting or stopping, or when a
 * pooler in front of it says so (class 08). A refused login, database or TLS is a matter of configuration, and a pool without a free connection says
 * nothing about the primary: those errors pass as the driver made them.
 */
export class PrimaryUnavailable extends HeadwaterError {
  /** What an HTTP framework answers when the app does not catch this (the http-errors convention). */
  readonly status: 503 = HTTP_STATUS.primaryUnavailable
  readonly statusCode: 503 = HTTP_STATUS.primaryUnavailable
  readonly headers: Readonly<Record<string, string>> = httpHeadersOf(HTTP_STATUS.primaryUnavailable)
  /** Whether frameworks may show the message to the client. */
  readonly expose = false

  constructor(cause: unknown, code: 'HEADWATER_PRIMARY_UNAVAILABLE' | 'HEADWATER_PRIMARY_BUSY' = UNAVAILABLE) {
    super(code, MESSAGES[code], { retryable: true, cause })
  }

  static {
    nameAndBrand(this, 'PrimaryUnavailable')
  }
}

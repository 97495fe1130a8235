import { HeadwaterError, nameAndBrand } from '../errors/headwater-error.ts'
import { HTTP_STATUS, type HttpStatus, httpHeadersOf } from '../errors/http-status.ts'
import type { ReplayBlocker } from '../route/reasons.ts'

const ADVICE: Readonly<Record<ReplayBlocker, string>> = {
  'at-home': 'this instance is already in the primary region, and its database refuses writes (it may be failing over)',
  'no-request':
    "there is no request to replay: run this job in the primary region, or set writesOutsideRequest to 'direct'",
  'response-started': 'the response has started: call ensurePrimary() before the first byte is sent',
  'already-replayed':
    'the request was replayed once and this instance is still not in the primary region: check that PRIMARY_REGION and HEADWATER_SECRET are the same in every region',
  'body-too-large':
    "the body is over the proxy's limit for replays: upload it elsewhere, or send it to the primary region directly",
  forbidden: 'the app called forbidReplay(): call ensurePrimary() before it when a write may follow',
  'replay-failed':
    'the primary region could not be reached; reads still work, writes are refused until it answers again',
}

/**
 * The primary is needed, but a replay cannot work; `blocker` says why (P4). Nothing was written.
 *
 * An HTTP framework that meets it answers 413, 500 or 503, as `status` says; `retryable` is `true` with 503.
 *
 * @example
 * if (error instanceof ReplayImpossible && error.blocker === 'replay-failed') showReadOnlyNotice()
 */
export class ReplayImpossible extends HeadwaterError {
  readonly blocker: ReplayBlocker
  /** What an HTTP framework answers when the app does not catch this (the http-errors convention). */
  readonly status: HttpStatus
  readonly statusCode: HttpStatus
  readonly headers: Readonly<Record<string, string>>
  /** Whether frameworks may show the message to the client. */
  readonly expose = false

  constructor(blocker: ReplayBlocker, options?: { cause?: unknown; retryAfterSeconds?: number }) {
    const status = HTTP_STATUS.replayImpossible[blocker]
    super(
      'HEADWATER_REPLAY_IMPOSSIBLE',
      `the primary is needed and the request cannot be replayed: ${ADVICE[blocker]}.`,
      {
        retryable: status === 503,
        cause: options?.cause,
      },
    )
    this.blocker = blocker
    this.status = status
    this.statusCode = status
    this.headers = httpHeadersOf(status, options?.retryAfterSeconds)
  }

  static {
    nameAndBrand(this, 'ReplayImpossible')
  }
}

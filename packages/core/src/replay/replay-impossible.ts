import { HeadwaterError, nameAndBrand } from '../errors/headwater-error.ts'
import { HTTP_STATUS, type HttpStatus, httpHeadersOf } from '../errors/http-status.ts'
import type { ReplayBlocker } from '../route/reasons.ts'

const ADVICE: Readonly<Record<ReplayBlocker, string>> = {
  'at-home':
    'this instance is already in the primary region, and its database refuses writes: it may be failing over, or DATABASE_URL leads to a standby',
  'no-request':
    "there is no request to replay: run this job in the primary region, or set writesOutsideRequest to 'direct'",
  'response-started': 'the response has started: call ensurePrimary() before the first byte is sent',
  'already-replayed':
    'the request was replayed once and this instance is still not in the primary region: check that PRIMARY_REGION and HEADWATER_SECRET are the same in every region',
  'body-too-large':
    "the body is over the proxy's limit for replays: upload it elsewhere, send it to the primary's region at once, or set tooLarge to 'direct'",
  'body-gone':
    'the body was read before headwater() could keep it, and this instance has to send it on: put headwater() in front of the body parser, or call ensurePrimary() before the body is read',
  forbidden: 'the app called forbidReplay(): call ensurePrimary() before it when a write may follow',
  'replay-failed':
    'the primary region could not be reached; reads still work, writes are refused until it answers again',
}

/** The same where the region is known: PRIMARY_REGION may be what is wrong. */
function adviceFor(blocker: ReplayBlocker, region: string | undefined): string {
  if (blocker !== 'replay-failed' || region === undefined) return ADVICE[blocker]
  return `the primary region (${region}) could not be reached; reads still work, writes are refused until it answers again. If no instance of this app runs in ${region}, PRIMARY_REGION is wrong`
}

/** What a `ReplayImpossible` is made with. */
export interface ReplayImpossibleOptions {
  readonly cause?: unknown
  /** The primary's region, as this instance knows it: named where nobody answered there. */
  readonly region?: string | undefined
  /** The `Retry-After` of a 503. Default 1. */
  readonly retryAfterSeconds?: number | undefined
  /** The request headers with which a client reaches the primary's region at once: told with a 413. Default: none. */
  readonly steering?: Readonly<Record<string, string>> | undefined
}

/**
 * The primary is needed, but a replay cannot work; `blocker` says why (P4). Nothing was written.
 *
 * An HTTP framework that meets it answers 413, 500 or 503, as `status` says; `retryable` is `true` with 503. With 413, `headers`
 * has the request headers that a client should send the body with, and only then the client may read the message.
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
  readonly expose: boolean

  constructor(blocker: ReplayBlocker, options: ReplayImpossibleOptions = {}) {
    const status = HTTP_STATUS.replayImpossible[blocker]
    const steering = status === 413 ? options.steering : undefined
    super(
      'HEADWATER_REPLAY_IMPOSSIBLE',
      `the primary is needed and the request cannot be replayed: ${adviceFor(blocker, options.region)}.${adviceOf(steering)}`,
      {
        retryable: status === 503,
        cause: options.cause,
      },
    )
    this.blocker = blocker
    this.status = status
    this.statusCode = status
    this.headers = { ...httpHeadersOf(status, options.retryAfterSeconds), ...steering }
    this.expose = status === 413
  }

  static {
    nameAndBrand(this, 'ReplayImpossible')
  }
}

function adviceOf(steering: Readonly<Record<string, string>> = {}): string {
  const headers = Object.entries(steering).map(([name, value]) => `${name}: ${value}`)
  return headers.length === 0 ? '' : ` The request headers that lead there: ${headers.join(', ')}.`
}

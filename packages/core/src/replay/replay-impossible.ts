import { HeadwaterError, nameAndBrand } from '../errors/headwater-error.ts'
import type { ReplayObstacle } from '../route/reasons.ts'

/** What an HTTP framework answers to each obstacle when the app does not catch the error. */
const STATUS_OF: Readonly<Record<ReplayObstacle, 413 | 500 | 503>> = {
  'at-home': 503,
  'no-request': 500,
  'response-started': 500,
  'already-replayed': 503,
  'body-too-large': 413,
  'side-effects': 500,
  'replay-failed': 503,
}

const ADVICE: Readonly<Record<ReplayObstacle, string>> = {
  'at-home': 'this instance is in the primary region already, and its database refuses writes (it may be failing over)',
  'no-request': "there is no request to replay: run this job in the primary region, or set outsideRequest to 'direct'",
  'response-started': 'the response has started: call ensurePrimary() before the first byte is sent',
  'already-replayed':
    'the request was replayed once and this instance is still not in the primary region: check PRIMARY_REGION',
  'body-too-large':
    "the body is over the proxy's limit for replays: upload it elsewhere, or send it to the primary region directly",
  'side-effects': 'the app declared side effects that must not happen twice: call ensurePrimary() before them',
  'replay-failed': 'the primary region could not be reached; reads go on, writes are refused until it answers again',
}

/** The primary is needed, but a replay cannot work; `obstacle` says why (P4). Nothing was written. */
export class ReplayImpossible extends HeadwaterError {
  readonly obstacle: ReplayObstacle
  /** What an HTTP framework answers when the app does not catch this (the http-errors convention). */
  readonly status: 413 | 500 | 503
  readonly statusCode: 413 | 500 | 503
  readonly headers: Readonly<Record<string, string>>
  /** Whether frameworks may show the message to the client. */
  readonly expose = false

  constructor(obstacle: ReplayObstacle, options?: { cause?: unknown; retryAfterSeconds?: number }) {
    const status = STATUS_OF[obstacle]
    super(
      'HEADWATER_REPLAY_IMPOSSIBLE',
      `the primary is needed and the request cannot be replayed: ${ADVICE[obstacle]}.`,
      {
        retryable: status === 503,
        cause: options?.cause,
      },
    )
    this.obstacle = obstacle
    this.status = status
    this.statusCode = status
    this.headers = status === 503 ? { 'retry-after': String(options?.retryAfterSeconds ?? 1) } : {}
  }

  /** Hono answers an uncaught error that has this method with its result. */
  getResponse(): Response {
    return new Response(null, { status: this.status, headers: { ...this.headers } })
  }

  static {
    nameAndBrand(this, 'ReplayImpossible')
  }
}

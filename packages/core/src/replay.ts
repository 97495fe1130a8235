import { findInCauses, HeadwaterError, nameAndBrand } from './error.ts'
import type { PrimaryReason } from './route.ts'

/** Why the request is handed over: the routing reason, or the app's own `ensurePrimary()`, or the route's record (P5). */
export type ReplayReason = PrimaryReason | 'ensure-primary' | 'route-prior'

/**
 * The request must run where the primary lives; an HTTP adapter answers it with a replay.
 *
 * It spends its scope (P3): every later query there rejects with this same object. `cause` is the standby's refusal
 * when one was needed to find out (P2).
 */
export class ReplayToPrimary extends HeadwaterError {
  /** The region to replay in: the primary's. */
  readonly region: string
  /** The region that asks for the replay. */
  readonly from: string
  readonly reason: ReplayReason

  constructor(details: { region: string; from: string; reason: ReplayReason; cause?: unknown }) {
    super(
      'HEADWATER_REPLAY_TO_PRIMARY',
      `this request needs the primary in ${details.region} (${details.reason}) and is replayed there from ${details.from}. ` +
        'Let this error pass: the HTTP adapter turns it into the replay.',
      { retryable: true, cause: details.cause },
    )
    this.region = details.region
    this.from = details.from
    this.reason = details.reason
  }

  /** Hono answers an uncaught error that has this method with its result, and logs one that has not; the adapter replaces it. */
  getResponse(): Response {
    return new Response(null, { status: 409 })
  }

  static {
    nameAndBrand(this, 'ReplayToPrimary')
  }
}

/** What makes a replay impossible (P4). */
export type ReplayObstacle =
  | 'at-home'
  | 'no-request'
  | 'response-started'
  | 'already-replayed'
  | 'body-too-large'
  | 'side-effects'
  | 'replay-failed'

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

/** Finds the `ReplayToPrimary` in an error, through the wrappers that ORMs put around it. */
export function findReplay(error: unknown): ReplayToPrimary | undefined {
  return findInCauses(error, (candidate): candidate is ReplayToPrimary => candidate instanceof ReplayToPrimary)
}

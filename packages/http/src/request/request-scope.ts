import {
  type ReplayBlocker,
  ReplayImpossible,
  type ReplayReason,
  type ReplayToPrimary,
  Scope,
  type Topology,
} from '@headwater/core'
import type { ClientSessionOptions, ReplayStamp, ScopeRefusal } from '@headwater/core/internal'

/** What the scope of a request needs to open. */
export interface RequestScopeOptions {
  readonly kind: 'request' | 'job'
  readonly blocker: ReplayBlocker | undefined
  /** The replay that brought it here, when its state is verified. */
  readonly replayed: ReplayStamp | undefined
  readonly topology: () => Topology
  /** What the client has seen, by its token; `undefined` where no token is carried. */
  readonly session: ClientSessionOptions | undefined
  /** Whether it remembers which servers its statements were sent to. */
  readonly keepsTrail: boolean
  /** The `Retry-After` of a 503. */
  readonly retryAfterSeconds: number
  /** The request headers with which a client reaches a region at once: told where the body is too large for a replay. */
  readonly steer: (region: string) => Readonly<Record<string, string>>
  /** Called each time something away from home needs the primary. */
  readonly onPrimaryNeeded: () => void
  /** Called when a replay was needed and is impossible. */
  readonly onRefused: (blocker: ReplayBlocker, topology: Topology) => void
}

/** The scope of one HTTP request: says on its refusals what the client may do, and reports when the primary was needed. */
export class RequestScope extends Scope {
  readonly #retryAfterSeconds: number
  readonly #steer: RequestScopeOptions['steer']
  readonly #onPrimaryNeeded: () => void
  readonly #onRefused: RequestScopeOptions['onRefused']
  #whenSpent: (() => void) | undefined

  constructor(options: RequestScopeOptions) {
    const { kind, blocker, replayed, topology, session, keepsTrail } = options
    super({ kind, blocker, replayed, topology, session, keepsTrail })
    this.#retryAfterSeconds = options.retryAfterSeconds
    this.#steer = options.steer
    this.#onPrimaryNeeded = options.onPrimaryNeeded
    this.#onRefused = options.onRefused
  }

  /** Calls `listener` when its request is to be replayed; only the last listener. */
  whenSpent(listener: () => void): void {
    this.#whenSpent = listener
  }

  override askForReplay(topology: Topology, reason: ReplayReason, cause?: unknown): ReplayToPrimary | ReplayImpossible {
    const error = super.askForReplay(topology, reason, cause)
    this.#onPrimaryNeeded()
    if (this.isSpent) this.#whenSpent?.()
    if (error instanceof ReplayImpossible) this.#onRefused(error.blocker, topology)
    const { primaryRegion } = topology
    if (!(error instanceof ReplayImpossible) || error.status !== 413 || primaryRegion === undefined) return error
    return this.refuse(new ReplayImpossible(error.blocker, { cause, steering: this.#steer(primaryRegion) }))
  }

  override refuse<Refused extends ScopeRefusal>(error: Refused): Refused {
    if (error.status !== 503) return super.refuse(error)
    const headers = { ...error.headers, 'retry-after': String(this.#retryAfterSeconds) }
    return super.refuse(Object.assign(error, { headers }))
  }
}

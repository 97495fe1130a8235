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
  readonly owner: ScopeOwner
}

/** Whoever opens the scope of a request. An object, and no functions: one less to make for each. */
export interface ScopeOwner {
  /** The `Retry-After` of a 503. */
  readonly retryAfterSeconds: number
  /** The request headers with which a client reaches a region at once: told where the body is too large for a replay. */
  steer(region: string): Readonly<Record<string, string>>
  /** Called each time something away from home needs the primary. */
  primaryNeeded(): void
  /** Called when a replay was needed and is impossible. */
  refused(blocker: ReplayBlocker, topology: Topology): void
}

/** The scope of one HTTP request: says on its refusals what the client may do, and reports when the primary was needed. */
export class RequestScope extends Scope {
  readonly #owner: ScopeOwner
  #whenSpent: (() => void) | undefined

  constructor(options: RequestScopeOptions) {
    super(options)
    this.#owner = options.owner
  }

  /** Calls `listener` when its request is to be replayed; only the last listener. */
  whenSpent(listener: () => void): void {
    this.#whenSpent = listener
  }

  override askForReplay(topology: Topology, reason: ReplayReason, cause?: unknown): ReplayToPrimary | ReplayImpossible {
    const error = super.askForReplay(topology, reason, cause)
    this.#owner.primaryNeeded()
    if (this.isSpent) this.#whenSpent?.()
    if (error instanceof ReplayImpossible) this.#owner.refused(error.blocker, topology)
    const { primaryRegion } = topology
    if (!(error instanceof ReplayImpossible) || error.status !== 413 || primaryRegion === undefined) return error
    return this.refuse(new ReplayImpossible(error.blocker, { cause, steering: this.#owner.steer(primaryRegion) }))
  }

  override refuse<Refused extends ScopeRefusal>(error: Refused): Refused {
    if (error.status !== 503) return super.refuse(error)
    const headers = { ...error.headers, 'retry-after': String(this.#owner.retryAfterSeconds) }
    return super.refuse(Object.assign(error, { headers }))
  }
}

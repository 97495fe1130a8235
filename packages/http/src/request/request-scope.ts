import {
  ReplayImpossible,
  type ReplayObstacle,
  type ReplayReason,
  type ReplayToPrimary,
  Scope,
  type Topology,
  type TrailOptions,
} from '@headwater/core'

/** What a request's scope is told when it opens. */
export interface RequestScopeOptions {
  readonly kind: 'request' | 'job'
  readonly obstacle: ReplayObstacle | undefined
  readonly topology: () => Topology
  /** What the client's token says it has seen; `undefined` where no token is carried. */
  readonly trail: TrailOptions | undefined
  /** What a 503 says in `Retry-After`, in seconds. */
  readonly retryAfter: number
  /** Called each time something here needs the primary and is not there. */
  readonly onPrimaryNeeded: () => void
}

/** The scope of one HTTP request: knows what its refusals say to the client, and tells its lifecycle. */
export class RequestScope extends Scope {
  readonly #retryAfter: number
  readonly #onPrimaryNeeded: () => void

  constructor(options: RequestScopeOptions) {
    super({ kind: options.kind, obstacle: options.obstacle, topology: options.topology, trail: options.trail })
    this.#retryAfter = options.retryAfter
    this.#onPrimaryNeeded = options.onPrimaryNeeded
  }

  override askForReplay(topology: Topology, reason: ReplayReason, cause?: unknown): ReplayToPrimary | ReplayImpossible {
    const error = super.askForReplay(topology, reason, cause)
    this.#onPrimaryNeeded()
    if (!(error instanceof ReplayImpossible)) return error
    return new ReplayImpossible(error.obstacle, { cause, retryAfterSeconds: this.#retryAfter })
  }
}

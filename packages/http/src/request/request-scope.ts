import {
  ReplayImpossible,
  type ReplayObstacle,
  type ReplayReason,
  type ReplayToPrimary,
  Scope,
  type Topology,
} from '@headwater/core'
import type { TrailOptions } from '@headwater/core/internal'

/** What the scope of a request needs to open. */
export interface RequestScopeOptions {
  readonly kind: 'request' | 'job'
  readonly obstacle: ReplayObstacle | undefined
  readonly topology: () => Topology
  /** What the client has seen, by its token; `undefined` where no token is carried. */
  readonly trail: TrailOptions | undefined
  /** The `Retry-After` of a 503. */
  readonly retryAfterSeconds: number
  /** Called each time something away from home needs the primary. */
  readonly onPrimaryNeeded: () => void
}

/** The scope of one HTTP request: puts `Retry-After` on its refusals, and reports when the primary was needed. */
export class RequestScope extends Scope {
  readonly #retryAfterSeconds: number
  readonly #onPrimaryNeeded: () => void

  constructor(options: RequestScopeOptions) {
    super({ kind: options.kind, obstacle: options.obstacle, topology: options.topology, trail: options.trail })
    this.#retryAfterSeconds = options.retryAfterSeconds
    this.#onPrimaryNeeded = options.onPrimaryNeeded
  }

  override askForReplay(topology: Topology, reason: ReplayReason, cause?: unknown): ReplayToPrimary | ReplayImpossible {
    const error = super.askForReplay(topology, reason, cause)
    this.#onPrimaryNeeded()
    if (!(error instanceof ReplayImpossible)) return error
    return new ReplayImpossible(error.obstacle, { cause, retryAfterSeconds: this.#retryAfterSeconds })
  }
}

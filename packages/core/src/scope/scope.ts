import { diagnostics, type ReplayEvent } from '../diagnostics.ts'
import type { Topology } from '../nodes/topology.ts'
import { ReplayImpossible } from '../replay/replay-impossible.ts'
import { ReplayToPrimary } from '../replay/replay-to-primary.ts'
import { type Consistency, parseConsistency } from '../route/consistency.ts'
import type { ReplayObstacle, ReplayReason } from '../route/reasons.ts'
import { Trail, type TrailOptions } from '../session/trail.ts'

/** What a scope is told when it opens. */
export interface ScopeOptions {
  /** `request`: there is an HTTP request that can be replayed. `job`: there is none. Default `job`. */
  readonly kind?: 'request' | 'job'
  /** What already speaks against a replay; default none for a request, `no-request` for a job. */
  readonly obstacle?: ReplayObstacle | undefined
  /** Where this instance stands, asked anew each time; needed by `ensurePrimary()` only. */
  readonly topology?: () => Topology
  /** How fresh reads in it must be. Default: what the pool says. */
  readonly consistency?: Consistency | undefined
  /** What its client has seen before, and whether somebody will ask for its token. Default: nothing, and nobody. */
  readonly trail?: TrailOptions | undefined
  /**
   * What a read does when no replica next door has what its client has seen: `primary` asks there, `throw` rejects with
   * `ReplicaBehind`. Default `primary`.
   */
  readonly whenBehind?: 'primary' | 'throw' | undefined
}

/** A replica that is down or behind today says nothing about what a route needs tomorrow (P5). */
const SAYS_NOTHING_OF_THE_ROUTE: ReadonlySet<ReplayReason> = new Set([
  'replica-lost',
  'no-replica',
  'unknown-object',
  'behind',
  'seen-elsewhere',
  'another-timeline',
  'lagging',
])

let scopesOpened = 0

/** One unit of work: an HTTP request or a job. Holds everything that routing may depend on. */
export class Scope {
  #kind: 'request' | 'job'
  /** Counts scopes in this process; picks the replica, so that one scope stays with one replica. */
  readonly number: number = ++scopesOpened
  readonly topology: (() => Topology) | undefined
  readonly consistency: Consistency | undefined
  readonly whenBehind: 'primary' | 'throw'
  /** What it has seen and written (F1, F5). */
  readonly trail: Trail
  /** Whether anything here needed the primary by its nature: what the route's record learns (P5). */
  hasNeededPrimary = false
  #obstacle: ReplayObstacle | undefined
  #replay: ReplayToPrimary | undefined

  constructor(options: ScopeOptions = {}) {
    this.#kind = options.kind ?? 'job'
    this.topology = options.topology
    this.consistency = parseConsistency('consistency', options.consistency)
    this.whenBehind = options.whenBehind ?? 'primary'
    this.trail = new Trail(options.trail)
    this.#obstacle = options.obstacle ?? (this.kind === 'job' ? 'no-request' : undefined)
  }

  /** `request`: there is an HTTP request that can be replayed. `job`: there is none. */
  get kind(): 'request' | 'job' {
    return this.#kind
  }

  /** Whether a write was sent (R4). Set before it is sent, and never taken back. */
  get hasWritten(): boolean {
    return this.trail.hasWritten
  }

  set hasWritten(hasWritten: boolean) {
    this.trail.hasWritten = hasWritten
  }

  /** What speaks against a replay now; `undefined` when it can be asked for. */
  get obstacle(): ReplayObstacle | undefined {
    return this.#obstacle
  }

  /** The error that spent this scope (P3); `undefined` while it is alive. */
  get replay(): ReplayToPrimary | undefined {
    return this.#replay
  }

  /** Notes that its request has ended in an open connection (a WebSocket): what follows runs as outside a request (P6). */
  becomeJob(): void {
    this.#kind = 'job'
    this.obstruct('no-request')
  }

  /** Notes something that speaks against a replay from now on. The first one stays. */
  obstruct(obstacle: ReplayObstacle): void {
    this.#obstacle ??= obstacle
  }

  /**
   * Asks for the replay of this scope: spends it and gives back the error to throw.
   *
   * Gives back the first replay if there was one, and a `ReplayImpossible` when something speaks against it (P4).
   */
  askForReplay(topology: Topology, reason: ReplayReason, cause?: unknown): ReplayToPrimary | ReplayImpossible {
    if (this.#replay !== undefined) return this.#replay
    if (!SAYS_NOTHING_OF_THE_ROUTE.has(reason)) this.hasNeededPrimary = true
    const { region, primaryRegion } = topology
    const obstacle = topology.isAtHome ? 'at-home' : this.#obstacle
    if (diagnostics.replay.hasSubscribers) {
      const target = obstacle === undefined ? primaryRegion : undefined
      diagnostics.replay.publish({ reason, obstacle, region: target, scope: this.number } satisfies ReplayEvent)
    }
    if (obstacle !== undefined || region === undefined || primaryRegion === undefined) {
      return new ReplayImpossible(obstacle ?? 'at-home', { cause })
    }
    this.#replay = new ReplayToPrimary({ region: primaryRegion, from: region, reason, cause })
    return this.#replay
  }
}

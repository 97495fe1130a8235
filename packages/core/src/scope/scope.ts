import { diagnostics, type ReplayEvent } from '../diagnostics.ts'
import { ConnectionLost } from '../errors/connection-lost.ts'
import type { PrimaryUnavailable } from '../errors/primary-unavailable.ts'
import type { Topology } from '../nodes/topology.ts'
import { ReplayImpossible } from '../replay/replay-impossible.ts'
import { type ReplayDetails, ReplayToPrimary } from '../replay/replay-to-primary.ts'
import { mayReplayAgain, type ReplayStamp } from '../replay/second-hop.ts'
import { type Consistency, parseConsistency } from '../route/consistency.ts'
import type { ReplayBlocker, ReplayReason } from '../route/reasons.ts'
import { ClientSession, type ClientSessionOptions } from '../session/client-session.ts'
import { ScopeTrail } from './scope-trail.ts'

/** Options of a `Scope`. */
export interface ScopeOptions {
  /**
   * `request`: there is an HTTP request that can be replayed. `job`: there is none.
   *
   * @default 'job'
   */
  readonly kind?: 'request' | 'job'
  /** What already makes a replay impossible. Default: nothing for a request, `no-request` for a job. */
  readonly blocker?: ReplayBlocker | undefined
  /**
   * The replay that brought its request here, by a state that one of this app's instances has signed. One more may follow when this
   * instance knows a later timeline (P4). Default: none did.
   */
  readonly replayed?: ReplayStamp | undefined
  /** Where this instance runs, called anew each time; only `ensurePrimary()` needs it. */
  readonly topology?: () => Topology
  /** How fresh reads in it must be. Default: the pool's `consistency`. */
  readonly consistency?: Consistency | undefined
  /** What its client has seen before, and whether its token will be asked for. Default: nothing, and no. */
  readonly session?: ClientSessionOptions | undefined
  /**
   * What a read does when no local replica has caught up with what its client has seen: `primary` reads there, `throw` rejects
   * with `ReplicaBehind`.
   *
   * @default 'primary'
   */
  readonly whenBehind?: 'primary' | 'throw' | undefined
  /**
   * Whether it remembers which servers its statements were sent to, and why.
   *
   * @default false
   */
  readonly keepsTrail?: boolean | undefined
}

/** What was refused, or undone: an HTTP adapter answers with its status, whatever becomes of the error (P10). */
export type ScopeRefusal = ReplayImpossible | PrimaryUnavailable | ConnectionLost

/** A replica that is down or behind now, or a catalog that is, says nothing about what the route will need next time (P5). */
const UNRELATED_TO_ROUTE: ReadonlySet<ReplayReason> = new Set([
  'replica-lost',
  'no-replica',
  'unknown-object',
  'newer-than-catalog',
  'behind',
  'seen-elsewhere',
  'another-timeline',
  'lagging',
  'far-replica',
])

let scopesOpened = 0

/**
 * One unit of work: an HTTP request or a job. Holds everything that routing may depend on.
 *
 * The HTTP adapters open one per request; open one yourself for a job.
 *
 * @example
 * await runInScope(new Scope({ consistency: 'bounded' }), () => rebuildReport())
 */
export class Scope {
  #kind: 'request' | 'job'
  /** Its number in this process. It picks the replica, so that one scope stays with one replica. */
  readonly number: number = ++scopesOpened
  readonly topology: (() => Topology) | undefined
  readonly consistency: Consistency | undefined
  readonly whenBehind: 'primary' | 'throw'
  /** What it has seen and written (F1, F5). */
  readonly session: ClientSession
  /** Which servers its statements were sent to; `undefined` where nobody asked for it. */
  readonly trail: ScopeTrail | undefined
  /** Whether any statement or call here needed the primary by its nature: what the route's record learns (P5). */
  hasNeededPrimary = false
  /** Whether the head of its answer has passed. What runs now is a stream: its writes are refused, its reads go where a job's do (P4, R4). */
  hasBegunToAnswer = false
  #blocker: ReplayBlocker | undefined
  readonly #replayed: ReplayStamp | undefined
  /** Whether a second replay may follow the first, should a later timeline be known here. */
  #mayHopAgain: boolean
  #replay: ReplayDetails | undefined
  #refusal: ScopeRefusal | undefined
  /** What begins once this scope cannot be replayed any more. */
  #held: (() => void)[] | undefined

  constructor(options: ScopeOptions = {}) {
    this.#kind = options.kind ?? 'job'
    this.topology = options.topology
    this.consistency = parseConsistency('consistency', options.consistency)
    this.whenBehind = options.whenBehind ?? 'primary'
    this.session = new ClientSession(options.session)
    this.trail = options.keepsTrail === true ? new ScopeTrail() : undefined
    this.#blocker = options.blocker ?? (this.kind === 'job' ? 'no-request' : undefined)
    this.#replayed = options.replayed
    this.#mayHopAgain = options.replayed !== undefined && this.#blocker === 'already-replayed'
  }

  /** `request`: there is an HTTP request that can be replayed. `job`: there is none. */
  get kind(): 'request' | 'job' {
    return this.#kind
  }

  /** Whether a write was sent (R4). Set before it is sent, and never taken back. */
  get hasWritten(): boolean {
    return this.session.hasWritten
  }

  set hasWritten(hasWritten: boolean) {
    this.session.hasWritten = hasWritten
  }

  /** What makes a replay impossible now; `undefined` when nothing does. */
  get blocker(): ReplayBlocker | undefined {
    return this.#mayHopAgain && this.#isHopDue() ? undefined : this.#blocker
  }

  /** Whether a replay that one of this app's instances has signed brought its request here. */
  get isReplayVerified(): boolean {
    return this.#replayed !== undefined
  }

  /** Whether it was replayed to here, and no server is known to be the primary (X9): it waits for the news before its handler runs. */
  get awaitsPrimary(): boolean {
    if (this.#replayed === undefined || this.#replayed.isForRead || this.blocker !== 'already-replayed') return false
    return this.topology?.().isPrimarySought === true
  }

  #isHopDue(): boolean {
    const { cluster, timeline = 0 } = this.topology?.() ?? {}
    return this.#replayed !== undefined && mayReplayAgain(this.#replayed, { cluster, timeline, isForRead: false })
  }

  /** Whether a replay was asked for (P3): nothing runs here any more. */
  get isSpent(): boolean {
    return this.#replay !== undefined
  }

  /** The error of everything in a spent scope (P3), made anew for each who asks; `undefined` while it is alive. */
  get replay(): ReplayToPrimary | undefined {
    return this.#replay === undefined ? undefined : new ReplayToPrimary(this.#replay)
  }

  /** What was asked for with it; unlike its error it takes no stack to make. */
  get replayDetails(): ReplayDetails | undefined {
    return this.#replay
  }

  /**
   * The last refusal that has an HTTP status of its own (P10): 503, or 413 for a body that is too large. `undefined` when there was none,
   * or a write was sent after it.
   */
  get refusal(): ScopeRefusal | undefined {
    return this.#refusal
  }

  /** Notes a refusal, which an HTTP adapter answers with whatever becomes of the error (P10). Returns the error to throw. */
  refuse<Refused extends ScopeRefusal>(error: Refused): Refused {
    // Its client may do all of that again, but not what else was committed here.
    if (error instanceof ConnectionLost && this.session.mayHaveCommitted) return error
    // A 500 says nothing that the app's own does not.
    if (error.status !== 500) this.#refusal = error
    return error
  }

  /** Call when a write is sent: it may succeed, and then nobody must be told that nothing happened. */
  forgetRefusal(): void {
    this.#refusal = undefined
  }

  /** Notes that its request became an open connection (a WebSocket): what follows runs like a job (P6). */
  becomeJob(): void {
    this.#kind = 'job'
    this.blockReplay('no-request')
  }

  /** Notes that its replay cannot be sent after all (P8). Call it before anything has run here: now it does. */
  giveUpReplay(blocker: ReplayBlocker): void {
    this.#replay = undefined
    this.blockReplay(blocker)
  }

  /** Call when the head of its answer passes. */
  beginToAnswer(): void {
    this.hasBegunToAnswer = true
    this.session.endVisit()
    this.blockReplay('response-started')
  }

  /** Notes something that makes a replay impossible from now on. The first blocker stays. */
  blockReplay(blocker: ReplayBlocker): void {
    this.#blocker ??= blocker
    this.#mayHopAgain = false
    const held = this.#held
    this.#held = undefined
    if (held !== undefined && !this.isSpent) for (const begin of held) begin()
  }

  /**
   * Calls `begin` once nothing can run this scope again elsewhere: at once at home, in a job, and where a replay is impossible; else when
   * the head of the answer passes. Never when the scope is replayed: the replay comes by here again (P12).
   */
  whenKept(begin: () => void): void {
    if (this.isSpent) return
    const isBlocked = this.blocker !== undefined
    // What begins now must not begin again elsewhere, whatever is heard of a later timeline.
    if (isBlocked) this.#mayHopAgain = false
    if (isBlocked || this.#kind === 'job' || this.topology?.().isAtHome === true) return begin()
    this.#held ??= []
    this.#held.push(begin)
  }

  /**
   * Asks for the replay of this scope: spends it and returns the error to throw.
   *
   * Returns the first replay again if there was one, and a `ReplayImpossible` when there is a blocker (P4).
   */
  askForReplay(topology: Topology, reason: ReplayReason, cause?: unknown): ReplayToPrimary | ReplayImpossible {
    const replay = this.#replay ?? this.#spend(topology, reason, cause)
    return replay instanceof ReplayImpossible ? replay : new ReplayToPrimary(replay)
  }

  /** The same before anything runs here (P5): nobody is there to catch an error, so none is made. Does nothing where a replay is impossible. */
  replayEarly(topology: Topology): void {
    if (this.#replay === undefined && this.blocker === undefined) this.#spend(topology, 'route-prior', undefined)
  }

  #spend(topology: Topology, reason: ReplayReason, cause: unknown): ReplayDetails | ReplayImpossible {
    if (!UNRELATED_TO_ROUTE.has(reason)) this.hasNeededPrimary = true
    const { region, primaryRegion, cluster, timeline, standIns } = topology
    const isForRead = reason === 'far-replica'
    const destination = isForRead ? topology.elsewhere?.region : primaryRegion
    const blocker = topology.isAtHome && !isForRead ? 'at-home' : this.blocker
    if (diagnostics.replay.hasSubscribers) {
      const target = blocker === undefined ? destination : undefined
      diagnostics.replay.publish({ reason, blocker, region: target, scope: this.number } satisfies ReplayEvent)
    }
    if (blocker !== undefined || region === undefined || destination === undefined) {
      return this.refuse(new ReplayImpossible(blocker ?? 'at-home', { cause, region: primaryRegion }))
    }
    this.#replay = {
      region: destination,
      standIns: isForRead ? [] : standIns,
      cluster,
      timeline,
      from: region,
      reason,
      cause,
    }
    this.#held = undefined
    return this.#replay
  }
}

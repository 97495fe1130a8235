import { AsyncLocalStorage } from 'node:async_hooks'
import { diagnostics, type ReplayEvent } from './diagnostics.ts'
import { type Consistency, parseConsistency } from './freshness/consistency.ts'
import { Trail, type TrailOptions } from './freshness/trail.ts'
import { ReplayImpossible, type ReplayObstacle, type ReplayReason, ReplayToPrimary } from './replay.ts'
import type { Topology } from './topology.ts'

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

/** What travels with the asynchronous flow: the scope, and what `withPrimary`, `withReplica` or `withConsistency` asks for here. */
export interface Frame {
  readonly scope: Scope | undefined
  readonly forced: 'primary' | 'replica' | undefined
  readonly consistency: Consistency | undefined
}

const STORAGE = Symbol.for('headwater.scope.1')

/** Two loaded copies of this package share one storage; the version in the symbol keeps unlike copies apart. */
function sharedStorage(): AsyncLocalStorage<Frame> {
  const existing: unknown = Reflect.get(globalThis, STORAGE)
  if (existing instanceof AsyncLocalStorage) return existing
  const created = new AsyncLocalStorage<Frame>()
  Object.defineProperty(globalThis, STORAGE, { value: created, enumerable: false })
  return created
}

const storage: AsyncLocalStorage<Frame> = sharedStorage()

/** The frame of the code that asks; `undefined` outside any scope. */
export function currentFrame(): Frame | undefined {
  return storage.getStore()
}

/** The scope of the code that asks; `undefined` outside any. */
export function currentScope(): Scope | undefined {
  return storage.getStore()?.scope
}

/** Runs `fn` in `scope`. A scope inside a scope hides the outer one until `fn` is done. */
export function runInScope<Result>(scope: Scope, fn: () => PromiseLike<Result>): Promise<Result>
export function runInScope<Result>(scope: Scope, fn: () => Result): Result
export function runInScope(scope: Scope, fn: () => unknown): unknown {
  return runIn({ scope, forced: undefined, consistency: undefined }, fn)
}

/**
 * Runs `fn` in `frame`, and starts what it gives back there: the builders of Drizzle and Knex and Prisma's promises are
 * sent when they are awaited, which `await withPrimary(() => db.select()…)` does outside.
 */
function runIn(frame: Frame, fn: () => unknown): unknown {
  return storage.run(frame, () => {
    const result = fn()
    if (result instanceof Promise || !isThenable(result)) return result
    return new Promise((resolve, reject) => result.then(resolve, reject))
  })
}

function isThenable(result: unknown): result is PromiseLike<unknown> {
  return typeof result === 'object' && result !== null && typeof Reflect.get(result, 'then') === 'function'
}

/**
 * Runs `fn` with every statement at the primary (R6); what was forced before is in force again after, also on a throw.
 *
 * Away from home, inside a request, the first statement in it asks for the replay.
 */
export function withPrimary<Result>(fn: () => PromiseLike<Result>): Promise<Result>
export function withPrimary<Result>(fn: () => Result): Result
export function withPrimary(fn: () => unknown): unknown {
  return runIn({ ...outerFrame(), forced: 'primary' }, fn)
}

/**
 * Runs `fn` with every statement on a replica (R6), also after a write (R4 is off inside).
 *
 * @throws {WriteOnReplica} from the query, for a statement that must not run on a replica.
 */
export function withReplica<Result>(fn: () => PromiseLike<Result>): Promise<Result>
export function withReplica<Result>(fn: () => Result): Result
export function withReplica(fn: () => unknown): unknown {
  return runIn({ ...outerFrame(), forced: 'replica' }, fn)
}

/**
 * Runs `fn` with every read as fresh as `consistency` says, whatever the pool or the scope say; restored after, also on a throw.
 *
 * @throws {OptionsInvalid} at once, for another word.
 */
export function withConsistency<Result>(consistency: Consistency, fn: () => PromiseLike<Result>): Promise<Result>
export function withConsistency<Result>(consistency: Consistency, fn: () => Result): Result
export function withConsistency(consistency: Consistency, fn: () => unknown): unknown {
  return runIn({ ...outerFrame(), consistency: parseConsistency('consistency', consistency) }, fn)
}

function outerFrame(): Frame {
  return storage.getStore() ?? NO_FRAME
}

const NO_FRAME: Frame = Object.freeze({ scope: undefined, forced: undefined, consistency: undefined })

/**
 * Declares that this request is about to do something that must not happen twice (a charge, a mail): no replay from now on (P4).
 *
 * Call it before the deed, never behind it, and `ensurePrimary()` before it when a write may follow: away from home that write
 * would be refused, with the deed done. Does nothing outside a scope.
 *
 * @throws {ReplayToPrimary} when the scope is spent already: the request runs again elsewhere, and the deed with it.
 */
export function sideEffects(): void {
  const scope = currentScope()
  if (scope?.replay !== undefined) throw scope.replay
  scope?.obstruct('side-effects')
}

/**
 * Makes sure that the rest of this request runs in the primary's region: replays now, before any work, when it does not (P5).
 *
 * Does nothing at home, and nothing outside a request: a job has nobody to replay it.
 *
 * @throws {ReplayToPrimary} away from home.
 * @throws {ReplayImpossible} away from home, when something speaks against the replay.
 */
export function ensurePrimary(): void {
  const scope = currentScope()
  if (scope?.topology === undefined || scope.kind !== 'request') return
  scope.hasNeededPrimary = true
  const topology = scope.topology()
  if (!topology.isAtHome) throw scope.askForReplay(topology, 'ensure-primary')
}

import { type ReplayObstacle, type ReplayToPrimary, RouteMemory, type Seen } from '@headwater/core'
import { type HeadwaterOptions, type ResolvedOptions, resolveOptions } from './options.ts'
import { signState, verifyState } from './replay/replay-state.ts'
import type { Arrival, ReplayAnswer } from './replay/replay-target.ts'
import { bodyLengthOf, type RequestFacts } from './request/request-facts.ts'
import { RequestScope } from './request/request-scope.ts'
import type { HeadKeeper } from './response/response-gate.ts'
import type { ResponseHead } from './response/response-head.ts'
import { RequestToken, type TokenAnswer } from './token/request-token.ts'

/** The two clocks of a lifecycle, in ms; a test brings its own. */
export interface Clocks {
  /** Wall clock: states are compared across machines. */
  readonly wall: () => number
  /** Never goes back: route records are compared within this process. */
  readonly monotonic: () => number
}

const CLOCKS: Clocks = { wall: () => Date.now(), monotonic: () => performance.now() }

/** The one life of a request that all adapters share: holds the options, and what routes were learned. */
export class Lifecycle {
  readonly options: ResolvedOptions
  readonly clocks: Clocks
  readonly memory: RouteMemory = new RouteMemory()

  /** @throws {OptionsInvalid} when an option is wrong. */
  constructor(options: HeadwaterOptions, clocks: Clocks = CLOCKS) {
    this.options = resolveOptions(options)
    this.clocks = clocks
  }

  /**
   * Opens the life of one request; `undefined` when the app exempts it, which nothing else does (P7).
   *
   * `kind` is `job` when there is no response to answer with any more: the connection was upgraded before.
   */
  open(facts: RequestFacts, kind: 'request' | 'job' = 'request'): RequestLife | undefined {
    return this.options.exempt(facts) ? undefined : new RequestLife(this, facts, kind)
  }
}

/** One request, from its head to the end of its response. */
export class RequestLife implements HeadKeeper {
  readonly scope: RequestScope
  readonly facts: RequestFacts
  readonly #lifecycle: Lifecycle
  readonly #arrival: Arrival
  /** The route's name while its record is of use: away from home, where the app has not said what to do. */
  readonly #route: string | undefined
  readonly #isEarly: boolean
  /** `undefined` where nothing carries tokens. */
  readonly #token: RequestToken | undefined
  #settled: { readonly seen: Seen | undefined } | undefined
  #tokenAnswer: TokenAnswer | undefined
  #hasEnded = false

  constructor(lifecycle: Lifecycle, facts: RequestFacts, kind: 'request' | 'job' = 'request') {
    const { options, clocks } = lifecycle
    this.#lifecycle = lifecycle
    this.facts = facts
    this.#arrival = options.target.arrival(facts.header)
    const length = bodyLengthOf(facts)
    const isReplayed = verifyState(options.secrets, facts, this.#arrival.state, clocks.wall()) !== undefined
    const isTooLarge = length !== 'unknown' && length > options.bodyLimit
    const obstacle = kind === 'job' ? 'no-request' : obstacleOf(this.#arrival.hasFailed, isReplayed, isTooLarge)
    const { topology } = options.pool
    this.#token = options.token && new RequestToken(options.token, options.secrets, facts, clocks.wall())
    this.scope = new RequestScope({
      kind,
      trail: this.#token && { ...this.#token.trail, isVisiting: isReplayed && topology.isAtHome },
      obstacle,
      topology: () => options.pool.topology,
      retryAfter: options.retryAfter,
      onPrimaryNeeded: () => this.#learnLateNeed(),
    })
    const early = topology.isAtHome ? 'never' : options.earlyReplay(facts)
    this.#route = early === undefined ? options.route(facts) : undefined
    // A body of unknown length is read and counted here first, unless the app knows better: it may be over the limit.
    this.#isEarly =
      obstacle === undefined &&
      (this.#route === undefined
        ? early === 'always'
        : length !== 'unknown' && lifecycle.memory.shouldReplayEarly(facts.method, this.#route, clocks.monotonic()))
    if (this.#isEarly) this.scope.askForReplay(topology, 'route-prior')
  }

  /** Whether the answer is a replay, whatever else the app answers (P3). */
  get isSpent(): boolean {
    return this.scope.replay !== undefined
  }

  /** Whether the head has to wait for `settle()`: the primary is to say where it stands (F2). */
  get mustSettle(): boolean {
    return this.#token !== undefined && !this.isSpent && this.scope.trail.mustAsk
  }

  /** Notes that the answer opens a connection (a WebSocket): what goes on in it runs as outside a request (P6). */
  becomeJob(): void {
    if (!this.isSpent) this.scope.becomeJob()
  }

  /** Finds out what the client has seen by now. Takes a round trip to the primary at most; never rejects. */
  async settle(): Promise<void> {
    this.#settled = { seen: await this.scope.trail.settle() }
  }

  /**
   * Decides at the head of the response: a spent scope gives the answer that replaces everything (P3); otherwise the
   * response has started, and no replay can be asked for from here on (P4).
   */
  head(): ReplayAnswer | undefined {
    const { replay } = this.scope
    if (replay !== undefined) return this.#answer(replay)
    this.scope.obstruct('response-started')
    return undefined
  }

  /** Whether `tell()` has something to say. */
  get hasToTell(): boolean {
    if (this.#token === undefined) return false
    const { cookies, header } = this.#answerOf(this.#token)
    return this.#token.floor !== undefined || cookies.length > 0 || header !== undefined
  }

  /** Puts the token on a head that is not a replay's, and keeps it out of shared caches. May be done again. */
  tell(head: ResponseHead): void {
    if (this.#token === undefined) return
    this.#token.tell(head, this.#answerOf(this.#token), this.scope.hasWritten)
  }

  /** What was seen when the head was first asked about counts: what comes later is not in it. */
  #answerOf(token: RequestToken): TokenAnswer {
    const { options, clocks } = this.#lifecycle
    if (this.#tokenAnswer !== undefined) return this.#tokenAnswer
    const { trail } = this.scope
    const { seen } = this.#settled ?? { seen: trail.settleNow() }
    const isEverywhere = seen !== undefined && options.pool.hasEveryReplica?.(seen) === true
    this.#tokenAnswer = token.answer({ seen, hasSeenMore: trail.hasSeenMore, isEverywhere, now: clocks.wall() })
    return this.#tokenAnswer
  }

  /** Learns what the route needed (P5). An error says nothing about that, so only a success counts as a read. */
  end(status: number): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    const { hasNeededPrimary, hasWritten } = this.scope
    const needed = hasNeededPrimary || hasWritten
    // A replay for a replica's sake (behind, lost) says nothing of the route, whatever status the target gives it.
    if (!needed && this.isSpent) return
    if (needed || status < 400) this.#learn(needed)
  }

  /** A streamed body may write after the adapter saw its end: the next request of this route is replayed early. */
  #learnLateNeed(): void {
    if (this.#hasEnded && this.scope.hasNeededPrimary) this.#learn(true)
  }

  #learn(hasNeededPrimary: boolean): void {
    if (this.#route === undefined || this.#isEarly) return
    const { memory, clocks } = this.#lifecycle
    memory.learn(this.facts.method, this.#route, hasNeededPrimary, clocks.monotonic())
  }

  #answer(replay: ReplayToPrimary): ReplayAnswer {
    const { options, clocks } = this.#lifecycle
    const { region, reason } = replay
    if (!this.#arrival.isBehindProxy) warnOfMissingProxy(options.target.name)
    return options.target.answer({ region, state: signState(options.secrets, this.facts, reason, clocks.wall()) })
  }
}

function obstacleOf(hasFailed: boolean, isReplayed: boolean, isTooLarge: boolean): ReplayObstacle | undefined {
  if (hasFailed) return 'replay-failed'
  if (isReplayed) return 'already-replayed'
  return isTooLarge ? 'body-too-large' : undefined
}

let hasWarned = false

/** Once per process: nothing in the request shows a proxy that would act on the answer. */
function warnOfMissingProxy(target: string): void {
  if (hasWarned) return
  hasWarned = true
  process.emitWarning(
    `a request was answered with a ${target} replay, but no replaying proxy seems to be in front of this app: the client sees a raw 409`,
    { type: 'HeadwaterWarning', code: 'HEADWATER_NO_PROXY' },
  )
}

import type { IncomingMessage, ServerResponse } from 'node:http'
import {
  HeadwaterError,
  type PrimaryUnavailable,
  type ReplayBlocker,
  ReplayImpossible,
  replayOn,
  runInScope,
  type Scope,
} from '@headwater/core'
import {
  isSamePosition,
  type ReadPosition,
  type ReplayDetails,
  type ReplayStamp,
  type RouteMemory,
  reportUnverified,
  warn,
} from '@headwater/core/internal'
import { sendForwarded } from '../forward/forwarded-answer.ts'
import { BROKEN, type ForwardedRequest, Forwarding } from '../forward/forwarding.ts'
import type { ResolvedOptions } from '../options.ts'
import { unwrapOwnError } from '../own-error.ts'
import type { DeadRegions } from '../replay/dead-regions.ts'
import { readState, reasonIn, type StateReading, signState, timelineIn } from '../replay/replay-state.ts'
import type { Arrival, Replacement, ReplayAnswer, ReplayOrder } from '../replay/replay-target.ts'
import { hasBeenUpgraded } from '../request/node-request.ts'
import { bodyLengthOf, type RequestFacts } from '../request/request-facts.ts'
import { originOf } from '../request/request-origin.ts'
import { RequestScope } from '../request/request-scope.ts'
import { refuseHead } from '../response/refuse-head.ts'
import { type HeadKeeper, replaceResponse } from '../response/response-gate.ts'
import type { ResponseHead } from '../response/response-head.ts'
import { serverTimingOf, writeServerTiming } from '../response/server-timing.ts'
import { RequestToken, type StoredAnswer, type TokenAnswer, type TokenOutcome } from '../token/request-token.ts'
import { adapterMisused } from './adapter-misused.ts'
import type { ForgottenResponses } from './forgotten-responses.ts'
import { warnOfClocks, warnOfRefusal, warnOfTokens } from './wiring-signs.ts'
import { WriteWait } from './write-wait.ts'

/**
 * One request, as the adapter of a framework sees it. An adapter makes two calls:
 *
 * @example
 * const life = lifecycle.open(request)
 * if (life === undefined) return next() // the app skips this request
 * await life.run(next)
 * const replay = await life.respond(head) // with the response's status and headers, right before it is sent
 * if (replay !== undefined) sendInstead(replay)
 */
export interface RequestLife {
  /** The scope that the handler runs in. A body that is produced later, outside the handler, must run in it too. */
  readonly scope: Scope
  /** Whether the answer will be a replay, whatever the app answers (P3). */
  readonly isSpent: boolean
  /** The request for the app to read, in place of the `web` one that `open()` was given; `undefined`: that one. */
  readonly request: Request | undefined
  /**
   * Runs the handler in the scope of this request; does nothing when the request is replayed before any work (P5).
   *
   * Rejects with the handler's error, unless the request is replayed. A Headwater error inside an ORM's wrapper comes out
   * of it, so that the framework finds its status.
   */
  run(handler: () => Promise<unknown>): Promise<void>
  /**
   * Ends the life of the request, right before its response is sent. Call it once, also for an error page: what was
   * written before the error counts.
   *
   * Returns the answer to send instead of the response; otherwise it puts the client's token on the
   * head and returns `undefined`. Returns a promise only when a write is still on its way (P11), for which it waits a second
   * at most, when it has to ask the primary for its position (F2): one round trip, when the app's store has a token to
   * save (F8), or when this instance sends the request on by itself (P9). That promise never rejects.
   *
   * Pass `response` where the framework has Node's own: a client that hangs up then ends the request in the other region.
   *
   * @throws {TypeError} when called twice, or before `run()`; its code is HEADWATER_ADAPTER_MISUSED.
   */
  respond(head: ResponseHead, response?: ServerResponse): ReplayAnswer | undefined | Promise<ReplayAnswer | undefined>
  /**
   * Gives an error that the app did not catch to the app's option `replayOn`. Returns whether the request is replayed: then the error
   * needs no report. `run()` does this for what its handler rejects with; call it where the framework keeps errors to itself.
   */
  handOver(error: unknown): boolean
}

/** The two clocks of a lifecycle, in milliseconds. A test brings its own. */
export interface Clocks {
  /** Wall clock: states are compared across machines. */
  readonly wallMillis: () => number
  /** Never goes back: route records are compared within this process. */
  readonly monotonicMillis: () => number
}

/** What all requests of one app share. */
export interface SharedState {
  readonly options: ResolvedOptions
  readonly clocks: Clocks
  readonly memory: RouteMemory
  readonly deadRegions: DeadRegions
  readonly forgottenResponses: ForgottenResponses
}

/** One request, from its head to the end of its response. */
export class HttpRequestLife implements RequestLife, HeadKeeper {
  readonly scope: RequestScope
  request: Request | undefined
  readonly facts: RequestFacts
  readonly #shared: SharedState
  readonly #incoming: IncomingMessage | undefined
  readonly #arrival: Arrival
  /** The route's name, where its record matters: away from home, when the app has not decided. */
  readonly #route: string | undefined
  readonly #isEarly: boolean
  /** `undefined` where nothing carries tokens. */
  readonly #token: RequestToken | undefined
  #writeWait: WriteWait | undefined
  #captured: { readonly seen: ReadPosition | undefined } | undefined
  #tokenAnswer: TokenAnswer | undefined
  #whenSpent: (() => void) | undefined
  /** Why the request was replayed to here; `undefined` when it was not. */
  readonly #replayedFor: string | undefined
  #serverTiming: string | undefined
  #hasLoaded = false
  /** What the app's store was told. */
  #saved: ReadPosition | undefined
  /** What is sent on where this instance forwards; `undefined` where it cannot come to that. */
  #request: ForwardedRequest | undefined
  #forwarding: Forwarding | undefined
  #phase: 'open' | 'run' | 'responded' = 'open'
  #hasEnded = false
  #isReplayNoted = false

  constructor(shared: SharedState, facts: RequestFacts, kind: 'request' | 'job', incoming?: IncomingMessage) {
    const { options, clocks } = shared
    this.#shared = shared
    this.#incoming = incoming
    this.facts = facts
    this.#arrival = options.replayTarget.arrival(facts.header)
    const length = bodyLengthOf(facts)
    const state = readState(options.secrets, facts, this.#arrival.state, clocks.wallMillis())
    const isTooLarge = length !== 'unknown' && length > options.bodyLimitBytes
    const { hasFailed, failedAfterMillis } = this.#arrival
    if (hasFailed && failedAfterMillis !== undefined) {
      shared.deadRegions.cameBack(facts, failedAfterMillis, clocks.monotonicMillis())
    }
    const isDead = shared.deadRegions.isDead(options.pool.topology.primaryRegion, clocks.monotonicMillis())
    const blocker =
      kind === 'job' ? 'no-request' : blockerOf(hasFailed || (isDead && state === 'absent'), state, isTooLarge)
    const isDirect = blocker === 'body-too-large' && options.tooLarge === 'direct'
    const replayed = state === 'replayed' ? stampIn(this.#arrival.state) : undefined
    // News of a later timeline: whoever is the primary is found out before anything is read or written here (F7).
    if (replayed?.cluster !== undefined && replayed.timeline > 0) options.pool.hear?.(replayed)
    const { topology } = options.pool
    this.#token =
      options.token && new RequestToken(options.token, options.secrets, facts, clocks.wallMillis(), options.pool)
    if (state.startsWith('replayed')) this.#replayedFor = reasonIn(this.#arrival.state)
    if (state === 'replayed-at-another-time') warnOfClocks(this.#arrival.state, clocks.wallMillis(), options.logger)
    if (state === 'unverified') reportUnverified('replay state', options.logger)
    if (this.#token !== undefined) warnOfTokens(this.#token, clocks.wallMillis(), options.logger)
    if (topology.isAtHome && this.#arrival.isCached === true) {
      warn('HEADWATER_REPLAY_CACHED', {}, { logger: options.logger })
    }
    this.scope = new RequestScope({
      kind: isDirect ? 'job' : kind,
      session: this.#token && { ...this.#token.session, isVisiting: state === 'replayed' && topology.isAtHome },
      blocker,
      replayed,
      topology: () => options.pool.topology,
      keepsTrail: options.serverTiming,
      retryAfterSeconds: options.retryAfterSeconds,
      steer: (region) => options.replayTarget.steer?.(region) ?? {},
      onPrimaryNeeded: () => {
        this.#learnLateNeed()
        if (this.isSpent) this.#whenSpent?.()
      },
      onRefused: (refusedFor, where) => warnOfRefusal(refusedFor, where, options.logger),
    })
    const early = topology.isAtHome ? 'never' : options.earlyReplay(facts)
    this.#route = early === undefined ? options.route(facts) : undefined
    // A body of unknown length may be over the limit: it is read and counted here first, unless the app knows better.
    this.#isEarly =
      blocker === undefined &&
      (this.#route === undefined
        ? early === 'always'
        : length !== 'unknown' && shared.memory.shouldReplayEarly(facts.method, this.#route, clocks.monotonicMillis()))
    if (this.#isEarly) this.scope.replayEarly(topology)
  }

  get isSpent(): boolean {
    return this.scope.isSpent
  }

  /** Whether the request may have to be sent on by this instance (P9): then `keepRequest()` has to be called before its handler runs. */
  get mayForward(): boolean {
    const { pool, replayTarget } = this.#shared.options
    return replayTarget.connect !== undefined && this.scope.blocker === undefined && !pool.topology.isAtHome
  }

  keepRequest(request: ForwardedRequest): void {
    this.#request = request
  }

  /** Whether `connect()` has to come before the handler: no work is done here unless no region can be reached. */
  get mustConnect(): boolean {
    return this.#isEarly && this.isSpent && this.#request !== undefined && this.#forwarding === undefined
  }

  /** Opens the way for an early replay. Where there is none, the request runs here after all, in the degraded mode (P8). Never rejects. */
  async connect(): Promise<void> {
    const forwarding = this.#forward()
    if (forwarding !== undefined && !(await forwarding.connect())) this.scope.giveUpReplay('replay-failed')
  }

  async run(handler: () => Promise<unknown>): Promise<void> {
    if (this.#phase !== 'open') throw adapterMisused('run() was called twice, or after respond(); call it once, first')
    this.#phase = 'run'
    await this.runHandler(handler)
    this.#shared.forgottenResponses.handlerEnded()
  }

  /** What `run()` does, for responses that a gate guards: those need no `respond()`. */
  async runHandler(handler: () => Promise<unknown>): Promise<void> {
    if (this.mustConnect) await this.connect()
    if (this.mustLoadToken) await this.loadToken()
    if (this.isSpent) return
    try {
      await runInScope(this.scope, handler)
    } catch (error) {
      if (!this.handOver(error)) throw unwrapOwnError(error) ?? error
    }
  }

  /** Whether `loadToken()` has to come before the handler. */
  get mustLoadToken(): boolean {
    return !this.#hasLoaded && this.#shared.options.token?.store !== undefined && !this.isSpent
  }

  /** Asks the app's store what the user has seen (F8). A store that does not say sends the reads of this request to the primary. Never rejects. */
  async loadToken(): Promise<void> {
    this.#hasLoaded = true
    const { pool, token: carriers, logger } = this.#shared.options
    const list = await carriers?.store?.load(this.facts)
    const { session } = this.scope
    if (list === undefined) return session.arriveUnsure()
    const stored = this.#token?.takeStored(list, pool)
    if (stored?.hasUnverified === true) reportUnverified('stored token', logger)
    if (stored?.seen !== undefined) session.arriveWith(stored.seen)
  }

  handOver(error: unknown): boolean {
    const { replayOn: isWanted } = this.#shared.options
    if (isWanted === undefined || this.isSpent) return this.isSpent
    try {
      runInScope(this.scope, () => replayOn(error, isWanted))
    } catch (refusal) {
      // A replay has spent the scope, and the scope remembers a refusal; else the matcher itself has failed.
      if (!(refusal instanceof HeadwaterError)) throw refusal
    }
    return this.isSpent
  }

  respond(head: ResponseHead, response?: ServerResponse): ReplayAnswer | undefined | Promise<ReplayAnswer | undefined> {
    if (this.#phase === 'responded') throw adapterMisused('respond() was called twice; call it once per request')
    if (this.#phase === 'open') {
      throw adapterMisused('respond() was called before run(); run the handler with `await life.run(handler)` first')
    }
    this.#phase = 'responded'
    this.#shared.forgottenResponses.responded()
    if (!this.mustCapturePosition) return this.#respondNow(head, response)
    return this.capturePosition().then(() => this.#respondNow(head, response))
  }

  #respondNow(
    head: ResponseHead,
    response: ServerResponse | undefined,
  ): ReplayAnswer | undefined | Promise<ReplayAnswer | undefined> {
    const isSwitching = head.status === SWITCHING_PROTOCOLS
    // On Node's 'upgrade' event @hono/node-server sends the 101 itself, for a handshake that its handler lets pass.
    if (isSwitching || (this.#incoming !== undefined && hasBeenUpgraded(this.#incoming))) this.#becomeJob()
    const answer = this.decide()
    const refusal = answer === undefined ? this.refusalInstead(head.status) : undefined
    if (refusal !== undefined) refuseHead(head, refusal)
    // Deno opens the socket only for the very response that it made, so nothing is changed on that.
    if (answer === undefined && !isSwitching && this.hasTokenToWrite) this.writeToken(head)
    this.end(head.status)
    return answer !== undefined && 'forwardTo' in answer ? this.#forwardedAnswer(response) : answer
  }

  /** A response that opens a connection (a WebSocket): what runs on that connection runs as outside a request (P6). */
  #becomeJob(): void {
    if (!this.isSpent) this.scope.becomeJob()
  }

  get mustCapturePosition(): boolean {
    return this.#isWriteOnItsWay || this.#mustAskPrimary || this.#toStore !== undefined
  }

  async capturePosition(): Promise<void> {
    do {
      if (this.#isWriteOnItsWay) {
        this.#writeWait ??= new WriteWait()
        await this.#writeWait.until(this.scope.session)
      }
      // Also when there is nothing to ask: what is still on its way after this second has no position.
      if (!this.isSpent) this.#captured = { seen: await this.scope.session.capturePosition() }
    } while (this.#isWriteOnItsWay || (await this.#save()))
  }

  /** Tells the app's store (F8). Returns whether the scope did more meanwhile that has to be told, too. */
  async #save(): Promise<boolean> {
    const stored = this.#toStore
    if (stored === undefined) return false
    const { session } = this.scope
    const [isFirst, before] = [this.#saved === undefined, session.positionNow()]
    this.#saved = this.#captured?.seen
    await this.#shared.options.token?.store?.save(this.facts, stored.token, stored.covered)
    const after = session.positionNow()
    return isFirst && after !== undefined && (before === undefined || !isSamePosition(before, after))
  }

  /** What the app's store is to be told now; asked again as long as the head waits. */
  get #toStore(): StoredAnswer | undefined {
    if (this.#token === undefined || this.isSpent || this.#shared.options.token?.store === undefined) return undefined
    const outcome = this.#outcome
    const isTold = this.#saved !== undefined && outcome.seen !== undefined && isSamePosition(this.#saved, outcome.seen)
    return isTold ? undefined : this.#token.toStore(outcome)
  }

  whenSpent(listener: () => void): void {
    this.#whenSpent = listener
  }

  get #mustAskPrimary(): boolean {
    return this.#token !== undefined && !this.isSpent && this.scope.session.mustAskPrimary
  }

  /** Where nothing carries tokens, there is nothing to wait for. */
  get #isWriteOnItsWay(): boolean {
    return (
      this.#token !== undefined &&
      !this.isSpent &&
      this.scope.session.isAnswerAwaited &&
      this.#writeWait?.isOver !== true
    )
  }

  decide(): Replacement | undefined {
    const replay = this.scope.replayDetails
    if (replay !== undefined) {
      const isForwarding = this.#shared.options.replayTarget.connect !== undefined
      return isForwarding ? { forwardTo: (response) => void this.#forwardTo(response) } : this.#answerWith(replay)
    }
    this.scope.beginToAnswer()
    return undefined
  }

  refusalInstead(status: number): ReplayImpossible | PrimaryUnavailable | undefined {
    const { refusal } = this.scope
    if (refusal === undefined || status < 200) return undefined
    switch (this.#shared.options.refusals(this.facts)) {
      case 'errors':
        return status >= 500 ? refusal : undefined
      case 'always':
        return refusal
      case 'never':
        return undefined
    }
  }

  get hasTokenToWrite(): boolean {
    if (this.scope.trail !== undefined) return true
    if (this.#token === undefined) return false
    const { cookies, header } = this.#tokenAnswerOf(this.#token)
    return this.#token.minPosition !== undefined || cookies.length > 0 || header !== undefined
  }

  writeToken(head: ResponseHead): void {
    // The same when a head is written again.
    this.#serverTiming ??= this.#timing()
    writeServerTiming(head, this.#serverTiming)
    if (this.#token === undefined) return
    const { hasWritten, session } = this.scope
    this.#token.writeTo(head, this.#tokenAnswerOf(this.#token), hasWritten || session.wasShownMore)
  }

  /** What the head says about where the answer was made; `undefined` where nobody asked for it. */
  #timing(): string | undefined {
    const { trail } = this.scope
    if (trail === undefined) return undefined
    const { topology, replayDetails, blocker } = this.scope
    const hasFailed = blocker === 'replay-failed'
    return serverTimingOf({
      region: topology?.().region,
      entries: trail.entries,
      replay: replayDetails ?? (hasFailed ? 'failed' : this.#replayedFor),
    })
  }

  /** Fixed when first asked for: what the request sees after that is not in the token. */
  #tokenAnswerOf(token: RequestToken): TokenAnswer {
    this.#tokenAnswer ??= token.answer(this.#outcome)
    return this.#tokenAnswer
  }

  get #outcome(): TokenOutcome {
    const { options, clocks } = this.#shared
    const { session } = this.scope
    const { seen } = this.#captured ?? { seen: session.positionNow() }
    const isEverywhere = seen !== undefined && options.pool.hasEveryReplica?.(seen) === true
    return { seen, hasSeenMore: session.hasSeenMore, isEverywhere, now: clocks.wallMillis() }
  }

  /** Notes that more of the body has come than the proxy can replay. */
  refuseBody(): void {
    this.scope.blockReplay('body-too-large')
    if (this.scope.blocker === 'body-too-large' && this.#shared.options.tooLarge === 'direct') this.#becomeJob()
  }

  /** Learns what the route needed (P5). An error says nothing about that, so only a success counts as a read. */
  end(status: number): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    const { hasNeededPrimary, hasWritten } = this.scope
    const needed = hasNeededPrimary || hasWritten
    // A replay because a replica was behind or lost says nothing about the route, whatever status the target gives it.
    if (!needed && this.isSpent) return
    if (needed || status < 400) this.#learn(needed)
  }

  /** A streamed body may write after the adapter saw its end: the next request of this route is replayed early. */
  #learnLateNeed(): void {
    if (this.#hasEnded && this.scope.hasNeededPrimary) this.#learn(true)
  }

  #learn(hasNeededPrimary: boolean): void {
    if (this.#route === undefined || this.#isEarly) return
    const { memory, clocks } = this.#shared
    memory.learn(this.facts.method, this.#route, hasNeededPrimary, clocks.monotonicMillis())
  }

  #orderOf(replay: ReplayDetails): ReplayOrder {
    const { options, clocks } = this.#shared
    const { method, url } = this.facts
    const { region, standIns = [], cluster, timeline = 0, reason } = replay
    return {
      region,
      regions: [region, ...standIns.filter((standIn) => standIn !== region)],
      state: signState(options.secrets, this.facts, reason, clocks.wallMillis(), { cluster, timeline }),
      reason,
      request: { method, url, ...originOf(this.facts) },
      logger: options.logger,
    }
  }

  #answerWith(replay: ReplayDetails): ReplayAnswer {
    const { options, clocks } = this.#shared
    const { replayTarget, logger } = options
    if (!this.#isReplayNoted) this.#shared.deadRegions.asked(this.facts, replay.region, clocks.monotonicMillis())
    this.#isReplayNoted = true
    if (!this.#arrival.isBehindProxy) warn('HEADWATER_NO_PROXY', { target: replayTarget.name }, { logger })
    const answer = replayTarget.answer?.(this.#orderOf(replay)) ?? this.#failedAnswer()
    const timing = this.#timing()
    const own = { 'cache-control': 'no-store', ...(timing === undefined ? undefined : { 'server-timing': timing }) }
    return { ...answer, headers: { ...own, ...answer.headers } }
  }

  /** The one way of this request to another region; `undefined` where it is not replayed, or its body was not kept. */
  #forward(): Forwarding | undefined {
    const replay = this.scope.replayDetails
    const { options, clocks, deadRegions } = this.#shared
    const { replayTarget } = options
    if (replay === undefined || this.#request === undefined || replayTarget.connect === undefined) return undefined
    this.#forwarding ??= new Forwarding(replayTarget, this.#orderOf(replay), this.#request, () => {
      const startedAt = clocks.monotonicMillis()
      return (isReached) => deadRegions.tried(replay.region, isReached, startedAt, clocks.monotonicMillis())
    })
    return this.#forwarding
  }

  async #forwardedAnswer(response: ServerResponse | undefined): Promise<ReplayAnswer> {
    const forwarding = this.#forward()
    if (response !== undefined) forwarding?.abandonWith(response)
    const answer = (await forwarding?.answer()) ?? 'unreached'
    if (answer === 'broken') return BROKEN
    return answer === 'unreached' ? this.#failedAnswer() : answer
  }

  async #forwardTo(response: ServerResponse): Promise<void> {
    const answer = await this.#forwardedAnswer(response)
    if (!response.destroyed && !sendForwarded(answer, response)) replaceResponse(response, answer, false)
  }

  /** What a client gets when its replay has failed and its handler has run already: the degraded mode of a write (P8). */
  #failedAnswer(): ReplayAnswer {
    const { status, headers } = new ReplayImpossible('replay-failed', {
      retryAfterSeconds: this.#shared.options.retryAfterSeconds,
    })
    return { status, headers: { ...headers, 'content-length': '0' } }
  }
}

const SWITCHING_PROTOCOLS = 101

/** What a verified state says of its replay. */
function stampIn(state: string | undefined): ReplayStamp {
  return { ...timelineIn(state), isForRead: reasonIn(state) === 'far-replica' }
}

/**
 * A state of our form that nobody here has signed counts as a replay too (P4): where two regions have different secrets, each
 * would send the request to the other one until the proxy gives up. A client that makes one up refuses its own writes with it.
 */
function blockerOf(hasFailed: boolean, state: StateReading, isTooLarge: boolean): ReplayBlocker | undefined {
  if (hasFailed) return 'replay-failed'
  if (state !== 'absent') return 'already-replayed'
  return isTooLarge ? 'body-too-large' : undefined
}

import type { IncomingMessage, ServerResponse } from 'node:http'
import { HeadwaterError, replayOn, runInScope } from '@headwater/core'
import type { ForwardedRequest } from '../forward/forwarding.ts'
import { unwrapOwnError } from '../own-error.ts'
import type { ReplayAnswer } from '../replay/replay-target.ts'
import { hasBeenUpgraded } from '../request/node-request.ts'
import type { RequestFacts } from '../request/request-facts.ts'
import type { RequestScope } from '../request/request-scope.ts'
import { refuseHead } from '../response/refuse-head.ts'
import type { ResponseHead } from '../response/response-head.ts'
import { adapterMisused } from './adapter-misused.ts'
import { AnswerHead } from './answer-head.ts'
import { OpenedRequest } from './opened-request.ts'
import type { RequestLife } from './request-life.ts'
import type { SharedState } from './shared-state.ts'

const SWITCHING_PROTOCOLS = 101
/** Whatever the target's own status is. */
const REPLAYED = 409

/** Whoever goes on when a handler has ended, unless it has failed. An object, and no promise more. */
export interface HandlerListener {
  handlerEnded(): void
}

/** One request, from its head to the end of its response. */
export class HttpRequestLife implements RequestLife {
  request: Request | undefined
  /** What becomes of the head of its answer. Where a gate guards the response, that asks it in place of `respond()`. */
  readonly head: AnswerHead
  readonly #shared: SharedState
  readonly #opened: OpenedRequest
  readonly #incoming: IncomingMessage | undefined
  #phase: 'open' | 'run' | 'responded' = 'open'
  #hasAwaitedPrimary = false

  constructor(shared: SharedState, facts: RequestFacts, kind: 'request' | 'job', incoming?: IncomingMessage) {
    this.#shared = shared
    this.#incoming = incoming
    this.#opened = new OpenedRequest(shared, facts, kind)
    this.head = new AnswerHead(shared, this.#opened)
  }

  get facts(): RequestFacts {
    return this.#opened.facts
  }

  get scope(): RequestScope {
    return this.#opened.scope
  }

  get isSpent(): boolean {
    return this.#opened.scope.isSpent
  }

  /** Of the request's body, in bytes. */
  get bodyLength(): number | 'unknown' {
    return this.#opened.arrived.length
  }

  /** Whether the request may have to be sent on by this instance (P9): then `keepRequest()` has to be called before its handler runs. */
  get mayForward(): boolean {
    const { pool, replayTarget } = this.#shared.options
    return replayTarget.connect !== undefined && this.scope.blocker === undefined && !pool.topology.isAtHome
  }

  keepRequest(request: ForwardedRequest): void {
    this.#opened.way.keep(request)
  }

  /** Notes that more of the body has come than can be replayed. */
  refuseBody(): void {
    this.#opened.refuseBody()
  }

  /** Whether `connect()` has to come before the handler: no work is done here unless no region can be reached. */
  get mustConnect(): boolean {
    return this.#opened.isEarly && this.isSpent && this.#opened.way.isToConnect
  }

  /** Opens the way for an early replay. Where there is none, the request runs here after all, in the degraded mode (P8). Never rejects. */
  connect(): Promise<void> {
    return this.#opened.way.connect()
  }

  /** Whether `awaitPrimary()` has to come before the handler: the request was replayed to here, and the primary is sought (X9). */
  get mustAwaitPrimary(): boolean {
    if (this.#hasAwaitedPrimary || !this.scope.awaitsPrimary) return false
    return this.#shared.options.pool.untilPrimaryIsKnown !== undefined
  }

  /** Waits for the primary before any work: the app's `ensurePrimary()` cannot. Never rejects. */
  async awaitPrimary(): Promise<void> {
    this.#hasAwaitedPrimary = true
    await this.#shared.options.pool.untilPrimaryIsKnown?.()
  }

  /** Whether `loadToken()` has to come before the handler. */
  get mustLoadToken(): boolean {
    return this.#opened.position?.mustLoad === true
  }

  /** Asks the app's store what the user has seen (F8). Never rejects. */
  async loadToken(): Promise<void> {
    await this.#opened.position?.load()
  }

  run(handler: () => Promise<unknown>): Promise<void> {
    if (this.#phase !== 'open') {
      return Promise.reject(adapterMisused('run() was called twice, or after respond(); call it once, first'))
    }
    this.#phase = 'run'
    return this.runHandler(handler, this.#shared.forgottenResponses)
  }

  /** What `run()` does, for responses that a gate guards, too: those need no `respond()`. `listener` is told in the same turn. */
  async runHandler(handler: () => Promise<unknown>, listener: HandlerListener): Promise<void> {
    if (this.mustConnect) await this.connect()
    if (this.mustAwaitPrimary) await this.awaitPrimary()
    if (this.mustLoadToken) await this.loadToken()
    if (!this.isSpent) {
      try {
        await runInScope(this.scope, handler)
      } catch (error) {
        if (!this.handOver(error)) throw unwrapOwnError(error) ?? error
      }
    }
    listener.handlerEnded()
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
    if (!this.head.mustCapturePosition) return this.#respondNow(head, response)
    return this.head.capturePosition().then(() => this.#respondNow(head, response))
  }

  #respondNow(
    head: ResponseHead,
    response: ServerResponse | undefined,
  ): ReplayAnswer | undefined | Promise<ReplayAnswer | undefined> {
    if (this.isSpent) return this.#replaced(response)
    const isSwitching = head.status === SWITCHING_PROTOCOLS
    // A response that opens a connection (a WebSocket). On Node's 'upgrade' event @hono/node-server sends the 101 itself, for a
    // handshake that its handler lets pass.
    const isUpgraded = isSwitching || (this.#incoming !== undefined && hasBeenUpgraded(this.#incoming))
    if (isUpgraded) this.#opened.becomeJob()
    this.head.decide()
    const refusal = this.head.refusalInstead(head.status)
    if (refusal !== undefined) refuseHead(head, refusal)
    // Deno opens the socket only for the very response that it made, so nothing is changed on that.
    if (!isSwitching && this.head.hasTokenToWrite) this.head.writeToken(head)
    this.head.end(head.status)
    return undefined
  }

  /** The app's own answer is not looked at: often there is none. */
  #replaced(response: ServerResponse | undefined): ReplayAnswer | undefined | Promise<ReplayAnswer | undefined> {
    const answer = this.head.decide()
    this.head.end(REPLAYED)
    return answer !== undefined && 'forwardTo' in answer ? this.#opened.way.forwardedAnswer(response) : answer
  }
}

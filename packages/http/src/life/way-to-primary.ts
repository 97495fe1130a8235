import type { ServerResponse } from 'node:http'
import { ReplayImpossible, type Scope } from '@headwater/core'
import { type ReplayDetails, warn } from '@headwater/core/internal'
import { sendForwarded } from '../forward/forwarded-answer.ts'
import { BROKEN, type ForwardedRequest, Forwarding } from '../forward/forwarding.ts'
import type { Replacement, ReplayAnswer, ReplayOrder } from '../replay/replay-target.ts'
import type { RequestFacts } from '../request/request-facts.ts'
import { originOf } from '../request/request-origin.ts'
import { replaceResponse } from '../response/replace-response.ts'
import { timingOf } from './answer-timing.ts'
import type { Arrived } from './arrived.ts'
import type { SharedState } from './shared-state.ts'

/** How one request gets to the primary's region, once it has to: by the answer that asks a proxy for it, or sent on by this instance. */
export class WayToPrimary {
  readonly #shared: SharedState
  readonly #facts: RequestFacts
  readonly #arrived: Arrived
  readonly #scope: Scope
  /** What is sent on where this instance forwards; `undefined` where it cannot come to that. */
  #request: ForwardedRequest | undefined
  #forwarding: Forwarding | undefined
  #isNoted = false

  constructor(shared: SharedState, facts: RequestFacts, arrived: Arrived, scope: Scope) {
    this.#shared = shared
    this.#facts = facts
    this.#arrived = arrived
    this.#scope = scope
  }

  keep(request: ForwardedRequest): void {
    this.#request = request
  }

  /** Whether the request was kept, and `connect()` was not called. */
  get isToConnect(): boolean {
    return this.#request !== undefined && this.#forwarding === undefined
  }

  /** Opens the way. Where there is none, the request runs here after all, in the degraded mode (P8). Never rejects. */
  async connect(): Promise<void> {
    const forwarding = this.#forward()
    if (forwarding !== undefined && !(await forwarding.connect())) this.#scope.giveUpReplay('replay-failed')
  }

  /** What replaces the app's answer. */
  replacementFor(replay: ReplayDetails): Replacement {
    const isForwarding = this.#shared.options.replayTarget.connect !== undefined
    return isForwarding ? { forwardTo: (response) => void this.#forwardTo(response) } : this.#answerWith(replay)
  }

  /** The answer of the other region, or the one that says that there is none. A client that hangs up on `response` ends the request there. */
  async forwardedAnswer(response: ServerResponse | undefined): Promise<ReplayAnswer> {
    const forwarding = this.#forward()
    if (response !== undefined) forwarding?.answerTo(response)
    const answer = (await forwarding?.answer()) ?? 'unreached'
    if (answer === 'broken') return BROKEN
    return answer === 'unreached' ? this.#failedAnswer() : answer
  }

  async #forwardTo(response: ServerResponse): Promise<void> {
    const answer = await this.forwardedAnswer(response)
    if (!response.destroyed && !sendForwarded(answer, response)) replaceResponse(response, answer, false)
  }

  #answerWith(replay: ReplayDetails): ReplayAnswer {
    const { options, clocks, deadRegions } = this.#shared
    const { replayTarget, logger } = options
    const { arrival, replayedFor } = this.#arrived
    if (!this.#isNoted) deadRegions.asked(this.#facts, replay.region, clocks.monotonicMillis())
    this.#isNoted = true
    if (!arrival.isBehindProxy) warn('HEADWATER_NO_PROXY', { target: replayTarget.name }, { logger })
    const answer = replayTarget.answer?.(this.#orderOf(replay)) ?? this.#failedAnswer()
    const timing = timingOf(this.#scope, replayedFor)
    const own = {
      // nginx would put it beside the app's own: it keeps this header of an answer that it drops for X-Accel-Redirect.
      ...('x-accel-redirect' in answer.headers ? undefined : { 'cache-control': 'no-store' }),
      ...(timing === undefined ? undefined : { 'server-timing': timing }),
    }
    return { ...answer, headers: { ...own, ...answer.headers } }
  }

  /** The one way of this request to another region; `undefined` where it is not replayed, or its body was not kept. */
  #forward(): Forwarding | undefined {
    const replay = this.#scope.replayDetails
    const { options, clocks, deadRegions } = this.#shared
    const { replayTarget } = options
    if (replay === undefined || this.#request === undefined || replayTarget.connect === undefined) return undefined
    this.#forwarding ??= new Forwarding(replayTarget, this.#orderOf(replay), this.#request, () => {
      const startedAt = clocks.monotonicMillis()
      return (isReached) => deadRegions.tried(replay.region, isReached, startedAt, clocks.monotonicMillis())
    })
    return this.#forwarding
  }

  #orderOf(replay: ReplayDetails): ReplayOrder {
    const { options, clocks, states } = this.#shared
    const { method, url } = this.#facts
    const { region, standIns = [], cluster, timeline = 0, reason } = replay
    return {
      region,
      regions: standIns.length === 0 ? [region] : [region, ...standIns.filter((standIn) => standIn !== region)],
      state: states.sign(this.#facts, reason, clocks.wallMillis(), { cluster, timeline }),
      reason,
      request: { method, url, ...originOf(this.#facts) },
      logger: options.logger,
    }
  }

  /** What a client gets when its replay has failed and its handler has run already: the degraded mode of a write (P8). */
  #failedAnswer(): ReplayAnswer {
    const { status, headers } = new ReplayImpossible('replay-failed', {
      retryAfterSeconds: this.#shared.options.retryAfterSeconds,
    })
    return { status, headers: { ...headers, 'content-length': '0' } }
  }
}

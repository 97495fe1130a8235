import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { endToEndHeaders, fromRawHeaders, type HeaderList, headerOf, withHeaders } from '../http/headers.ts'
import { RequestBody } from '../http/request-body.ts'
import { type ReplayInstruction, replayFormOf } from '../replay/instruction.ts'
import { InvalidReplayError } from '../replay/invalid-replay-error.ts'
import type { Hop, ProxyErrorCode, RequestEvent } from '../report/events.ts'
import { answerHeaders, forwardedHeaders, newRequestId } from '../routing/forwarded-headers.ts'
import { firstTarget } from '../routing/steering.ts'
import { fallbackStep, replayStep, type Step, summaryOf, targetOf } from '../routing/step.ts'
import type { Machine } from '../world/machine.ts'
import { type CacheSubject, forgetReplay, recallReplay, rememberReplay } from '../world/replay-memory.ts'
import type { World } from '../world/world.ts'
import { discard, headersOf, readInstruction } from './answer.ts'
import { deliver, deliverError, tunnel } from './deliver.ts'
import { type Draft, dispatch, type Errand, type Outcome } from './dispatch.ts'
import { GiveUp } from './give-up.ts'
import type { Answer, Envelope } from './upstream.ts'

export interface Arrival {
  readonly edge: { readonly region: string; readonly port: number }
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Present when the client wants to leave HTTP. */
  readonly upgrade?: { readonly socket: Socket; readonly head: Buffer }
}

type Answered = Extract<Outcome, { kind: 'answered' }>

/** The life of one request: from its arrival at an edge, through machines and replays, to its last byte. */
export class Exchange {
  readonly #world: World
  readonly #arrival: Arrival
  readonly #body: RequestBody
  readonly #hops: Draft<Hop>[] = []
  readonly #startedAt: number = Date.now()
  readonly #start: number = performance.now()
  readonly #requestId: string
  readonly #servedBy: string
  readonly #app: string
  readonly #original: HeaderList
  readonly #keptCookies: [string, string][] = []
  readonly #gone = new AbortController()
  readonly #signal: AbortSignal
  #replays = 0
  #status: number | undefined
  #errorCode: ProxyErrorCode | undefined
  #isMachineGone = false

  constructor(world: World, arrival: Arrival) {
    const { edge, request, response } = arrival
    const { settings } = world
    this.#world = world
    this.#arrival = arrival
    this.#servedBy = world.servingRegion(edge.region)
    this.#requestId = newRequestId(this.#startedAt, this.#servedBy)
    this.#body = new RequestBody(request, settings.bufferLimit, settings.replayChunkedBodies)
    const label = (request.headers.host ?? '').split(/[.:]/)[0] ?? ''
    this.#app = world.apps.has(label) ? label : (settings.apps[0]?.name ?? '')
    const raw = fromRawHeaders(request.rawHeaders)
    this.#original = world.isWithoutProxy
      ? endToEndHeaders(raw)
      : forwardedHeaders(raw, {
          requestId: this.#requestId,
          edgeRegion: this.#servedBy,
          edgeAddress: request.socket.localAddress ?? settings.host,
          edgePort: edge.port,
          clientAddress: request.socket.remoteAddress ?? settings.host,
          scheme: settings.scheme,
          isClientTrusted: settings.trustClientHeaders,
        })
    response.once('close', () => {
      if (!response.writableFinished) this.#gone.abort()
    })
    this.#signal = AbortSignal.any([this.#gone.signal, world.closing.signal])
  }

  /** Runs it to its end and publishes it. Never rejects. */
  async run(): Promise<void> {
    let outcome: RequestEvent['outcome'] = 'answered'
    try {
      await delayUnlessZero(this.#clientMillis, this.#signal)
      await this.#travel()
    } catch (error) {
      const { response } = this.#arrival
      if (this.#signal.aborted || response.headersSent || response.destroyed || this.#status === 101)
        outcome = this.#breakOff()
      else await this.#giveUp(error instanceof GiveUp ? error : new GiveUp('PU02', this.#app, messageOf(error)))
    }
    // Whatever of the body nobody wanted must not keep the connection from being used again.
    this.#arrival.request.resume()
    this.#publish(outcome)
  }

  /** One way between the client's edge and the one that does its work, ms. */
  get #clientMillis(): number {
    return this.#world.roundTrip(this.#arrival.edge.region, this.#servedBy) / 2
  }

  get #path(): string {
    return this.#arrival.request.url ?? '/'
  }

  get #subject(): CacheSubject {
    const host = (this.#arrival.request.headers.host ?? '').replace(/:\d+$/, '').toLowerCase()
    return { host, path: this.#path, headers: this.#original }
  }

  async #travel(): Promise<void> {
    if (this.#arrival.upgrade && this.#framing !== 'none' && this.#framing !== 0) {
      throw new GiveUp('PU02', this.#app, 'a request to upgrade cannot carry a body', 400)
    }
    let step = this.#firstStep()
    for (;;) {
      const outcome = await dispatch(this.#world, this.#errand(step))
      if (outcome.kind === 'broken') throw new GiveUp('PU02', outcome.machine.app, outcome.message)
      if (outcome.kind === 'unreachable') {
        step = this.#detour(step, outcome)
        continue
      }
      try {
        const form = this.#world.isWithoutProxy ? undefined : replayFormOf(headersOf(outcome.answer))
        if (form === undefined || outcome.answer.tunnel) return await this.#answer(outcome)
        step = await this.#replay(step, outcome, form)
      } catch (error) {
        if (error instanceof GiveUp) discard(outcome.answer)
        throw error
      } finally {
        outcome.leave()
      }
    }
  }

  #firstStep(): Step {
    const common = { path: this.#path, headers: this.#original }
    const first: Step = { target: firstTarget(this.#app, this.#original), purpose: 'first', ...common }
    if (this.#world.isWithoutProxy) return { ...first, target: { app: this.#app } }
    const cached = recallReplay(this.#world, this.#subject)
    if (cached === undefined || cached === 'bypass') return first
    const headers = withHeaders(this.#original, [['fly-replay-cache-status', 'hit']])
    return { target: cached, purpose: 'cached', ...common, headers }
  }

  /** Where to go after no machine was reached: back to the sender if it wanted that, else nowhere (throws GiveUp). */
  #detour(step: Step, failure: Extract<Outcome, { kind: 'unreachable' }>): Step {
    const { sender, target } = step
    if (step.purpose === 'cached') {
      // The cache is an optimisation: what it remembers may be gone.
      forgetReplay(this.#world, this.#subject)
      return this.#firstStep()
    }
    if (sender === undefined || step.purpose === 'fallback') {
      const status = failure.code === 'PR03' ? this.#world.settings.hardLimitStatus : undefined
      throw new GiveUp(failure.code, target.app, failure.message, status)
    }
    const { machine, instruction } = sender
    if (instruction.fallback === undefined) {
      if (!this.#world.apps.has(target.app)) {
        const message = `app ${machine.app} tried to fly-replay to app ${target.app}, which we cannot find`
        throw new GiveUp('PA04', machine.app, message)
      }
      const status = failure.code === 'PR03' ? this.#world.settings.hardLimitStatus : undefined
      throw new GiveUp(failure.code, machine.app, failure.message, status)
    }
    const askedAt = this.#hops.findLast(({ replay }) => replay !== undefined)?.endedMillis ?? 0
    return fallbackStep(target, sender, failure.reason, this.#clock() - askedAt)
  }

  /** The next step after an answer that asks for a replay. Throws GiveUp. */
  async #replay(step: Step, { machine, answer, hop }: Answered, form: 'header' | 'json'): Promise<Step> {
    const { settings } = this.#world
    const instruction = await this.#read(answer, form, machine)
    hop.replay = summaryOf(instruction)
    if (settings.keepSetCookie) {
      this.#keptCookies.push(
        ...headersOf(answer)
          .filter(([name]) => name.toLowerCase() === 'set-cookie')
          .map(copy),
      )
    }
    if (step.purpose === 'fallback' && settings.fallbackReplay === 'error') {
      throw new GiveUp('PA03', machine.app, 'a request that came back by fallback must not be replayed again')
    }
    if (this.#replays >= settings.maxReplays) {
      throw new GiveUp('PA02', machine.app, `a request cannot be replayed more than ${settings.maxReplays} times`)
    }
    // The rest of the body may still be on its way, and with it the answer to whether it fits.
    await this.#body.settled()
    discard(answer)
    this.#signal.throwIfAborted()
    if (!this.#body.isReplayable) {
      throw new GiveUp(
        'PA01',
        machine.app,
        `the request body is over ${settings.bufferLimit} bytes and cannot be replayed`,
      )
    }
    const target = targetOf(instruction, machine)
    this.#checkNetwork(machine.app, target.app)
    const problem = rememberReplay(this.#world, this.#subject, machine, instruction, target, this.#replays === 0)
    if (problem !== undefined) {
      if (settings.invalidCache === 'reject') throw new GiveUp('PA03', machine.app, problem)
      this.#log(machine.app, problem)
    }
    this.#replays += 1
    return replayStep({
      ...{ original: { path: this.#path, headers: this.#original }, target, step, machine, instruction },
      cacheStatus: recallReplay(this.#world, this.#subject) === 'bypass' ? 'bypass' : 'miss',
      isFirstSourceKept: settings.replaySrc === 'keep-first',
      nowMillis: Date.now(),
    })
  }

  async #read(answer: Answer, form: 'header' | 'json', machine: Machine): Promise<ReplayInstruction> {
    try {
      return await readInstruction(answer, form, this.#world.settings)
    } catch (error) {
      if (!(error instanceof InvalidReplayError)) throw error
      throw new GiveUp('PA03', machine.app, `invalid fly-replay: ${error.message}`)
    }
  }

  #checkNetwork(from: string, to: string): void {
    const [sender, receiver] = [this.#world.apps.get(from), this.#world.apps.get(to)]
    if (from === to || receiver === undefined || receiver.allowReplaysFrom?.includes(from)) return
    if ((sender?.network ?? 'default') === (receiver.network ?? 'default')) return
    throw new GiveUp(
      'PA05',
      from,
      `app ${from} tried to fly-replay to app ${to}: cross-network replays are not allowed`,
    )
  }

  get #framing(): Envelope['framing'] {
    const { headers } = this.#arrival.request
    if (headers['transfer-encoding'] !== undefined) return 'chunked'
    return headers['content-length'] === undefined ? 'none' : Number(headers['content-length'])
  }

  #errand(step: Step): Errand {
    const { request, upgrade } = this.#arrival
    const { preferInstance } = step.target
    return {
      target: step.target,
      purpose: step.purpose,
      from: this.#servedBy,
      timeoutMillis: step.timeoutMillis,
      body: this.#body,
      signal: this.#signal,
      hops: this.#hops,
      clock: () => this.#clock(),
      envelope: (machine) => {
        const told: [string, string][] = []
        if (!this.#world.isWithoutProxy) {
          told.push(['Fly-Dispatch-Start', `t=${Date.now() * 1000};instance=${machine.id}`])
          const isMiss = preferInstance !== undefined && preferInstance !== machine.id && step.purpose !== 'fallback'
          if (isMiss) told.push(['fly-preferred-instance-unavailable', preferInstance])
        }
        return {
          method: request.method ?? 'GET',
          path: step.path,
          headers: withHeaders(step.headers, told),
          framing: this.#framing,
          ...(upgrade && { upgrade: request.headers.upgrade ?? '' }),
        }
      },
    }
  }

  async #answer({ machine, answer, hop }: Answered): Promise<void> {
    const { response, upgrade } = this.#arrival
    const signal = this.#signal
    this.#status = answer.response.statusCode
    const headers = this.#finish(headersOf(answer), answer.tunnel !== undefined)
    this.#isMachineGone = answer.response.errored !== null
    answer.response.once('error', () => {
      this.#isMachineGone ||= !response.destroyed && !this.#gone.signal.aborted
    })
    const machineMillis = this.#world.roundTrip(this.#servedBy, machine.region) / 2
    try {
      if (answer.tunnel && upgrade) {
        response.detachSocket(upgrade.socket)
        upgrade.socket.once('close', () => this.#gone.abort())
        await tunnel(answer, headers, upgrade, { machineMillis, clientMillis: this.#clientMillis }, signal)
      } else await deliver(answer, headers, response, this.#clientMillis, signal)
    } finally {
      hop.endedMillis = this.#clock()
      answer.detach()
    }
  }

  /** The headers of the final answer. */
  #finish(headers: HeaderList, isTunnel = false): HeaderList {
    if (this.#world.isWithoutProxy && !isTunnel) return endToEndHeaders(headers)
    const passes = this.#replays > 0 ? 2 : 1
    const isPristine = this.#world.settings.isPristine || this.#world.isWithoutProxy
    const answered = answerHeaders(headers, this.#requestId, passes, isPristine)
    const upgrade = headerOf(headers, 'upgrade') ?? this.#arrival.request.headers.upgrade ?? ''
    const leaving: [string, string][] = [
      ['Connection', 'Upgrade'],
      ['Upgrade', upgrade],
    ]
    return [...answered, ...this.#keptCookies, ...(isTunnel ? leaving : [])]
  }

  async #giveUp(error: GiveUp): Promise<void> {
    this.#errorCode = error.code
    this.#status = error.status ?? this.#world.settings.errorStatus
    this.#log(error.app, error.message, error.code)
    await deliverError(this.#arrival.response, this.#status, this.#finish([]))
  }

  #breakOff(): RequestEvent['outcome'] {
    const { response, upgrade } = this.#arrival
    response.destroy()
    upgrade?.socket.destroy()
    if (this.#world.closing.signal.aborted) return 'proxy-closed'
    // A tunnel has no clean end: one side just goes.
    if (upgrade && this.#status === 101) return 'answered'
    return this.#isMachineGone ? 'upstream-aborted' : 'client-aborted'
  }

  #clock(): number {
    return performance.now() - this.#start
  }

  #log(app: string, message: string, code?: ProxyErrorCode): void {
    this.#world.publish({ type: 'log', app, requestId: this.#requestId, message, ...(code && { code }) })
  }

  #publish(outcome: RequestEvent['outcome']): void {
    const { edge, request, upgrade } = this.#arrival
    this.#world.publish({
      type: 'request',
      requestId: this.#requestId,
      edge: edge.region,
      servedBy: this.#servedBy,
      app: this.#app,
      method: request.method ?? 'GET',
      path: this.#path,
      isUpgrade: upgrade !== undefined,
      startedAt: this.#startedAt,
      totalMillis: this.#clock(),
      hops: this.#hops,
      replays: this.#replays,
      outcome,
      ...(this.#errorCode && { errorCode: this.#errorCode }),
      ...(this.#status !== undefined && { status: this.#status }),
    })
  }
}

const copy = ([name, value]: readonly [string, string]): [string, string] => [name, value]

async function delayUnlessZero(milliseconds: number, signal: AbortSignal): Promise<void> {
  if (milliseconds > 0) await delay(milliseconds, undefined, { signal })
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'the request could not be passed on'
}

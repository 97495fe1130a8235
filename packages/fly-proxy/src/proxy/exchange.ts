import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { endToEndHeaders, fromRawHeaders, type HeaderList, headerOf, withHeaders } from '../http/headers.ts'
import { RequestBody } from '../http/request-body.ts'
import { replayFormOf } from '../replay/instruction.ts'
import type { RequestEvent } from '../report/events.ts'
import { answerHeaders, forwardedHeaders } from '../routing/forwarded-headers.ts'
import type { Step } from '../routing/step.ts'
import type { World } from '../world/world.ts'
import { discard, headersOf } from './answer.ts'
import { deliver, deliverError, tunnel } from './deliver.ts'
import { type Answered, dispatch, type Errand } from './dispatch.ts'
import { GiveUp } from './give-up.ts'
import { Itinerary } from './itinerary.ts'
import { RequestRecord } from './request-record.ts'
import type { Envelope } from './upstream.ts'

/** A request that has just reached an edge. */
export interface Arrival {
  readonly edge: { readonly region: string; readonly port: number }
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Present when the client wants to leave HTTP. */
  readonly upgrade?: { readonly socket: Socket; readonly head: Buffer }
}

/** The life of one request: from its arrival at an edge, through machines and replays, to its last byte. */
export class Exchange {
  readonly #world: World
  readonly #arrival: Arrival
  readonly #servedBy: string
  readonly #app: string
  readonly #body: RequestBody
  readonly #record: RequestRecord
  readonly #itinerary: Itinerary
  readonly #gone = new AbortController()
  readonly #signal: AbortSignal
  #isMachineGone = false

  constructor(world: World, arrival: Arrival) {
    const { edge, request, response, upgrade } = arrival
    const { settings } = world
    this.#world = world
    this.#arrival = arrival
    const servedBy = world.servingRegion(edge.region)
    const host = request.headers.host ?? ''
    const label = host.split(/[.:]/)[0] ?? ''
    const app = world.apps.has(label) ? label : (settings.apps[0]?.name ?? '')
    this.#servedBy = servedBy
    this.#app = app
    this.#body = new RequestBody(request, settings.bufferLimit, settings.replayChunkedBodies)
    this.#record = new RequestRecord(world, {
      request,
      isUpgrade: upgrade !== undefined,
      edge: edge.region,
      servedBy,
      app,
    })
    this.#itinerary = new Itinerary(world, {
      app,
      original: {
        host: host.replace(/:\d+$/, '').toLowerCase(),
        path: request.url ?? '/',
        headers: this.#originalHeaders(),
      },
      body: this.#body,
      record: this.#record,
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
      if (this.#signal.aborted || response.headersSent || response.destroyed || this.#record.status === 101)
        outcome = this.#breakOff()
      else await this.#giveUp(error instanceof GiveUp ? error : new GiveUp('PU02', this.#app, messageOf(error)))
    }
    // Read the rest of the body: unread bytes would keep the connection from being used again.
    this.#arrival.request.resume()
    this.#record.publish(outcome)
  }

  /** The one-way delay between the client's edge and the edge that does the work. */
  get #clientMillis(): number {
    return this.#world.roundTrip(this.#arrival.edge.region, this.#servedBy) / 2
  }

  /** The client's headers, as the first machine gets them. */
  #originalHeaders(): HeaderList {
    const { settings, isWithoutProxy } = this.#world
    const { request, edge } = this.#arrival
    const raw = fromRawHeaders(request.rawHeaders)
    if (isWithoutProxy) return endToEndHeaders(raw)
    return forwardedHeaders(raw, {
      requestId: this.#record.requestId,
      edgeRegion: this.#servedBy,
      edgeAddress: request.socket.localAddress ?? settings.host,
      edgePort: edge.port,
      clientAddress: request.socket.remoteAddress ?? settings.host,
      scheme: settings.scheme,
      isClientTrusted: settings.trustClientHeaders,
    })
  }

  async #travel(): Promise<void> {
    if (this.#arrival.upgrade && this.#framing !== 'none' && this.#framing !== 0) {
      throw new GiveUp('PU02', this.#app, 'a request to upgrade cannot carry a body', 400)
    }
    let step = this.#itinerary.first()
    for (;;) {
      const outcome = await dispatch(this.#world, this.#errand(step))
      if (outcome.kind === 'broken') throw new GiveUp('PU02', outcome.machine.app, outcome.message)
      if (outcome.kind === 'unreachable') {
        step = this.#itinerary.detour(step, outcome)
        continue
      }
      try {
        const form = this.#world.isWithoutProxy ? undefined : replayFormOf(headersOf(outcome.answer))
        if (form === undefined || outcome.answer.tunnel) return await this.#answer(outcome)
        step = await this.#itinerary.replay(step, outcome, form, this.#signal)
      } catch (error) {
        if (error instanceof GiveUp) discard(outcome.answer)
        throw error
      } finally {
        outcome.leave()
      }
    }
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
      hops: this.#record.hops,
      elapsedMillis: () => this.#record.elapsedMillis(),
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
    this.#record.status = answer.response.statusCode
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
      hop.endedMillis = this.#record.elapsedMillis()
      answer.detach()
    }
  }

  /** The headers of the final answer. */
  #finish(headers: HeaderList, isTunnel = false): HeaderList {
    if (this.#world.isWithoutProxy && !isTunnel) return endToEndHeaders(headers)
    const passes = this.#record.replays > 0 ? 2 : 1
    const isPristine = this.#world.settings.isPristine || this.#world.isWithoutProxy
    const answered = answerHeaders(headers, this.#record.requestId, passes, isPristine)
    const upgrade = headerOf(headers, 'upgrade') ?? this.#arrival.request.headers.upgrade ?? ''
    const leaving: [string, string][] = [
      ['Connection', 'Upgrade'],
      ['Upgrade', upgrade],
    ]
    return [...answered, ...this.#itinerary.keptCookies, ...(isTunnel ? leaving : [])]
  }

  async #giveUp(error: GiveUp): Promise<void> {
    this.#record.errorCode = error.code
    this.#record.status = error.status ?? this.#world.settings.errorStatus
    this.#record.log(error.app, error.message, error.code)
    await deliverError(this.#arrival.response, this.#record.status, this.#finish([]))
  }

  #breakOff(): RequestEvent['outcome'] {
    const { response, upgrade } = this.#arrival
    response.destroy()
    upgrade?.socket.destroy()
    if (this.#world.closing.signal.aborted) return 'proxy-closed'
    // A tunnel has no clean end: one side simply closes.
    if (upgrade && this.#record.status === 101) return 'answered'
    return this.#isMachineGone ? 'upstream-aborted' : 'client-aborted'
  }
}

async function delayUnlessZero(milliseconds: number, signal: AbortSignal): Promise<void> {
  if (milliseconds > 0) await delay(milliseconds, undefined, { signal })
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'the request could not be forwarded'
}

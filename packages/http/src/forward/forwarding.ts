import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http'
import { isIPv6 } from 'node:net'
import type { ForwardingTarget, ReplayAnswer, ReplayOrder } from '../replay/replay-target.ts'
import { sendEarly } from './early-answers.ts'
import { ForwardedAnswer, NO_BYTES } from './forwarded-answer.ts'
import { hopHeaders } from './hop-headers.ts'
import { hasBody, type KeptBody } from './kept-body.ts'

/** What is sent on. */
export interface ForwardedRequest {
  /** Header names and values by turns, as they came. */
  readonly rawHeaders: readonly string[]
  /** `undefined` when it has none. */
  readonly body: Pick<KeptBody, 'sendTo'> | undefined
  /** The address of whoever sent it here. */
  readonly peer: string | undefined
}

/** Node's own request, with its body as it is kept. */
export function forwardedRequestOf(request: IncomingMessage, body: KeptBody | undefined): ForwardedRequest {
  return {
    rawHeaders: request.rawHeaders,
    body: hasBody(request) ? body : undefined,
    peer: request.socket?.remoteAddress?.replace(/^::ffff:/, ''),
  }
}

/**
 * One request that this instance sends on by itself (P9): it is sent once. Until a connection stands nothing has begun there, and
 * the app's degraded mode is free to answer; from then on a break means that nobody knows.
 */
export class Forwarding {
  readonly #target: ForwardingTarget
  readonly #order: ReplayOrder
  readonly #request: ForwardedRequest
  readonly #beginTry: () => (isReached: boolean) => void
  #outgoing: ClientRequest | undefined
  #connecting: Promise<boolean> | undefined
  #isAbandoned = false
  #response: ServerResponse | undefined

  /** `beginTry` is called as it starts to connect; what it returns is told whether a region was reached. */
  constructor(
    target: ForwardingTarget,
    order: ReplayOrder,
    request: ForwardedRequest,
    beginTry: () => (isReached: boolean) => void,
  ) {
    this.#beginTry = beginTry
    this.#target = target
    this.#order = order
    this.#request = request
  }

  /** Opens the way, once. Resolves with whether a region was reached; never rejects. */
  connect(): Promise<boolean> {
    this.#connecting ??= this.#connect()
    return this.#connecting
  }

  /** The client is gone: what runs for it in the other region ends as well. */
  abandon(): void {
    this.#isAbandoned = true
    this.#outgoing?.destroy()
  }

  /** Names the response of the client: 1xx answers pass to it, and this ends when it hangs up before it has all of its answer. */
  answerTo(response: ServerResponse): void {
    this.#response = response
    if (response.destroyed) this.abandon()
    else response.once('close', () => !response.writableFinished && this.abandon())
  }

  /** The answer of the other region; `unreached` when nothing was sent, `broken` when it was and no answer came. Never rejects. */
  async answer(): Promise<ForwardedAnswer | 'unreached' | 'broken'> {
    if (!(await this.connect()) || this.#outgoing === undefined) return 'unreached'
    // It stood, and was closed before anything was sent.
    if (this.#outgoing.destroyed && !this.#isAbandoned && !(await this.#connect())) return 'unreached'
    return await this.#send(this.#outgoing)
  }

  async #connect(): Promise<boolean> {
    const endTry = this.#beginTry()
    const isReached = await this.#open()
    endTry(isReached)
    return isReached
  }

  async #open(): Promise<boolean> {
    try {
      const outgoing = await this.#target.connect(this.#order)
      // What breaks later is told by 'close'.
      outgoing.on('error', () => {})
      this.#outgoing = outgoing
      if (this.#isAbandoned) outgoing.destroy()
      return true
    } catch {
      return false
    }
  }

  #send(outgoing: ClientRequest): Promise<ForwardedAnswer | 'broken'> {
    const { rawHeaders, body, peer } = this.#request
    const { state, request } = this.#order
    const answered = new Promise<ForwardedAnswer | 'broken'>((resolve) => {
      outgoing.on('information', (early) => sendEarly(early, this.#response))
      outgoing.once('response', (far) => {
        // From here on the far side may take its time: events, downloads.
        outgoing.setTimeout(0)
        // Node's parser lets such a status pass, and its response does not.
        if ((far.statusCode ?? 0) < 200) outgoing.destroy()
        else resolve(new ForwardedAnswer(far, outgoing))
      })
      outgoing.once('close', () => resolve('broken'))
    })
    try {
      const own = outgoing.getHeaders()
      const hop = { ...request, peer, own: { 'headwater-state': state } }
      for (const [name, value] of hopHeaders(rawHeaders, hop)) outgoing.setHeader(name, value)
      // What the target has set stands: the host of the region, where it asks for that.
      for (const [name, value] of Object.entries(own)) if (value !== undefined) outgoing.setHeader(name, value)
      if (!outgoing.hasHeader('host'))
        outgoing.setHeader('host', isIPv6(outgoing.host) ? `[${outgoing.host}]` : outgoing.host)
      if (body === undefined) outgoing.end()
      else {
        if (!outgoing.hasHeader('content-length')) outgoing.setHeader('transfer-encoding', 'chunked')
        outgoing.write(NO_BYTES)
        body.sendTo(outgoing)
      }
    } catch (error) {
      outgoing.destroy(error instanceof Error ? error : undefined)
    }
    return answered
  }
}

/** The answer to a request that was sent on and did not come back. Trying it again is its sender's choice, never ours (P9). */
export const BROKEN: ReplayAnswer = Object.freeze({
  status: 502,
  headers: Object.freeze({ 'cache-control': 'no-store', 'content-type': 'text/plain; charset=utf-8' }),
  body: 'This request was sent on to the region of the primary, and no answer came back. Nobody knows whether it took effect: look before you send it again.\n',
})

import type { ClientRequest, IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import type { ReplayAnswer } from '../replay/replay-target.ts'
import { AnswerMemory } from './answer-memory.ts'
import { endToEndFields } from './hop-headers.ts'
import { pairsOf } from './kept-body.ts'

/** A web-standard response of these takes no body, not even an empty one. */
const WITHOUT_BODY: ReadonlySet<number> = new Set([204, 205, 304])

/** What Node accepts as a status text. Its parser lets more pass. */
const STATUS_TEXT = /^[\t\x20-\x7e\x80-\xff]*$/

/** Sends a head ahead of its body. `flushHeaders()` would write it in UTF-8, where header values are latin1. */
export const NO_BYTES: Buffer = Buffer.alloc(0)

/** The answer of another region, whose body is still on its way. It is read once: by `sendTo()`, or as `body`. */
export class ForwardedAnswer implements ReplayAnswer {
  readonly status: number
  readonly #far: IncomingMessage
  readonly #outgoing: ClientRequest

  constructor(far: IncomingMessage, outgoing: ClientRequest) {
    this.#far = far
    this.#outgoing = outgoing
    this.status = far.statusCode ?? 502
  }

  get headers(): Readonly<Record<string, string>> {
    const fields = [...endToEndFields(this.#far.rawHeaders)].filter(([key]) => key !== 'set-cookie')
    return Object.fromEntries(fields.map(([key, { values }]) => [key, values.join(', ')]))
  }

  get cookies(): readonly string[] {
    return endToEndFields(this.#far.rawHeaders).get('set-cookie')?.values ?? []
  }

  /** For frameworks of web-standard responses; trailers have no place there. */
  get body(): ReadableStream<Uint8Array> | undefined {
    const isEmpty = this.#outgoing.method === 'HEAD' || WITHOUT_BODY.has(this.status)
    if (!isEmpty) return Readable.toWeb(this.#far) as ReadableStream<Uint8Array>
    this.#far.resume()
    return undefined
  }

  /**
   * Sends it on a Node response, byte by byte and trailers included, no faster than the client takes it. Uses the prototype's own
   * methods: session and compression middleware replace them.
   */
  sendTo(response: ServerResponse): void {
    const far = this.#far
    const native: ServerResponse = Object.getPrototypeOf(response)
    const send = (method: 'write' | 'end', ...args: unknown[]): unknown => Reflect.apply(native[method], response, args)
    for (const name of response.getHeaderNames()) response.removeHeader(name)
    const fields = endToEndFields(far.rawHeaders)
    const headers: OutgoingHttpHeaders = {}
    for (const { name, values } of fields.values()) headers[name] = values.length === 1 ? values[0] : [...values]
    const isHttp2 = response.req?.httpVersionMajor === 2
    const { statusMessage = '' } = far
    const text = STATUS_TEXT.test(statusMessage) ? statusMessage : ''
    Reflect.apply(native.writeHead, response, isHttp2 ? [this.status, headers] : [this.status, text, headers])
    // Events and other bodies without a length begin before their first byte.
    if (!fields.has('content-length') && !isHttp2) send('write', NO_BYTES)
    const memory = new AnswerMemory(far)
    far.on('data', (chunk: Buffer) => {
      const free = memory.keep(chunk)
      if ((free === undefined ? send('write', chunk) : send('write', chunk, free)) === false) far.pause()
    })
    response.on('drain', () => far.resume())
    far.once('end', () => {
      const trailers = pairsOf(far.rawTrailers)
      if (trailers.length > 0) response.addTrailers(isHttp2 ? Object.fromEntries(trailers) : trailers)
      send('end')
    })
    // An answer that breaks off must not look whole.
    far.once('error', () => response.destroy())
    far.once('close', () => {
      if (!far.complete) response.destroy()
    })
  }
}

/** Sends `answer` on Node's own response, trailers included. Returns `false`, and does nothing, when no other region has made it. */
export function sendForwarded(answer: ReplayAnswer, response: ServerResponse): boolean {
  if (!(answer instanceof ForwardedAnswer)) return false
  answer.sendTo(response)
  return true
}

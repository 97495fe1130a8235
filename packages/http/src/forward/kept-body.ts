import type { ClientRequest, IncomingMessage } from 'node:http'
import { KeptChunks, whenPressureEnds } from './kept-chunks.ts'

/**
 * The body of a request as it arrives, kept while the app reads it, so that the request can still be sent on after that. It holds
 * no more than the limit, and nothing once it is sent on.
 */
export class KeptBody {
  readonly #request: IncomingMessage
  readonly #chunks: KeptChunks
  #isComplete = false
  #isUnderPressure = true
  #outgoing: ClientRequest | undefined

  /** `onTooLarge` is called with each chunk beyond the limit, unless the body is already on its way. */
  constructor(request: IncomingMessage, limitBytes: number, onTooLarge: () => void) {
    this.#request = request
    this.#chunks = new KeptChunks(limitBytes, onTooLarge)
    // What is buffered already came before us: it is taken out and put back.
    const early: unknown = request.readableLength > 0 ? request.read() : null
    if (early !== null) request.unshift(early)
    if (early instanceof Uint8Array) this.#take(early)
    this.#isComplete = request.complete
    // A 'data' listener would start the flow before the app wants it; the parser hands every chunk to push.
    const { push } = request
    request.push = (chunk: unknown, encoding?: BufferEncoding): boolean => {
      if (chunk instanceof Uint8Array) this.#take(chunk)
      else if (chunk === null) this.#end()
      return push.call(request, chunk, encoding)
    }
  }

  /** Sends the body on: what has come, then the rest as it comes, no faster than the other side takes it. */
  sendTo(outgoing: ClientRequest): void {
    this.#outgoing = outgoing
    this.#chunks.sendTo(outgoing)
    if (this.#isComplete) this.#end()
    else {
      this.#request.resume()
      this.#request.once('close', () => {
        if (!this.#isComplete) outgoing.destroy()
      })
      whenPressureEnds(outgoing, () => {
        this.#isUnderPressure = false
        process.nextTick(() => this.#request.resume())
      })
    }
  }

  #take(chunk: Uint8Array): void {
    if (this.#chunks.take(chunk) || !this.#isUnderPressure) return
    const request = this.#request
    // Behind this chunk: a pause inside of push would be undone by it.
    process.nextTick(() => request.pause())
    this.#outgoing?.once('drain', () => process.nextTick(() => request.resume()))
  }

  #end(): void {
    this.#isComplete = true
    const outgoing = this.#outgoing
    if (outgoing === undefined || outgoing.writableEnded) return
    const { rawTrailers } = this.#request
    const trailers = pairsOf(rawTrailers)
    if (trailers.length > 0 && outgoing.hasHeader('transfer-encoding')) outgoing.addTrailers(trailers)
    outgoing.end()
  }
}

/** Whether a request has a body; under HTTP/2 no header needs to say so. */
export function hasBody(request: IncomingMessage): boolean {
  if (request.httpVersionMajor === 2) {
    const stream: unknown = Reflect.get(request, 'stream')
    return typeof stream !== 'object' || stream === null || Reflect.get(stream, 'endAfterHeaders') !== true
  }
  const { headers } = request
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0'
}

/** `[name, value, …]` as pairs. */
export function pairsOf(raw: readonly string[]): [string, string][] {
  return Array.from({ length: raw.length >> 1 }, (_, at) => [raw[2 * at] ?? '', raw[2 * at + 1] ?? ''])
}

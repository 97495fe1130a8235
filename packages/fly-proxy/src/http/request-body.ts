import type { IncomingMessage } from 'node:http'
import type { Writable } from 'node:stream'

/**
 * The body of a request, which one machine after another may get. Up to `limit` bytes are kept, so that the request can be
 * replayed. A larger body is streamed with backpressure and cannot be replayed.
 */
export class RequestBody {
  readonly #source: IncomingMessage
  readonly #limit: number
  #kept: Buffer[] | undefined = []
  #size = 0
  #isOver: boolean
  #isComplete = false
  #sink: Writable | undefined
  readonly #settled: Promise<void>
  #settle: () => void = () => {}

  constructor(source: IncomingMessage, limit: number, isChunkedReplayable: boolean) {
    this.#source = source
    this.#limit = limit
    this.#settled = new Promise((resolve) => {
      this.#settle = resolve
    })
    const isChunked = source.headers['transfer-encoding'] !== undefined
    this.#isOver = Number(source.headers['content-length'] ?? 0) > limit || (isChunked && !isChunkedReplayable)
    if (this.#isOver) this.#settle()
    source.on('data', (chunk: Buffer) => this.#take(chunk))
    source.on('end', () => {
      this.#isComplete = true
      this.#settle()
      this.#sink?.end()
    })
    source.on('close', () => this.#settle())
    source.on('error', () => this.#settle())
  }

  /** Bytes received so far. */
  get size(): number {
    return this.#size
  }

  /** Whether every byte has been received and is still kept. */
  get isReplayable(): boolean {
    return this.#isComplete && !this.#isOver && this.#kept !== undefined
  }

  /** Resolves when it is known whether the body can be replayed: it is complete, too large, or broken off. */
  settled(): Promise<void> {
    return this.#settled
  }

  /** Sends the kept bytes, then those that still arrive, to a connected machine. Call the returned function to stop. */
  feed(sink: Writable): () => void {
    for (const chunk of this.#kept ?? []) sink.write(chunk)
    // A body over the limit is not kept, except for what arrived before the first machine was connected.
    if (this.#isOver) this.#kept = undefined
    if (this.#isComplete) sink.end()
    else {
      // A machine may answer after reading only the headers: do not make it wait for the body.
      sink.write(Buffer.alloc(0))
      this.#sink = sink
      this.#source.resume()
    }
    return () => {
      if (this.#sink === sink) this.#sink = undefined
    }
  }

  #take(chunk: Buffer): void {
    this.#size += chunk.length
    if (this.#size > this.#limit && !this.#isOver) {
      this.#isOver = true
      this.#settle()
    }
    const sink = this.#sink
    if (this.#isOver && sink !== undefined) this.#kept = undefined
    else this.#kept?.push(chunk)
    if (!this.#isOver) sink?.write(chunk)
    else if (sink === undefined) this.#source.pause()
    else if (!sink.write(chunk)) {
      this.#source.pause()
      sink.once('drain', () => this.#source.resume())
    }
  }
}

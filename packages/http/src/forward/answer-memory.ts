import type { IncomingMessage } from 'node:http'

/** An answer that is longer than this is freed as it passes. Below, the collector has time. */
const FREED_FROM_BYTES = 4_194_304

/**
 * Frees the memory of a long answer piece by piece, once each piece is sent. V8 lets some 64 MB of buffers wait for its collector, whatever
 * the heap's size, and each byte that passes through Node's parser is held twice: as it was read, and as a piece of the body.
 */
export class AnswerMemory {
  readonly #far: IncomingMessage
  #passed = 0

  constructor(far: IncomingMessage) {
    this.#far = far
  }

  /** Counts a piece. Returns what frees it, to be called once it is sent; `undefined` while the answer is short. */
  keep(piece: Buffer): (() => void) | undefined {
    const before = this.#passed
    this.#passed += piece.byteLength
    if (this.#passed < FREED_FROM_BYTES) return undefined
    if (before < FREED_FROM_BYTES) this.#freeWhatIsRead()
    return () => free(piece)
  }

  /** The parser has copied what it was given by the time that the listener behind its own is called. */
  #freeWhatIsRead(): void {
    const { socket } = this.#far
    socket.on('data', free)
    this.#far.once('close', () => socket.off('data', free))
  }
}

/** Detaches the memory of a buffer that has some of its own, where the runtime can (Node 22 and later). */
function free({ buffer, byteLength }: Buffer): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength)
    Reflect.get(buffer, 'transfer')?.call(buffer, 0)
}

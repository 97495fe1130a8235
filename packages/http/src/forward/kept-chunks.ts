import type { ClientRequest } from 'node:http'

/** What has come of a body: kept up to a limit, until it is sent on. It holds nothing after that. */
export class KeptChunks {
  readonly #limitBytes: number
  readonly #onTooLarge: () => void
  #chunks: Uint8Array[] = []
  #received = 0
  #outgoing: ClientRequest | undefined

  /** `onTooLarge` is called with each chunk beyond the limit, unless the body is already on its way. */
  constructor(limitBytes: number, onTooLarge: () => void) {
    this.#limitBytes = limitBytes
    this.#onTooLarge = onTooLarge
  }

  /** Keeps the next chunk, or passes it on. Returns `false` when the other side wants to take what it has first. */
  take(chunk: Uint8Array): boolean {
    this.#received += chunk.byteLength
    // A copy: the app may change what it was given.
    if (this.#outgoing !== undefined) return this.#outgoing.destroyed || this.#outgoing.write(Buffer.from(chunk))
    if (this.#received <= this.#limitBytes) this.#chunks.push(Buffer.from(chunk))
    else {
      this.#chunks = []
      this.#onTooLarge()
    }
    return true
  }

  /** Sends on what has come; what comes from here on is passed on. */
  sendTo(outgoing: ClientRequest): void {
    this.#outgoing = outgoing
    for (const chunk of this.#chunks) outgoing.write(chunk)
    this.#chunks = []
  }
}

/**
 * Calls back once nothing has to wait for the other side any more: it takes no more, or has answered in full. It may still read on behind its
 * answer, but Node tells nobody then that it has: the rest, which the limit bounds, is sent at once, or the client's connection is stuck.
 */
export function whenPressureEnds(outgoing: ClientRequest, goOn: () => void): void {
  outgoing.once('close', goOn)
  outgoing.once('response', (far) => far.once('end', goOn))
}

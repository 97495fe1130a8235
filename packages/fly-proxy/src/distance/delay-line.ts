import { Duplex, pipeline, type Readable } from 'node:stream'

// How many bytes the cable holds before the sender has to wait.
const capacity = 4 * 1024 * 1024

/** A cable: every chunk, and the end, comes out `milliseconds` after it went in, in order. Throughput is not limited. */
export class DelayLine extends Duplex {
  readonly #milliseconds: number
  readonly #timers = new Set<NodeJS.Timeout>()
  #inFlight = 0
  #blocked: (() => void) | undefined

  constructor(milliseconds: number) {
    super()
    this.#milliseconds = milliseconds
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#inFlight += chunk.length
    this.#blocked = done
    this.#later(() => {
      this.#inFlight -= chunk.length
      this.push(chunk)
      this.#unblock()
    })
    this.#unblock()
  }

  override _read(): void {
    this.#unblock()
  }

  override _final(done: () => void): void {
    this.#later(() => {
      this.push(null)
      done()
    })
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
    done(error)
  }

  #unblock(): void {
    if (this.#inFlight + this.readableLength >= capacity) return
    const blocked = this.#blocked
    this.#blocked = undefined
    blocked?.()
  }

  #later(run: () => void): void {
    // Timers of one duration fire in the order in which they were set.
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      run()
    }, this.#milliseconds)
    this.#timers.add(timer)
  }
}

/** The stream at the far end of a cable that starts at `source`. Without a delay it is the source itself. */
export function delayed(source: Readable, milliseconds: number): Readable {
  if (milliseconds <= 0) return source
  const line = new DelayLine(milliseconds)
  // A broken source destroys the line, and so the reader at the far end learns of it.
  pipeline(source, line, () => {})
  line.on('error', () => {})
  return line
}

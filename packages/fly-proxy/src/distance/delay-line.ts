import { Duplex, pipeline, type Readable } from 'node:stream'

// What a cable holds before its sender has to wait.
const capacity = 4 * 1024 * 1024

/** A stretch of cable: every chunk, and the end, comes out `milliseconds` after it went in, in order; throughput stays. */
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

/** The far end of a cable that starts at `source`; the source itself when there is no distance. */
export function delayed(source: Readable, milliseconds: number): Readable {
  if (milliseconds <= 0) return source
  const line = new DelayLine(milliseconds)
  // Whoever reads the far end learns of a broken source by the destroyed line.
  pipeline(source, line, () => {})
  line.on('error', () => {})
  return line
}

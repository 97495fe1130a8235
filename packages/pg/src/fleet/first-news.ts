import { boundHere } from '../driver/bound-here.ts'

/** How long a first query waits at most: then it goes by the first guess. */
const MOST_MILLIS = 3_000

/** What a pool's first queries wait for: who is the primary, and which servers there are, where the configuration does not say so. */
export class FirstNews {
  /** Whether a query has to wait. A look at it is all that this costs later queries. */
  isAwaited: boolean
  readonly #isKnown: () => boolean
  readonly #waiting: (() => void)[] = []
  #timer: NodeJS.Timeout | undefined

  constructor(isAwaited: boolean, isKnown: () => boolean) {
    this.isAwaited = isAwaited
    this.#isKnown = isKnown
  }

  /** Calls back once it is known, or it has taken too long. */
  wait(known: () => void): void {
    if (!this.isAwaited) return known()
    this.#waiting.push(boundHere(known))
    this.#timer ??= setTimeout(() => this.end(), MOST_MILLIS)
  }

  /** Call when a server, or DNS, has said something. */
  heard(): void {
    if (this.isAwaited && this.#isKnown()) this.end()
  }

  /** Nobody waits any longer. */
  end(): void {
    this.isAwaited = false
    clearTimeout(this.#timer)
    for (const known of this.#waiting.splice(0)) known()
  }
}

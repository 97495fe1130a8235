import { boundHere } from '../driver/bound-here.ts'

/** How long a first query waits at most: then it goes by the first guess. */
const MOST_MILLIS = 3_000
/** How long it still waits for the other servers once a primary is known: another one may say the same of itself (X7). */
const GRACE_MILLIS = 1_000

/** What a pool's first queries wait for: who is the primary, and which servers there are, where the configuration does not say so. */
export class FirstNews {
  /** Whether a query has to wait. A look at it is all that this costs later queries. */
  isAwaited: boolean
  readonly #isKnown: () => 'all' | 'enough' | 'too-little'
  readonly #waiting: (() => void)[] = []
  #timer: NodeJS.Timeout | undefined
  #grace: NodeJS.Timeout | undefined

  constructor(isAwaited: boolean, isKnown: () => 'all' | 'enough' | 'too-little') {
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
    if (!this.isAwaited) return
    const known = this.#isKnown()
    if (known === 'all') this.end()
    else if (known === 'enough') this.#grace ??= setTimeout(() => this.end(), GRACE_MILLIS).unref()
  }

  /** Nobody waits any longer. */
  end(): void {
    this.isAwaited = false
    clearTimeout(this.#timer)
    clearTimeout(this.#grace)
    for (const known of this.#waiting.splice(0)) known()
  }
}

/** What a check of a text's prepared runs found, in ms; both are means. */
export interface SlowerPrepared {
  readonly preparedMillis: number
  readonly plainMillis: number
}

/** Every this many prepared runs one is timed: reading a clock for each costs more than it tells. */
const TIMED_EVERY = 8
/** How many runs of each kind a check compares. */
const COMPARED = 16
/** How many of them do not count, the slowest: the machine's, or a lock's. */
const LEFT_OUT = 4
/** How much slower than its plain runs a prepared one is before a check begins. */
const SUSPICIOUS = 4
/** The least difference that counts, in ms: below it lies the machine's own noise. */
const LEAST_DIFFERENCE = 1
/** So many checks in a row have to find it slower: one alone can be a busy moment. */
const CONFIRMED = 3
/** How much slower the prepared runs of a check may be. */
const ALLOWED = 1.5
const FIRST_PAUSE = 256
const LONGEST_PAUSE = 65_536

/**
 * Compares what a text takes prepared and plain, and says when preparing it hurts: a plan that the server keeps can be the wrong one
 * for some values, and the server goes by costs that it estimates, never by what happened.
 *
 * Plain runs from before the text was prepared say what is normal. A prepared run that takes several times as long begins a check:
 * prepared and plain runs take turns, so both meet the same load, and without the slowest few of each the means are compared.
 */
export class PlanGuard {
  /** Whether its text runs plain from now on. */
  isSlower = false
  #plainMillis = Number.NaN
  #runs = 0
  #pause = FIRST_PAUSE
  #checkFrom = 0
  #found = 0
  #prepared: number[] | undefined
  #plain: number[] = []

  /** Whether the next run must be plain, for the comparison. */
  get wantsPlain(): boolean {
    return this.#prepared !== undefined && this.#plain.length < this.#prepared.length
  }

  /** Whether the next prepared run is timed. */
  timesNext(): boolean {
    this.#runs += 1
    return this.#prepared !== undefined || this.#runs % TIMED_EVERY === 0
  }

  /** Takes the time of a plain run; says when the check that it ends found the prepared ones slower. */
  plainTook(millis: number): SlowerPrepared | undefined {
    if (this.#prepared === undefined) {
      this.#plainMillis = Number.isNaN(this.#plainMillis) ? millis : (this.#plainMillis * 3 + millis) / 4
      return undefined
    }
    this.#plain.push(millis)
    return this.#plain.length < COMPARED ? undefined : this.#compare(this.#prepared)
  }

  preparedTook(millis: number): void {
    if (this.#prepared !== undefined) {
      if (this.#prepared.length < COMPARED) this.#prepared.push(millis)
    } else if (this.#runs >= this.#checkFrom && isSlower(millis, this.#plainMillis, SUSPICIOUS)) {
      this.#prepared = []
      this.#plain = []
    }
  }

  #compare(preparedTimes: readonly number[]): SlowerPrepared | undefined {
    const preparedMillis = meanOfMost(preparedTimes)
    const plainMillis = meanOfMost(this.#plain)
    const isFound = isSlower(preparedMillis, plainMillis, ALLOWED)
    this.#found = isFound ? this.#found + 1 : 0
    if (isFound && this.#found < CONFIRMED) {
      this.#prepared = []
      this.#plain = []
      return undefined
    }
    this.#prepared = undefined
    this.#plainMillis = Math.max(this.#plainMillis, plainMillis)
    this.#checkFrom = this.#runs + this.#pause
    this.#pause = Math.min(this.#pause * 4, LONGEST_PAUSE)
    if (!isFound) return undefined
    this.isSlower = true
    return { preparedMillis, plainMillis }
  }
}

function isSlower(millis: number, than: number, times: number): boolean {
  return millis > than * times && millis - than > LEAST_DIFFERENCE
}

function meanOfMost(times: readonly number[]): number {
  const kept = times.toSorted((a, b) => a - b).slice(0, -LEFT_OUT)
  return kept.reduce((sum, time) => sum + time, 0) / kept.length
}

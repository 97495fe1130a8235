/** A run that takes no longer than this beyond the server's usual answers is a small one, in ms. */
const SMALL_MILLIS = 2
/** So many small runs, and a text counts as fast. */
const ENOUGH = 3
/** A read that kept those behind it for longer than this was slow, in ms beyond the usual. */
const SLOW_MILLIS = 5
const VERY_SLOW_MILLIS = 15
/** How many fast runs make up for a slow one, and for a very slow one. */
const PRICE = 64
const HIGH_PRICE = 128
const MOST_CREDIT = 256
/** What is slow within this time of another is the same busy moment, of this process or of the server, in ms. */
const MOMENT_MILLIS = 25
/** How long a slow text keeps out, in ms; twice as long when it comes back and leaves again within a minute. */
const FIRST_PAUSE_MILLIS = 1_000
const LONGEST_PAUSE_MILLIS = 600_000
const SOON_MILLIS = 60_000

/**
 * Whether the reads of one text were measured fast, and stay so (S4). Times are in ms, `now` by a monotonic clock.
 *
 * Fast runs are a credit from which slow ones are paid: a new text leaves with its first very slow run or its second slow one, and a proven
 * one when more than one in 64 is slow. Processes that wait for a processor make any read slow now and then.
 */
export class ReadPace {
  #small = 0
  #credit = PRICE
  #slowAt = Number.NEGATIVE_INFINITY
  #outUntil = Number.NEGATIVE_INFINITY
  #pauseMillis = FIRST_PAUSE_MILLIS

  /** Whether it may run where others wait behind it. */
  isFast(now: number): boolean {
    return this.#small >= ENOUGH && now >= this.#outUntil
  }

  /** Whether it has not been measured often enough. */
  get isUnproven(): boolean {
    return this.#small < ENOUGH
  }

  /** Takes the time of a run on a connection of its own. */
  ranAlone(millis: number, usualMillis: number): void {
    if (this.#small < ENOUGH && millis <= usualMillis + SMALL_MILLIS) this.#small += 1
  }

  /** Takes how long a run kept those behind it. A text that leaves keeps out for a while, and has to be measured again after that. */
  ranShared(millis: number, usualMillis: number, now: number): void {
    const beyond = millis - usualMillis
    if (beyond <= SLOW_MILLIS) {
      if (this.#credit < MOST_CREDIT) this.#credit += 1
      return
    }
    if (now - this.#slowAt < MOMENT_MILLIS) return
    this.#slowAt = now
    this.#credit -= beyond > VERY_SLOW_MILLIS ? HIGH_PRICE : PRICE
    if (this.#credit >= 0) return
    this.#credit = PRICE
    this.#small = 0
    const isSoon = now - this.#outUntil < SOON_MILLIS
    this.#pauseMillis = isSoon ? Math.min(this.#pauseMillis * 2, LONGEST_PAUSE_MILLIS) : FIRST_PAUSE_MILLIS
    this.#outUntil = now + this.#pauseMillis
  }
}

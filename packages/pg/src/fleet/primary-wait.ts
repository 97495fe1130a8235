import { boundHere } from '../driver/bound-here.ts'

/** A caller that waits for a primary: called once, with an error when none came in time. */
type Waiting = (error: unknown) => void

/** How many callers may wait at once: more than this many requests cannot be served in the same moment anyway. */
const MOST_WAITING = 1_000

/** What was not sent, and waits until there is a primary again (X9). */
export class PrimaryWait {
  readonly #millis: number
  readonly #waiting = new Map<Waiting, NodeJS.Timeout>()

  /** `millis`: how long each caller waits; with 0 none does. */
  constructor(millis: number) {
    this.#millis = millis
  }

  /** Until when a caller that begins to wait now may wait, in ms of this process's monotonic clock. */
  get deadline(): number {
    return performance.now() + this.#millis
  }

  /** Lets `done` wait until `deadline`; when it may not, or in vain, it gets the error that `whyNot` gives then. */
  add(done: Waiting, deadline: number, whyNot: () => unknown): void {
    const left = deadline - performance.now()
    if (left <= 0 || this.#waiting.size >= MOST_WAITING) return done(whyNot())
    // Whoever finds the primary calls back: the caller goes on where it began.
    const resume = boundHere(done)
    const timer = setTimeout(() => {
      this.#waiting.delete(resume)
      resume(whyNot())
    }, left)
    this.#waiting.set(resume, timer)
  }

  /** There is one: all of them go on. With an error: none will come. */
  settleAll(error?: unknown): void {
    const all = [...this.#waiting]
    this.#waiting.clear()
    for (const [done, timer] of all) {
      clearTimeout(timer)
      done(error)
    }
  }
}

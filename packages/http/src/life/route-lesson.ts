import type { Scope } from '@headwater/core'
import type { RequestFacts } from '../request/request-facts.ts'
import type { SharedState } from './shared-state.ts'

/** What one request away from home is told by the record of its route, and teaches it (P5). */
export class RouteLesson {
  readonly #shared: SharedState
  readonly #facts: RequestFacts
  #route: string | undefined
  #isEarly = false
  #hasEnded = false
  #isLeftAlone = false

  constructor(shared: SharedState, facts: RequestFacts) {
    this.#shared = shared
    this.#facts = facts
  }

  /** Asked for when it matters only: most apps have no route that writes by a safe method, and nothing is remembered. */
  get #name(): string {
    this.#route ??= this.#shared.options.route(this.#facts)
    return this.#route
  }

  /** Whether the request is to be replayed before any work. Then it has nothing to teach. */
  isEarly(): boolean {
    const { memory, clocks } = this.#shared
    const { method } = this.#facts
    this.#isEarly =
      memory.size === 0
        ? memory.shouldReplayEarly(method, '', 0)
        : memory.shouldReplayEarly(method, this.#name, clocks.monotonicMillis())
    return this.#isEarly
  }

  /**
   * Whether `end()` has to follow, asked when the head of the answer passes: few requests have needed the primary, or have a record to
   * mend. What a stream does after that is learnt as late as it comes.
   */
  hasToEnd({ hasNeededPrimary, hasWritten }: Scope): boolean {
    const hasTo = !this.#isEarly && (hasNeededPrimary || hasWritten || this.#shared.memory.size > 0)
    this.#isLeftAlone = !hasTo
    return hasTo
  }

  /** The request has been answered with `status`. An error says nothing about what the route needs, so only a success counts as a read. */
  end({ hasNeededPrimary, hasWritten, isSpent }: Scope, status: number): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    const needed = hasNeededPrimary || hasWritten
    // A replay because a replica was behind or lost says nothing about the route, whatever status the target gives it.
    if (!needed && isSpent) return
    if (needed || status < 400) this.#learn(needed)
  }

  /** A streamed body may write after the adapter saw its end: the next request of this route is replayed early. */
  learnLate({ hasNeededPrimary }: Scope): void {
    if ((this.#hasEnded || this.#isLeftAlone) && hasNeededPrimary) this.#learn(true)
  }

  #learn(hasNeededPrimary: boolean): void {
    const { memory, clocks } = this.#shared
    if (this.#isEarly || (!hasNeededPrimary && memory.size === 0)) return
    memory.learn(this.#facts.method, this.#name, hasNeededPrimary, clocks.monotonicMillis())
  }
}

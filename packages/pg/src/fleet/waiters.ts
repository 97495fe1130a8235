import { type Lsn, NEVER_REACHED } from '@headwater/core/internal'

/** One caller that waits for a server. */
export interface Waiter {
  /** Whether it may stop waiting: asked after each sample. */
  readonly isEnough: () => boolean
  /** The position that may make it so; `undefined` when none is known, or the server has reached it and it was not enough. */
  readonly target: Lsn | undefined
  /** Told once: `true` when it was enough, `false` when the time is up or the watch has ended. */
  readonly done: (isEnough: boolean) => void
}

/** The callers that wait for one server, each for a time of its own. */
export class Waiters {
  readonly #timers = new Map<Waiter, NodeJS.Timeout>()
  /** Those whose target the server has reached, in vain. */
  readonly #past = new WeakSet<Waiter>()
  /** No waiter with a target waits for less than this; `undefined`: one without a target waits. */
  #lowest: Lsn | undefined = NEVER_REACHED

  get size(): number {
    return this.#timers.size
  }

  /** The nearest position that one of them waits for; `undefined` when none waits for a position. */
  get nearest(): Lsn | undefined {
    let nearest: Lsn | undefined
    for (const waiter of this.#timers.keys()) {
      const { target } = waiter
      if (target === undefined || this.#past.has(waiter)) continue
      if (nearest === undefined || target < nearest) nearest = target
    }
    return nearest
  }

  add(waiter: Waiter, maxWaitMillis: number): void {
    const timer = setTimeout(() => this.#dismiss(waiter, false), maxWaitMillis)
    this.#timers.set(waiter, timer)
    this.#lowest = lower(this.#lowest, waiter.target)
  }

  /** A new sample of a server at `position`: dismisses those for whom it is enough. Who waits for more is not asked. */
  sampled(position: Lsn | undefined): void {
    if (position !== undefined && this.#lowest !== undefined && position < this.#lowest) return
    this.#lowest = NEVER_REACHED
    for (const waiter of this.#timers.keys()) {
      const isTooFar = position !== undefined && waiter.target !== undefined && position < waiter.target
      if (!isTooFar && waiter.isEnough()) this.#dismiss(waiter, true)
      else this.#lowest = lower(this.#lowest, waiter.target)
    }
  }

  /**
   * The server says that it is at `position`. Whoever the next sample does not serve waits for more than a position: told to wait
   * for it again, the server would answer at once, for ever.
   */
  reached(position: Lsn): void {
    for (const waiter of this.#timers.keys()) {
      if (waiter.target !== undefined && waiter.target <= position) this.#past.add(waiter)
    }
  }

  /** The end of the watch: tells them all that it was not enough. */
  dismissAll(): void {
    for (const waiter of this.#timers.keys()) this.#dismiss(waiter, false)
  }

  #dismiss(waiter: Waiter, isEnough: boolean): void {
    clearTimeout(this.#timers.get(waiter))
    if (this.#timers.delete(waiter)) waiter.done(isEnough)
  }
}

/** The lower of two positions; `undefined` is lower than all. */
function lower(left: Lsn | undefined, right: Lsn | undefined): Lsn | undefined {
  if (left === undefined || right === undefined) return undefined
  return left < right ? left : right
}

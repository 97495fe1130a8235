import type { Lsn } from '@headwater/core/internal'

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
  }

  /** A new sample: dismisses those for whom it is enough. */
  sampled(): void {
    for (const waiter of this.#timers.keys()) if (waiter.isEnough()) this.#dismiss(waiter, true)
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

import { AsyncLocalStorage } from 'node:async_hooks'

/** How far the wall clock of one app instance is off, in ms. */
export interface Skew {
  millis: number
}

/** Gives parts of this process a wall clock of their own, until it is disposed of. */
export class SkewedClock implements Disposable {
  readonly #skews = new AsyncLocalStorage<Skew>()
  readonly #now = Date.now

  constructor() {
    const now = this.#now
    Date.now = () => now() + (this.#skews.getStore()?.millis ?? 0)
  }

  run<Result>(skew: Skew, act: () => Result): Result {
    return this.#skews.run(skew, act)
  }

  [Symbol.dispose](): void {
    Date.now = this.#now
  }
}

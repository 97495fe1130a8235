/** Counts the leased clients that a pool has to serve before it ends: those that may still be given something to do. */
export class OpenLeases {
  #count = 0
  #whenNone: (() => void) | undefined

  opened(): void {
    this.#count += 1
  }

  closed(): void {
    this.#count -= 1
    if (this.#count === 0) this.#whenNone?.()
  }

  /** Waits until there is none. */
  async none(): Promise<void> {
    if (this.#count === 0) return
    await new Promise<void>((resolve) => {
      this.#whenNone = resolve
    })
  }
}

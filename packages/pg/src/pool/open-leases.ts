/** The leased clients that a pool has to serve before it ends: those that hold something, or may still be given something to do. */
export class OpenLeases {
  readonly #clients = new Set<object>()
  #whenNone: (() => void) | undefined

  add(client: object): void {
    this.#clients.add(client)
  }

  /** It was released or lost, or can do nothing more. More than once does no harm. */
  delete(client: object): void {
    if (this.#clients.delete(client) && this.#clients.size === 0) this.#whenNone?.()
  }

  /** Waits until there is none. */
  async none(): Promise<void> {
    if (this.#clients.size === 0) return
    await new Promise<void>((resolve) => {
      this.#whenNone = resolve
    })
  }
}

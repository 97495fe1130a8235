/** The leased clients that a pool must serve before it ends: those that hold a connection, or may still get a query. */
export class OpenLeases {
  readonly #clients = new Set<object>()
  #whenNone: (() => void) | undefined

  add(client: object): void {
    this.#clients.add(client)
  }

  /** Call when a client was released or lost, or can do nothing more; calling again does nothing. */
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

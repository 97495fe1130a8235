import type { PoolNode } from '../node/pool-node.ts'

/** The servers of a pool as of now: those of the configuration, and those that DNS knows. */
export class Members {
  #all: readonly PoolNode[] = []
  readonly #joins: ((node: PoolNode) => void)[] = []
  readonly #leaves: ((node: PoolNode) => void)[] = []
  /** The ends of those that have left. */
  readonly #leaving = new Set<Promise<void>>()

  /** In the order of the configuration; another array after each change. */
  get all(): readonly PoolNode[] {
    return this.#all
  }

  /** Calls back with each, and with each later one. */
  each(joined: (node: PoolNode) => void): void {
    this.#joins.push(joined)
    for (const node of this.#all) joined(node)
  }

  /** Calls back with each that leaves, before its connections end. */
  onLeave(left: (node: PoolNode) => void): void {
    this.#leaves.push(left)
  }

  add(node: PoolNode): void {
    this.#all = Object.freeze([...this.#all, node])
    for (const joined of this.#joins) joined(node)
  }

  /** Takes one out. Its connections end when they are given back. */
  remove(node: PoolNode): void {
    if (!this.#all.includes(node)) return
    this.#all = Object.freeze(this.#all.filter((other) => other !== node))
    for (const left of this.#leaves) left(node)
    const ended = node.end().catch(() => undefined)
    this.#leaving.add(ended)
    void ended.finally(() => this.#leaving.delete(ended))
  }

  /** Ends all of them. Rejects with an AggregateError of what could not be closed. */
  async end(): Promise<void> {
    await Promise.all(this.#leaving)
    const nodes = this.#all
    const outcomes = await Promise.allSettled(nodes.map((node) => node.end()))
    const errors = outcomes.flatMap((outcome, index) =>
      outcome.status === 'rejected'
        ? [new Error(`${nodes[index]?.name}: could not be closed`, { cause: outcome.reason })]
        : [],
    )
    if (errors.length > 0) throw new AggregateError(errors, 'some pools could not be closed')
  }
}

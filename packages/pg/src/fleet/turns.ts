/** Gives turns to whoever is there: next is who had one longest ago, whatever the order in which they come. */
export class Turns<One extends object> {
  readonly #hadAt = new WeakMap<One, number>()
  #given = 0

  /** Whose turn it is now; `undefined` where nobody is. Of those that had none, the first. */
  take(all: readonly One[]): One | undefined {
    let next: One | undefined
    for (const one of all) if (next === undefined || this.#of(one) < this.#of(next)) next = one
    if (next === undefined) return undefined
    this.#given += 1
    this.#hadAt.set(next, this.#given)
    return next
  }

  #of(one: One): number {
    return this.#hadAt.get(one) ?? 0
  }
}

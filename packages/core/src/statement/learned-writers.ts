import type { Statement } from './statement.ts'

/** Options of {@link LearnedWriters}. */
export interface LearnedWritersOptions {
  /** How many functions, and how many texts, are remembered at most: 1,000 of each unless it says otherwise. */
  readonly capacity?: number
  /** How many UTF-16 units all remembered texts and names have at most, of each. Default 4,194,304. */
  readonly maxLength?: number
  /** How long after a refusal, in ms, a standby is tried again. Default 10 minutes. */
  readonly forgetAfterMillis?: number
  /** A monotonic clock in ms; core reads none itself. */
  readonly now: () => number
}

/**
 * The functions and texts that standbys have refused (P2), so that next time P1 applies.
 *
 * A function that wrote once need not write each time: what was not refused for a while is tried again. Bounded in entries and
 * in length: the oldest is forgotten, and a text that is longer than all of them may be is never remembered.
 */
export class LearnedWriters {
  readonly #functions: Refusals
  readonly #texts: Refusals
  readonly #now: () => number

  constructor(options: LearnedWritersOptions) {
    this.#functions = new Refusals(options)
    this.#texts = new Refusals(options)
    this.#now = options.now
  }

  /** Whether `statement` with this text was refused before, or calls a function that was. */
  isKnown(text: string, statement: Statement): boolean {
    if (this.#functions.size === 0 && this.#texts.size === 0) return false
    return this.#texts.has(text, this.#now) || statement.functions.some((name) => this.#functions.has(name, this.#now))
  }

  /**
   * Remembers a refusal. `where` is the server's call stack: those of the statement's functions that it names are the
   * writers; when it names none of them (a view, an operator), the text itself is remembered.
   */
  learn(text: string, statement: Statement, where: string | undefined): void {
    const named = where === undefined ? [] : statement.functions.filter((name) => isNamedIn(where, name))
    if (named.length === 0) this.#texts.add(text, this.#now())
    for (const name of named) this.#functions.add(name, this.#now())
  }
}

/** When each entry was refused last, the oldest first. */
class Refusals {
  readonly #times = new Map<string, number>()
  readonly #capacity: number
  readonly #maxLength: number
  readonly #forgetAfterMillis: number
  #length = 0

  constructor({ capacity = 1000, maxLength = 4_194_304, forgetAfterMillis = 600_000 }: LearnedWritersOptions) {
    this.#capacity = capacity
    this.#maxLength = maxLength
    this.#forgetAfterMillis = forgetAfterMillis
  }

  get size(): number {
    return this.#times.size
  }

  has(entry: string, now: () => number): boolean {
    const time = this.#times.get(entry)
    if (time === undefined) return false
    if (now() - time <= this.#forgetAfterMillis) return true
    this.#forget(entry)
    return false
  }

  add(entry: string, now: number): void {
    if (entry.length > this.#maxLength) return
    this.#forget(entry)
    this.#times.set(entry, now)
    this.#length += entry.length
    for (const oldest of this.#times.keys()) {
      if (this.#times.size <= this.#capacity && this.#length <= this.#maxLength) break
      this.#forget(oldest)
    }
  }

  #forget(entry: string): void {
    if (this.#times.delete(entry)) this.#length -= entry.length
  }
}

/** Looks for the name itself, not the words around it: those are translated (lc_messages). */
function isNamedIn(where: string, qualifiedName: string): boolean {
  const name = qualifiedName.slice(qualifiedName.lastIndexOf('.') + 1)
  for (let at = where.indexOf(name); at !== -1; at = where.indexOf(name, at + 1)) {
    const before = where[at - 1] ?? ' '
    const after = where[at + name.length] ?? ' '
    if (!/[\w$]/.test(before) && !/[\w$]/.test(after)) return true
  }
  return false
}

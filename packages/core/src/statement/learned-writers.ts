import type { Statement } from './statement.ts'

/**
 * The functions and texts that standbys have refused (P2), so that next time P1 applies.
 *
 * Bounded: at `capacity` (default 1,000 of each) the oldest is forgotten.
 */
export class LearnedWriters {
  readonly #functions = new Set<string>()
  readonly #texts = new Set<string>()
  readonly #capacity: number

  constructor(capacity = 1000) {
    this.#capacity = capacity
  }

  /** Whether `statement` with this text was refused before, or calls a function that was. */
  isKnown(text: string, statement: Statement): boolean {
    if (this.#functions.size === 0 && this.#texts.size === 0) return false
    return this.#texts.has(text) || statement.functions.some((name) => this.#functions.has(name))
  }

  /**
   * Remembers a refusal. `where` is the server's call stack: those of the statement's functions that it names are the
   * writers; when it names none of them (a view, an operator), the text itself is remembered.
   */
  learn(text: string, statement: Statement, where: string | undefined): void {
    const named = where === undefined ? [] : statement.functions.filter((name) => isNamedIn(where, name))
    if (named.length === 0) remember(this.#texts, text, this.#capacity)
    for (const name of named) remember(this.#functions, name, this.#capacity)
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

function remember(set: Set<string>, entry: string, capacity: number): void {
  if (set.size >= capacity) {
    const [oldest] = set
    if (oldest !== undefined) set.delete(oldest)
  }
  set.add(entry)
}

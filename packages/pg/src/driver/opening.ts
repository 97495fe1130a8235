import { runMessages } from './prepare/messages.ts'

/** Letters, digits, spaces and commas: such a text is what it looks like, also in front of another one. */
const IS_PLAIN = /^[\s\w,]+;?\s*$/
/** So many different beginnings are kept as messages. */
const MOST_KEPT = 100

const kept = new Map<string, Buffer>()

/**
 * What begins a transaction, on its way in the same write as the transaction's first statement (S2).
 *
 * Nothing of it can commit by itself: where one of its texts fails, the server runs nothing of what follows.
 */
export class Opening {
  readonly #texts: readonly string[]
  readonly #begun: () => void
  #answered = 0
  /** Whether it was sent; otherwise the server knows nothing of it. */
  wasSent = false
  /** Whether it is one text with the statement: then an error without an answer says that nothing of the text has run. */
  isOneText = false

  /** `begun` is called once, when the server has answered all texts. Give only what `canOpen()` takes. */
  constructor(texts: readonly string[], begun: () => void) {
    this.#texts = texts
    this.#begun = begun
  }

  /** Whether the transaction is open. */
  get hasBegun(): boolean {
    return this.#answered === this.#texts.length
  }

  /** Whether the answer that is complete now is to one of its texts; call it for each until it says no. */
  takesAnswer(): boolean {
    if (this.hasBegun) return false
    this.#answered += 1
    if (this.hasBegun) this.#begun()
    return true
  }

  /** Call when nobody knows whether the transaction is open: it counts as such. */
  assumeBegun(): void {
    if (this.hasBegun) return
    this.#answered = this.#texts.length
    this.#begun()
  }

  /** What goes before a text of the simple protocol. */
  get prefix(): string {
    return `${this.#texts.join('\n;')}\n;`
  }

  /** What goes before the messages of the extended protocol, without a Sync. */
  get messages(): Buffer {
    const key = this.#texts.join('\n')
    const known = kept.get(key)
    if (known !== undefined) return known
    const messages = Buffer.concat(this.#texts.map(runMessages))
    if (kept.size >= MOST_KEPT) kept.clear()
    kept.set(key, messages)
    return messages
  }
}

/** Whether these texts can go in one write with a statement behind them. */
export function canOpen(texts: readonly string[]): boolean {
  return texts.every((text) => IS_PLAIN.test(text))
}

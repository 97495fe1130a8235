import type { TransactionControl, TransactionModes } from '@headwater/core/internal'
import pg from 'pg'

/** The command tag of the server's answer to each. */
const COMMANDS: Readonly<Record<TransactionControl['kind'], string>> = {
  begin: 'BEGIN',
  'set-transaction': 'SET',
  commit: 'COMMIT',
  rollback: 'ROLLBACK',
  savepoint: 'SAVEPOINT',
  'release-savepoint': 'RELEASE',
  'rollback-to-savepoint': 'ROLLBACK',
  'two-phase': 'PREPARE TRANSACTION',
}

/** Whether a text that begins a transaction says START TRANSACTION: the server's tag says which. */
const STARTS = /^(?:\s|--[^\n]*\n|\/\*(?:(?!\*\/)[\s\S])*\*\/)*start\b/i

/** How much of a text is looked at, in characters: megabytes of comments would overflow the expression's stack. */
const BEGINNING = 1_000

/** A transaction that the app has begun, and no server yet: its first statement shows where it belongs (R3). */
export class HeldTransaction {
  readonly #begin: string
  #texts: string[]
  #modes: TransactionModes
  #command: string
  #isOver = false
  /** The error with which it could not begin: until its ROLLBACK the rest is refused, as in an aborted transaction. */
  failure: unknown

  constructor(text: string, modes: TransactionModes) {
    this.#begin = text
    this.#texts = [text]
    this.#modes = modes
    this.#command = commandOfBegin(text)
  }

  /** What must be sent before the first statement, in order. */
  get texts(): readonly string[] {
    return this.#texts
  }

  get modes(): TransactionModes {
    return this.#modes
  }

  /** The command tag of the last statement taken. */
  get command(): string {
    return this.#command
  }

  /** Whether it ended before its first statement: there is nothing to send. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** Takes another control statement. Returns `false` when it must be sent to a server now. */
  add(text: string, control: TransactionControl): boolean {
    this.#command = COMMANDS[control.kind]
    switch (control.kind) {
      case 'begin':
        // The server warns about a second BEGIN and goes on; it is sent so that the warning appears.
        this.#command = commandOfBegin(text)
        this.#texts.push(text)
        return true
      case 'set-transaction':
        this.#texts.push(text)
        this.#modes = {
          isolation: control.modes.isolation ?? this.#modes.isolation,
          isReadOnly: control.modes.isReadOnly ?? this.#modes.isReadOnly,
          isDeferrable: control.modes.isDeferrable ?? this.#modes.isDeferrable,
        }
        return true
      case 'commit':
      case 'rollback':
        this.failure = undefined
        this.#isOver = !control.isChained
        if (control.isChained)
          this.#texts = [this.#begin, ...this.#texts.slice(1).filter((held) => /^\s*set\b/i.test(held))]
        return true
      case 'savepoint':
      case 'release-savepoint':
      case 'rollback-to-savepoint':
        this.#texts.push(text)
        return true
      case 'two-phase':
        return false
    }
  }

  /** The answer that the server would have given. */
  static answerTo(command: string): pg.Result {
    const result = new pg.Result('', pg.types)
    result.command = command
    result.rowCount = null
    return result
  }
}

function commandOfBegin(text: string): string {
  return STARTS.test(text.slice(0, BEGINNING)) ? 'START' : COMMANDS.begin
}

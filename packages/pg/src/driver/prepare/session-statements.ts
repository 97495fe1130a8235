import type { KnownColumns } from './known-columns.ts'
import type { ServerStatements } from './server-statements.ts'
import { closeMessage, type TextRecord } from './text-record.ts'

/** What a result's columns are called and made of, as the server describes them; `null` for a statement without a result. */
export type Columns = KnownColumns | null

/** How often a statement runs before it is prepared anew, by whether the server may keep a plan for it. */
const RUNS: Readonly<Record<TextRecord['plan'] | 'constant', number>> = {
  // The server plans the first five runs for their values, and then weighs a plan that knows none of them. Source: plancache.c.
  custom: 5,
  generic: 10_000,
  // Without values there is one plan. Tables grow, and it is the server that hears of that.
  constant: 1_000,
}

/** A statement that one connection has prepared, or will. */
export class PreparedStatement {
  readonly record: TextRecord
  readonly name: Buffer
  isPrepared = false
  generation = 0
  runs = 0
  /** The count of the connection's statements when it ran last. */
  usedAt = 0
  textColumns: Columns | undefined
  binaryColumns: Columns | undefined
  /** All that is sent for a run of it, where that is always the same: it takes no values. */
  textRun: Buffer | undefined
  binaryRun: Buffer | undefined

  constructor(record: TextRecord) {
    this.record = record
    this.name = Buffer.from(record.name)
  }
}

/** What one connection has prepared: bounded, and what was not used for long makes room (S1). */
export class SessionStatements {
  readonly server: ServerStatements
  readonly #byName = new Map<string, PreparedStatement>()
  /** The names that made room, to be closed with the next statement. */
  #closing: string[] = []
  #count = 0
  /** Before this count no statement is old enough to make room. */
  #noRoomBefore = 0

  constructor(server: ServerStatements) {
    this.server = server
  }

  /** The statements that its session holds. */
  [Symbol.iterator](): Iterator<PreparedStatement> {
    return this.#byName.values()
  }

  /** The statement of a text, prepared or to be; `undefined` when there is no room for it. */
  take(record: TextRecord): PreparedStatement | undefined {
    this.#count += 1
    let statement = this.#byName.get(record.name)
    if (statement === undefined) {
      if (this.#byName.size >= this.server.options.perConnection && !this.#makeRoom()) return undefined
      statement = new PreparedStatement(record)
      this.#byName.set(record.name, statement)
    }
    statement.usedAt = this.#count
    return statement
  }

  /** Whether a statement runs as it is; otherwise it is prepared first. */
  isReady({ isPrepared, generation, runs, record }: PreparedStatement): boolean {
    if (!isPrepared || generation !== this.server.generation) return false
    if (this.server.options.plans === 'server') return true
    return runs < RUNS[record.parameters === 0 ? 'constant' : record.plan]
  }

  /** Whether the server may keep a plan for it that is worse than one for its values. */
  mayHurt({ record }: PreparedStatement): boolean {
    return this.server.options.plans === 'server' || record.parameters === 0 || record.plan !== 'custom'
  }

  /** Call when the session holds nothing any more (DISCARD, DEALLOCATE), or may not. */
  forgetAll(): void {
    for (const statement of this.#byName.values()) statement.isPrepared = false
  }

  /** The messages that close what made room; `undefined` when nothing did. */
  takeClosing(): Buffer | undefined {
    if (this.#closing.length === 0) return undefined
    const messages = Buffer.concat(this.#closing.map(closeMessage))
    this.#closing = []
    return messages
  }

  /**
   * Gives the place of the statement that was used least recently, if that is long ago. More hot texts than places, in turn, would
   * otherwise prepare each of them every time.
   */
  #makeRoom(): boolean {
    if (this.#count < this.#noRoomBefore) return false
    let oldest: PreparedStatement | undefined
    for (const statement of this.#byName.values()) {
      if (oldest === undefined || statement.usedAt < oldest.usedAt) oldest = statement
    }
    if (oldest === undefined) return false
    const patience = this.server.options.perConnection * 4
    if (this.#count - oldest.usedAt < patience) {
      this.#noRoomBefore = oldest.usedAt + patience
      return false
    }
    this.#byName.delete(oldest.record.name)
    this.#closing.push(oldest.record.name)
    return true
  }
}

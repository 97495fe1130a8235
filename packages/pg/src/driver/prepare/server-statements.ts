import { HotTexts } from './hot-texts.ts'
import type { SlowerPrepared } from './plan-guard.ts'
import type { TextRecord } from './text-record.ts'
import { UsualAnswer } from './usual-answer.ts'

/** After this many uses a text counts as one that comes back. */
const HOT_AFTER = 5
/** How long what the server said of a text's plan holds, in ms. */
const PLAN_HOLDS_MILLIS = 600_000
/** How many texts may wait for the next question to the server. */
const MOST_WANTED = 200
const MOST_SLOWER = 20

export interface ServerStatementsOptions {
  /** How many statements one connection keeps. */
  readonly perConnection: number
  /** Who chooses between the plans that a server may keep: see `PrepareOptions.plans`. */
  readonly plans: 'safe' | 'server'
  /** How many connections small hot reads share (S4); 0 for none. */
  readonly lanes: number
  /** Called when there is something to ask the server: whether it keeps statements, or how it would plan a text. */
  readonly onWanted: () => void
  /** Called when a text runs plain from now on, because it was slower prepared. */
  readonly onSlower: () => void
}

/** A text that is not prepared any more, because it was slower so. */
export interface SlowerText extends SlowerPrepared {
  /** What its statement was called: `hw_` and a hash of the text. */
  readonly name: string
}

/** Which texts are prepared on one server's connections (S1), and which of their plans it may keep (S4). */
export class ServerStatements {
  readonly options: ServerStatementsOptions
  readonly answers: UsualAnswer = new UsualAnswer()
  readonly #texts = new HotTexts()
  readonly #wanted = new Set<TextRecord>()
  #slower: readonly SlowerText[] = []
  /** Rises when all that is prepared may be outdated. */
  generation = 0
  /** Whether its sessions are this pool's own, and so keep what is prepared on them; `undefined` before that was asked. */
  keepsStatements: boolean | undefined

  constructor(options: ServerStatementsOptions) {
    this.options = options
  }

  /** Whether nothing is prepared: then nothing is noted of a text either. */
  get isOff(): boolean {
    return this.keepsStatements === false
  }

  /** Whether there is something to ask the server. */
  get wantsAnswer(): boolean {
    return this.#wanted.size > 0
  }

  /** The texts that were slower prepared, by their names; the latest ones. */
  get slower(): readonly SlowerText[] {
    return this.#slower
  }

  /** Call when a check has found a text's prepared runs slower. */
  wasSlower({ name }: TextRecord, found: SlowerPrepared): void {
    this.#slower = [...this.#slower.slice(1 - MOST_SLOWER), Object.freeze({ name, ...found })]
    this.options.onSlower()
  }

  /** How many texts it knows. */
  get size(): number {
    return this.#texts.size
  }

  /** What is known of a text that can be prepared. */
  known(text: string): TextRecord | undefined {
    const record = this.#texts.find(text)
    return record?.isPreparable === true ? record : undefined
  }

  /** Counts a use of a text; `undefined` for one that is never prepared, or that came for the first time. */
  count(text: string): TextRecord | undefined {
    const record = this.#texts.note(text)
    if (record?.isPreparable !== true) return undefined
    record.uses += 1
    if (record.uses === HOT_AFTER) this.#texts.becameHot(record)
    return record
  }

  /** Whether a text is prepared now. */
  isPrepared(record: TextRecord): boolean {
    if (record.uses <= HOT_AFTER || record.isOneOfMany || record.guard.isSlower) return false
    if (this.keepsStatements === false) return false
    if (this.keepsStatements === undefined || this.#isPlanUnknown(record)) this.#want(record)
    return this.keepsStatements === true
  }

  /** Takes the time of a run on a connection of its own, in ms. */
  ranAlone({ pace }: TextRecord, millis: number): void {
    pace.ranAlone(millis, this.answers.millis ?? millis)
    this.answers.measure(millis)
  }

  /** The texts that it is to be asked about; they count as asked. */
  takeWanted(now: number): readonly TextRecord[] {
    const wanted = [...this.#wanted]
    this.#wanted.clear()
    for (const record of wanted) record.planKnownUntil = now + PLAN_HOLDS_MILLIS
    return wanted
  }

  /** Call when the schema has changed: whatever is prepared is prepared anew before it is used again. */
  forgetAll(): void {
    this.generation += 1
    for (const record of this.#texts) {
      record.plan = 'custom'
      record.planKnownUntil = Number.NEGATIVE_INFINITY
    }
  }

  /** Call when its address may lead to something else, with what is known of that: whether it may keep statements. */
  doubt(mayKeep: boolean): void {
    this.keepsStatements = mayKeep ? undefined : false
  }

  #isPlanUnknown(record: TextRecord): boolean {
    if (this.options.plans === 'server' || record.parameters === 0) return false
    // The clock is read now and then.
    if (record.planKnownUntil !== Number.NEGATIVE_INFINITY && record.uses % 64 !== 0) return false
    return record.planKnownUntil < performance.now()
  }

  #want(record: TextRecord): void {
    if (this.#wanted.has(record) || this.#wanted.size >= MOST_WANTED) return
    this.#wanted.add(record)
    if (this.#wanted.size === 1) this.options.onWanted()
  }
}

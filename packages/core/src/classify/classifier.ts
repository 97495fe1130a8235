import { OptionsInvalid } from '../errors/options-invalid.ts'
import type { Statement } from '../statement/statement.ts'
import { classify } from './classify.ts'
import { mixedFrom } from './mixed-from.ts'
import type { Knowledge } from './names/knowledge.ts'

/** Options of {@link createClassifier}. */
export interface ClassifierOptions {
  /** What is known of the database's own functions, operators and relations. Default: nothing. */
  readonly knowledge?: Knowledge
  /** How many texts to remember at most. Default 4,096; 0 turns the cache off. */
  readonly maxEntries?: number
  /** Texts longer than this many UTF-16 units are classified anew each time. Default 8,192. */
  readonly maxLength?: number
}

/** Classifies texts and remembers the verdicts. */
export interface Classifier {
  classify(sql: string): Statement
  /** Replaces what is known and forgets every verdict. */
  learn(knowledge: Knowledge | undefined): void
  /** How many verdicts are remembered now. */
  readonly size: number
}

/**
 * A {@link Classifier} with a bounded cache keyed by text. A hit allocates nothing.
 *
 * In front is a table: a few characters of a text choose its place, and one comparison tells whether it is there. A text that
 * an ORM has just built has no hash yet, and computing one takes several times as long. Behind the table are two generations: when
 * the young one is full it becomes the old one, and a text that is asked for again, or is in the table, moves to the young one. A
 * text is in them from the second time on. So
 * a flood of texts that never come back (values inlined by an ORM) cannot push out what is in use, and no hit pays for order.
 *
 * @throws {OptionsInvalid} when `maxEntries` or `maxLength` is not a whole number of at least 0.
 */
export function createClassifier(options: ClassifierOptions = {}): Classifier {
  return new CachingClassifier(options)
}

/** A power of two. */
const SINGLE_PLACES = 4_096

class CachingClassifier implements Classifier {
  readonly #generationSize: number
  readonly #maxLength: number
  #knowledge: Knowledge | undefined
  #young: Map<string, Statement> = new Map()
  #old: Map<string, Statement> = new Map()
  /** The texts in front, and at the same places their verdicts. */
  readonly #texts: (string | undefined)[]
  readonly #verdicts: (Statement | undefined)[]
  /** The texts that came once, each as a number that a few of them may share. */
  readonly #singles = new Int32Array(SINGLE_PLACES)
  /** One less than how many places there are, a power of two; -1 without any. */
  readonly #lastPlace: number

  constructor({ knowledge, maxEntries = 4096, maxLength = 8192 }: ClassifierOptions) {
    this.#generationSize = Math.ceil(wholeNumber('maxEntries', maxEntries) / 2)
    this.#maxLength = wholeNumber('maxLength', maxLength)
    this.#knowledge = knowledge
    const places = this.#generationSize < 2 ? 0 : 2 ** Math.floor(Math.log2(this.#generationSize / 2))
    this.#texts = Array<undefined>(places).fill(undefined)
    this.#verdicts = Array<undefined>(places).fill(undefined)
    this.#lastPlace = places - 1
  }

  get size(): number {
    return this.#young.size + this.#old.size
  }

  classify(sql: string): Statement {
    if (sql.length > this.#maxLength) return classify(sql, this.#knowledge)
    const mixed = mixedFrom(sql)
    const place = mixed & this.#lastPlace
    if (this.#texts[place] === sql) {
      const verdict = this.#verdicts[place]
      if (verdict !== undefined) return verdict
    }
    const known = this.#young.get(sql) ?? this.#remember(sql, mixed)
    if (this.#lastPlace >= 0) {
      this.#texts[place] = sql
      this.#verdicts[place] = known
    }
    return known
  }

  learn(knowledge: Knowledge | undefined): void {
    this.#knowledge = knowledge
    this.#young = new Map()
    this.#old = new Map()
    this.#texts.fill(undefined)
    this.#verdicts.fill(undefined)
  }

  #remember(sql: string, mixed: number): Statement {
    let statement = this.#old.get(sql)
    if (statement === undefined) {
      statement = classify(sql, this.#knowledge)
      if (this.#generationSize === 0 || this.#isFirst(mixed)) return statement
    } else this.#old.delete(sql)
    if (this.#young.size >= this.#generationSize) {
      this.#old = this.#young
      this.#young = this.#front()
    }
    this.#young.set(sql, statement)
    return statement
  }

  /** Many texts never come back: one that comes for the first time has its place in front, and no other. */
  #isFirst(mixed: number): boolean {
    const place = mixed & (SINGLE_PLACES - 1)
    if (this.#lastPlace < 0 || this.#singles[place] === mixed) return false
    this.#singles[place] = mixed
    return true
  }

  #front(): Map<string, Statement> {
    const front = new Map<string, Statement>()
    for (const [place, text] of this.#texts.entries()) {
      const verdict = this.#verdicts[place]
      if (text === undefined || verdict === undefined) continue
      front.set(text, verdict)
      // It is counted once.
      this.#old.delete(text)
    }
    return front
  }
}

function wholeNumber(option: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 0) return value
  throw new OptionsInvalid(option, `${String(value)} is not valid; expected a whole number of at least 0`)
}

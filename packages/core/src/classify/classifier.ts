import type { Statement } from '../statement.ts'
import { classify } from './classify.ts'
import type { Knowledge } from './knowledge.ts'

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
 * A {@link Classifier} with a bounded cache keyed by text.
 *
 * Two generations: a hit in the young one is one lookup and allocates nothing; when the young one is full it becomes
 * the old one, and what is asked for again moves back. So a flood of texts that are never seen again (values inlined by
 * an ORM) cannot push out what is in use, and no hit pays for keeping order.
 *
 * @throws RangeError when `maxEntries` or `maxLength` is not a whole number of at least 0.
 */
export function createClassifier(options: ClassifierOptions = {}): Classifier {
  return new CachingClassifier(options)
}

class CachingClassifier implements Classifier {
  readonly #generationSize: number
  readonly #maxLength: number
  #knowledge: Knowledge | undefined
  #young: Map<string, Statement> = new Map()
  #old: Map<string, Statement> = new Map()

  constructor({ knowledge, maxEntries = 4096, maxLength = 8192 }: ClassifierOptions) {
    this.#generationSize = Math.ceil(wholeNumber('maxEntries', maxEntries) / 2)
    this.#maxLength = wholeNumber('maxLength', maxLength)
    this.#knowledge = knowledge
  }

  get size(): number {
    return this.#young.size + this.#old.size
  }

  classify(sql: string): Statement {
    if (sql.length > this.#maxLength) return classify(sql, this.#knowledge)
    const known = this.#young.get(sql)
    if (known !== undefined) return known
    return this.#remember(sql)
  }

  learn(knowledge: Knowledge | undefined): void {
    this.#knowledge = knowledge
    this.#young = new Map()
    this.#old = new Map()
  }

  #remember(sql: string): Statement {
    let statement = this.#old.get(sql)
    if (statement === undefined) statement = classify(sql, this.#knowledge)
    else this.#old.delete(sql)
    if (this.#generationSize === 0) return statement
    if (this.#young.size >= this.#generationSize) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(sql, statement)
    return statement
  }
}

function wholeNumber(option: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 0) return value
  throw new RangeError(`[classifier] ${option} is ${String(value)}; expected a whole number of at least 0`)
}

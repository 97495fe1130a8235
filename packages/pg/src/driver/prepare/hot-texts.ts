import { mixedFrom } from '@headwater/core/internal'
import { TextRecord } from './text-record.ts'

/** Longer texts are sent as they are, in UTF-16 units: a server keeps tens of bytes for each. */
const MOST_LENGTH = 8_192
/** How many texts are remembered, in each of two generations. */
const GENERATION = 1_000
/** How many texts may be hot that differ in their constants alone. */
const MOST_OF_SHAPE = 10
/** How many shapes are counted. */
const MOST_SHAPES = 1_000
const PLACES = 1_024
/** How many texts that came once are remembered, by a number that a few of them may share. */
const SINGLE_PLACES = 4_096

/**
 * The texts that came lately more than once, and how often.
 *
 * Built like core's classifier: a front table that needs no hash of the text, and two generations behind it. So a flood of texts that
 * never come back pushes out nothing that is in use.
 */
export class HotTexts {
  readonly #front: (TextRecord | undefined)[] = Array<undefined>(PLACES).fill(undefined)
  readonly #singles = new Int32Array(SINGLE_PLACES)
  #young = new Map<string, TextRecord>()
  #old = new Map<string, TextRecord>()
  readonly #shapes = new Map<string, number>()

  get size(): number {
    return this.#young.size + this.#old.size
  }

  /** `undefined` for a text that did not come twice. */
  find(text: string): TextRecord | undefined {
    const first = this.#front[mixedFrom(text) & (PLACES - 1)]
    if (first !== undefined && first.text === text) return first
    return this.#young.get(text) ?? this.#old.get(text)
  }

  /** Notes that a text comes. `undefined` for one that came for the first time, or is too long to be prepared. */
  note(text: string): TextRecord | undefined {
    if (text.length > MOST_LENGTH) return undefined
    const mixed = mixedFrom(text)
    const place = mixed & (PLACES - 1)
    const first = this.#front[place]
    if (first !== undefined && first.text === text) return first
    const record = this.#young.get(text) ?? this.#remember(text, mixed)
    if (record !== undefined) this.#front[place] = record
    return record
  }

  /** Call once for a text that became hot. Texts with values written into them are many, and each comes back now and then. */
  becameHot(record: TextRecord): void {
    const shape = shapeOf(record.text)
    if (shape === record.text) return
    if (this.#shapes.size >= MOST_SHAPES && !this.#shapes.has(shape)) this.#shapes.clear()
    const count = (this.#shapes.get(shape) ?? 0) + 1
    this.#shapes.set(shape, count)
    record.isOneOfMany = count > MOST_OF_SHAPE
  }

  /** All that are remembered. */
  *[Symbol.iterator](): Iterator<TextRecord> {
    yield* this.#young.values()
    yield* this.#old.values()
  }

  #remember(text: string, mixed: number): TextRecord | undefined {
    const record = this.#old.get(text) ?? this.#cameBefore(text, mixed)
    if (record === undefined) return undefined
    this.#old.delete(text)
    if (this.#young.size >= GENERATION) {
      this.#old = this.#young
      this.#young = new Map()
      for (const kept of this.#front) {
        if (kept === undefined || kept.uses < 2) continue
        this.#old.delete(kept.text)
        this.#young.set(kept.text, kept)
      }
    }
    this.#young.set(text, record)
    return record
  }

  /** What is known of a text costs more than its way to the server, and many texts never come back. */
  #cameBefore(text: string, mixed: number): TextRecord | undefined {
    const place = mixed & (SINGLE_PLACES - 1)
    if (this.#singles[place] !== mixed) {
      this.#singles[place] = mixed
      return undefined
    }
    const record = new TextRecord(text)
    record.uses = 1
    return record
  }
}

/** The text without its constants, roughly. */
function shapeOf(text: string): string {
  return text.replace(/'(?:[^']|'')*'|(?<![\w$.])\d+(?:\.\d+)?(?!\w)/g, '?')
}

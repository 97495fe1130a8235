import { BEYOND_ASCII } from '../sql/bytes.ts'

const SIZE = 1 << 15
/** What a name of 63 bytes has of code units at least: so much of it is never cut off. */
const LONGEST = 21
/** Lower case and upper case, and some others, are one: a name may be quoted or not. */
const FOLD = 32

/**
 * Which names may be among those added, told without reading them out of the text: by their length and a few of their
 * letters. It may say yes to another name, never no to one that was added.
 */
export class NameFilter {
  readonly #bits: Uint8Array = new Uint8Array(SIZE >> 3)

  /** Adds a name as Postgres folds it. */
  add(name: string): void {
    const length = Math.min(name.length, LONGEST)
    const at = (index: number): number => Math.min(name.charCodeAt(index), BEYOND_ASCII)
    const slot = toSlot(length, at(0), at(length >> 1), at(length - 1))
    this.#bits[slot >> 3] = (this.#bits[slot >> 3] as number) | (1 << (slot & 7))
  }

  /** Whether the name at `[start, end)` of a text's code units, its quotes taken off, may be one that was added. */
  mayHave(bytes: Uint8Array, start: number, end: number): boolean {
    const length = Math.min(end - start, LONGEST)
    const middle = bytes[start + (length >> 1)] as number
    const slot = toSlot(length, bytes[start] as number, middle, bytes[start + length - 1] as number)
    return ((this.#bits[slot >> 3] as number) & (1 << (slot & 7))) !== 0
  }
}

function toSlot(length: number, first: number, middle: number, last: number): number {
  const mixed = Math.imul(
    (((first | FOLD) << 21) ^ ((middle | FOLD) << 13) ^ ((last | FOLD) << 5) ^ length) | 0,
    0x9e3779b1,
  )
  return mixed >>> 17
}

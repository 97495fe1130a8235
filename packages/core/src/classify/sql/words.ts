import { INFORMATION_SCHEMA_FUNCTIONS, OPERATORS } from './catalog.generated.ts'
import { FOLDED } from './characters.ts'
import { WORD_HASHES } from './word-hashes.generated.ts'
import { hashOf, WORD_LISTS } from './word-list.ts'

/**
 * Every word that means something to us (keywords, functions of pg_catalog, node-local views), in one open-addressed
 * table that is searched by a hash which the lexer makes while it walks over a word: no substring, no allocation.
 */

/** All words, each with a blank behind it. */
const text: string = WORD_LISTS.map(([words]) => `${words} `).join('')
const letters: Uint8Array = new Uint8Array(Buffer.from(text, 'latin1'))
const BLANK = 32

// The optimizing compiler folds a module's own constants, not those that it imports.
const folding: Uint8Array = FOLDED
const TABLE_SIZE = 16_384
const slots: Int16Array = new Int16Array(TABLE_SIZE)
/** A quarter of the slots: a search ends soon. */
const MOST_WORDS = TABLE_SIZE / 4
const hashes: Int32Array = new Int32Array(MOST_WORDS)
const informations: Int32Array = new Int32Array(MOST_WORDS)
/** Where the word of an entry begins. */
const offsets: Int32Array = new Int32Array(MOST_WORDS)
/** Made when they are asked for: thousands that nobody needs would be made with each start. */
const names: string[] = ['']

function toSlot(hash: number): number {
  // The low bits of a base-31 hash are weak: fold the high ones in.
  return (hash ^ (hash >>> 15)) & (TABLE_SIZE - 1)
}

/** Fills the table. The hashes are computed beforehand: this is work of each process that starts. */
function fill(): void {
  const known = Buffer.from(WORD_HASHES, 'base64')
  let count = 1
  let start = 0
  let read = 0
  for (const [words, bits] of WORD_LISTS) {
    const listEnd = start + words.length
    while (start <= listEnd) {
      const end = text.indexOf(' ', start)
      const hash = known.readInt32LE(read)
      read += 4
      const slot = slotOf(letters, start, end, hash)
      const entry = slots[slot] || count
      if (entry === count) {
        slots[slot] = entry
        hashes[entry] = hash
        offsets[entry] = start
        count += 1
      }
      informations[entry] = (informations[entry] as number) | bits
      start = end + 1
    }
  }
}

/** Where the word at `[start, end)` is, or would be. */
function slotOf(bytes: Uint8Array, start: number, end: number, hash: number): number {
  let slot = toSlot(hash)
  for (;;) {
    const entry = slots[slot] as number
    if (entry === 0 || (hashes[entry] === hash && isSame(bytes, start, end, entry))) return slot
    slot = (slot + 1) & (TABLE_SIZE - 1)
  }
}

fill()

const informationSchema: ReadonlySet<string> = new Set(INFORMATION_SCHEMA_FUNCTIONS.split(' '))
/** Whether information_schema itself has a function of this name; all of them only read. */
export const isInformationSchemaFunction = (name: string): boolean => informationSchema.has(name)

/** The word at `[start, end)`, 0 when it means nothing to us; `hash` is over its bytes, folded to lower case. */
export const findWord = (bytes: Uint8Array, start: number, end: number, hash: number): number =>
  slots[slotOf(bytes, start, end, hash)] as number

function isSame(bytes: Uint8Array, start: number, end: number, entry: number): boolean {
  let offset = offsets[entry] as number
  for (let position = start; position < end; position++) {
    if (folding[bytes[position] as number] !== letters[offset++]) return false
  }
  return letters[offset] === BLANK
}

/** The word for a name that is known as a whole and folded already, 0 when it means nothing to us. */
export function findName(name: string): number {
  const hash = hashOf(name)
  let slot = toSlot(hash)
  for (;;) {
    const entry = slots[slot] as number
    if (entry === 0) return 0
    if (hashes[entry] === hash && getName(entry) === name) return entry
    slot = (slot + 1) & (TABLE_SIZE - 1)
  }
}

export const getInformation = (word: number): number => informations[word] as number

export function getName(word: number): string {
  const known = names[word]
  if (known !== undefined) return known
  const start = offsets[word] as number
  const name = text.slice(start, text.indexOf(' ', start))
  names[word] = name
  return name
}

const operators: ReadonlySet<number> = new Set([...OPERATORS.split(' '), '!='].map(packOperator))

/** An operator of up to four characters as one integer; -1 for a longer one, which is never Postgres's own. */
function packOperator(operator: string): number {
  if (operator.length > 4) return -1
  let packed = 0
  for (let index = 0; index < operator.length; index++) packed = (packed << 7) | operator.charCodeAt(index)
  return packed
}

/** Those of one character. */
const operatorSigns: Uint8Array = new Uint8Array(256)
for (const packed of operators) if (packed > 0 && packed < 128) operatorSigns[packed] = 1

/** Whether the bytes at `[start, end)` are an operator that pg_catalog has. */
export function isCatalogOperator(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start === 1) return operatorSigns[bytes[start] as number] === 1
  if (end - start > 4) return false
  let packed = 0
  for (let index = start; index < end; index++) packed = (packed << 7) | (bytes[index] as number)
  return operators.has(packed)
}

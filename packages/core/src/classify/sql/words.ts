import * as catalog from './catalog.generated.ts'
import { FOLDED } from './characters.ts'
import { CATEGORY_COLUMN, CATEGORY_FUNCTION, CATEGORY_RESERVED, CATEGORY_UNRESERVED, K } from './keywords.ts'

/**
 * Every word that means something to us (keywords, functions of pg_catalog, node-local views), in one open-addressed
 * table that is searched by a hash which the lexer makes while it walks over a word: no substring, no allocation.
 */

/** What a function of pg_catalog needs; the index is the function class in a word's information. */
export const FUNCTION_KINDS: readonly string[] = [
  '',
  'reads-only',
  ...Object.keys(catalog.FUNCTIONS).filter((kind) => kind !== 'reads-only'),
]
export const FUNCTION_READS = 1
export const FUNCTION_SET_CONFIG: number = FUNCTION_KINDS.indexOf('set-config')
export const FUNCTION_CURRENT_SETTING: number = FUNCTION_KINDS.indexOf('current-setting')

export const RELATION_NODE_LOCAL = 1
export const RELATION_SEQUENCE = 2
export const COLUMN_OF_SEQUENCE = 3

const CATEGORY_BITS = 7
const KEYWORD_SHIFT = 3
const FUNCTION_SHIFT = 11
const RELATION_SHIFT = 16

export const getCategory = (information: number): number => information & CATEGORY_BITS
export const getKeyword = (information: number): number => (information >> KEYWORD_SHIFT) & 255
export const getFunctionKind = (information: number): number => (information >> FUNCTION_SHIFT) & 31
export const getRelationKind = (information: number): number => (information >> RELATION_SHIFT) & 3

/** One step of the hash over a word, fed with code units folded to lower case. */
export const hashStep = (hash: number, code: number): number => (Math.imul(hash, 31) + code) | 0

// The optimizing compiler folds a module's own constants, not those that it imports.
const folding: Uint8Array = FOLDED
const TABLE_SIZE = 16_384
const slots: Int16Array = new Int16Array(TABLE_SIZE)
const names: string[] = ['']
const entries: Map<string, number> = new Map()
const hashes: Int32Array = new Int32Array(TABLE_SIZE)
const informations: Int32Array = new Int32Array(TABLE_SIZE)

function toSlot(hash: number): number {
  // The low bits of a base-31 hash are weak: fold the high ones in.
  return (hash ^ (hash >>> 15)) & (TABLE_SIZE - 1)
}

function hashWord(name: string): number {
  let hash = 0
  for (let index = 0; index < name.length; index++) hash = hashStep(hash, name.charCodeAt(index))
  return hash
}

function add(name: string, bits: number): void {
  const known = entries.get(name)
  if (known !== undefined) {
    informations[known] = (informations[known] as number) | bits
    return
  }
  const hash = hashWord(name)
  const entry = names.length
  let slot = toSlot(hash)
  while (slots[slot] !== 0) slot = (slot + 1) & (TABLE_SIZE - 1)
  slots[slot] = entry
  entries.set(name, entry)
  names.push(name)
  hashes[entry] = hash
  informations[entry] = bits
}

function addAll(words: string, bits: number): void {
  for (const word of words.split(' ')) add(word, bits)
}

addAll(catalog.RESERVED, CATEGORY_RESERVED)
addAll(catalog.UNRESERVED, CATEGORY_UNRESERVED)
addAll(catalog.COLUMN_NAME_KEYWORDS, CATEGORY_COLUMN)
addAll(catalog.FUNCTION_NAME_KEYWORDS, CATEGORY_FUNCTION)
for (const [keyword, id] of Object.entries(K)) add(keyword.toLowerCase(), id << KEYWORD_SHIFT)
for (const [kind, functions] of Object.entries(catalog.FUNCTIONS)) {
  addAll(functions, FUNCTION_KINDS.indexOf(kind) << FUNCTION_SHIFT)
}
addAll(catalog.NODE_LOCAL_VIEWS, RELATION_NODE_LOCAL << RELATION_SHIFT)
add('pg_sequences', RELATION_SEQUENCE << RELATION_SHIFT)
// `SELECT last_value FROM s`: of a sequence nothing else tells it from a table.
add('last_value', COLUMN_OF_SEQUENCE << RELATION_SHIFT)

const informationSchema: ReadonlySet<string> = new Set(catalog.INFORMATION_SCHEMA_FUNCTIONS.split(' '))
/** Whether information_schema itself has a function of this name; all of them only read. */
export const isInformationSchemaFunction = (name: string): boolean => informationSchema.has(name)

/** All names in one row, to be compared with the bytes of a text; the name of an entry begins at its offset. */
const letters: Uint8Array = new Uint8Array(Buffer.from(names.join(''), 'latin1'))
const offsets: Int32Array = new Int32Array(names.length + 1)
for (const [entry, name] of names.entries()) offsets[entry + 1] = (offsets[entry] as number) + name.length

/** The word at `[start, end)`, 0 when it means nothing to us; `hash` is over its bytes, folded to lower case. */
export function findWord(bytes: Uint8Array, start: number, end: number, hash: number): number {
  let slot = toSlot(hash)
  for (;;) {
    const entry = slots[slot] as number
    if (entry === 0) return 0
    if (hashes[entry] === hash && isSame(bytes, start, end, entry)) return entry
    slot = (slot + 1) & (TABLE_SIZE - 1)
  }
}

function isSame(bytes: Uint8Array, start: number, end: number, entry: number): boolean {
  let offset = offsets[entry] as number
  if ((offsets[entry + 1] as number) - offset !== end - start) return false
  for (let position = start; position < end; position++) {
    if (folding[bytes[position] as number] !== letters[offset++]) return false
  }
  return true
}

/** The word for a name that is known as a whole and folded already, 0 when it means nothing to us. */
export const findName = (name: string): number => entries.get(name) ?? 0

export const getInformation = (word: number): number => informations[word] as number
export const getName = (word: number): string => names[word] as string

const operators: ReadonlySet<number> = new Set([...catalog.OPERATORS.split(' '), '!='].map(packOperator))

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

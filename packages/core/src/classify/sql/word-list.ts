import * as catalog from './catalog.generated.ts'
import { CATEGORY_COLUMN, CATEGORY_FUNCTION, CATEGORY_RESERVED, CATEGORY_UNRESERVED, K } from './keywords.ts'

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

export function hashOf(name: string): number {
  let hash = 0
  for (let index = 0; index < name.length; index++) hash = hashStep(hash, name.charCodeAt(index))
  return hash
}

/** All words that mean something to us, a blank between them, with what they mean. A word may be in several lists. */
export const WORD_LISTS: readonly (readonly [words: string, bits: number])[] = [
  [catalog.RESERVED, CATEGORY_RESERVED],
  [catalog.UNRESERVED, CATEGORY_UNRESERVED],
  [catalog.COLUMN_NAME_KEYWORDS, CATEGORY_COLUMN],
  [catalog.FUNCTION_NAME_KEYWORDS, CATEGORY_FUNCTION],
  ...Object.entries(K).map(([keyword, id]) => [keyword.toLowerCase(), id << KEYWORD_SHIFT] as const),
  ...Object.entries(catalog.FUNCTIONS).map(
    ([kind, functions]) => [functions, FUNCTION_KINDS.indexOf(kind) << FUNCTION_SHIFT] as const,
  ),
  [catalog.NODE_LOCAL_VIEWS, RELATION_NODE_LOCAL << RELATION_SHIFT],
  ['pg_sequences', RELATION_SEQUENCE << RELATION_SHIFT],
  // `SELECT last_value FROM s`: of a sequence nothing else tells it from a table.
  ['last_value', COLUMN_OF_SEQUENCE << RELATION_SHIFT],
]

import type { NameFilter } from '../names/name-filter.ts'
import { T } from '../sql/tokens.ts'
import { getRelationKind } from '../sql/word-list.ts'
import { getInformation } from '../sql/words.ts'
import { pass } from './parentheses.ts'
import { F, P, type Scan } from './scan.ts'

const { DOT, OPEN, QUOTED, STRING, WORD } = T
const { COMMA, NAME } = P
const BLANK = 32
const COMMA_SIGN = 44
const OPEN_SIGN = 40
const DOUBLE_QUOTE = 34
const DOT_CODE = 46
const LOWER_A = 97
const LOWER_S = 115

/**
 * Steps over the name at the current token when all there is to know of it is that it is one: no such name is known of
 * this database, it is not called and it is not one of PostgreSQL's own relations. Most names are so, and need no
 * {@link DottedName}. A list of quoted ones is stepped over as a whole. Returns the kind of the token behind; -1, with that
 * name as the current token, when one must be read.
 */
export function seePlainName(scan: Scan): number {
  const { knowledge } = scan
  if (knowledge !== undefined && knowledge.names === undefined) return -1
  const names = knowledge?.names
  const lexer = scan.lexer
  const { bytes } = lexer
  if (bytes[lexer.end] === OPEN_SIGN) return -1
  let { start, end, kind, word, isEscaped } = lexer
  let isLabelled = false
  // In a list of relations, what is behind a comma is more than a name.
  const mayBeListed = ((scan.flags[scan.depth] as number) & F.RELATIONS) === 0
  while (isPlain(scan, names)) {
    lexer.end = behindQuotedParts(bytes, lexer.end, names)
    // Only once: a chain of them with a call at its end would be read anew from each of its links.
    if (!isLabelled) {
      lexer.end = behindLabel(bytes, lexer.end, names)
      const listed = mayBeListed ? behindComma(bytes, lexer.end) : -1
      const behind = listed < 0 ? -1 : behindPlainPart(bytes, listed + 1, names)
      if (behind >= 0) {
        // What is behind a comma begins anew: nothing is left to know of the names before it.
        pass(scan, COMMA)
        lexer.backTo(listed, behind, QUOTED, 0, false)
        ;({ start, end, kind, word, isEscaped } = lexer)
        continue
      }
    }
    isLabelled = true
    let following = lexer.next()
    if (following === DOT) {
      following = lexer.next()
      if (following === WORD || following === QUOTED) continue
    }
    // `late 'x'` is a type.
    if (following === OPEN || (following === STRING && scan.inventory !== undefined)) break
    pass(scan, NAME)
    return following
  }
  lexer.backTo(start, end, kind, word, isEscaped)
  return -1
}

/**
 * Steps over the keyword at the current token when it is only that: no name, no call, no cast, though the grammar would let
 * it be one. Returns as {@link seePlainName}.
 */
export function seePlainKeyword(scan: Scan): number {
  const { knowledge, lexer } = scan
  if (knowledge !== undefined && knowledge.names === undefined) return -1
  if (!isPlain(scan, knowledge?.names)) return -1
  const { start, end, kind, word, isEscaped } = lexer
  const following = lexer.next()
  if (following !== DOT && following !== OPEN && following !== STRING) return following
  lexer.backTo(start, end, kind, word, isEscaped)
  return -1
}

function isPlain({ lexer }: Scan, names: NameFilter | undefined): boolean {
  const { bytes, word, start, end } = lexer
  if (lexer.kind === QUOTED) return !lexer.isEscaped && isPlainPart(bytes, start + 1, end - 1, names)
  if (names?.mayHave(bytes, start, end) === true) return false
  return word !== 0 ? getRelationKind(getInformation(word)) === 0 : !isOfPostgres(bytes, start)
}

/** Whether what stands in quotes, where no word is looked up, is none of PostgreSQL's own relations, nor `last_value`. */
function isPlainPart(bytes: Uint8Array, start: number, end: number, names: NameFilter | undefined): boolean {
  if (names?.mayHave(bytes, start, end) === true) return false
  return !isOfPostgres(bytes, start) && (bytes[start] !== 108 || end - start !== 'last_value'.length)
}

/** `pg_…`, in any case. */
function isOfPostgres(bytes: Uint8Array, start: number): boolean {
  if (((bytes[start] as number) | 32) !== 112) return false
  return ((bytes[start + 1] as number) | 32) === 103 && bytes[start + 2] === 95
}

/** Where the `"` of the next name is in a list of them, behind the comma at `from`; -1 when there is none. */
function behindComma(bytes: Uint8Array, from: number): number {
  if (bytes[from] !== COMMA_SIGN) return -1
  const next = bytes[from + 1] === BLANK ? from + 2 : from + 1
  return bytes[next] === DOUBLE_QUOTE ? next : -1
}

/** The end of the `."b"."c"` at `from`, as far as they are plain. What generated SQL is full of need not become tokens. */
function behindQuotedParts(bytes: Uint8Array, from: number, names: NameFilter | undefined): number {
  let end = from
  while (bytes[end] === DOT_CODE && bytes[end + 1] === DOUBLE_QUOTE) {
    const behind = behindPlainPart(bytes, end + 2, names)
    if (behind < 0) break
    end = behind
  }
  return end
}

/** The end of the ` as "label"` at `from`, when it is one, and plain. */
function behindLabel(bytes: Uint8Array, from: number, names: NameFilter | undefined): number {
  if (bytes[from] !== BLANK || ((bytes[from + 1] as number) | 32) !== LOWER_A) return from
  if (((bytes[from + 2] as number) | 32) !== LOWER_S || bytes[from + 3] !== BLANK) return from
  if (bytes[from + 4] !== DOUBLE_QUOTE) return from
  const behind = behindPlainPart(bytes, from + 5, names)
  return behind < 0 ? from : behind
}

/** Behind the quote that ends the part at `start`; -1 when there is more to that part than its letters. */
function behindPlainPart(bytes: Uint8Array, start: number, names: NameFilter | undefined): number {
  let end = start
  let code = bytes[end]
  while (code !== DOUBLE_QUOTE && code !== 0) code = bytes[++end]
  if (code === 0 || end === start || bytes[end + 1] === DOUBLE_QUOTE) return -1
  return isPlainPart(bytes, start, end, names) ? end + 1 : -1
}

import { pass } from './parentheses.ts'
import { P, type Scan } from './scan.ts'
import { T } from './tokens.ts'
import { informationOf, relationKindOf } from './words.ts'

const { DOT, OPEN, QUOTED, WORD } = T
const { NAME } = P
const BLANK = 32
const DOUBLE_QUOTE = 34
const DOT_CODE = 46
const LOWER_A = 97
const LOWER_S = 115

/**
 * Steps over the name at the current token when all there is to know of it is that it is one: nothing is known of this
 * database, it is not called and it is not one of PostgreSQL's own relations. Most names are so, and need no
 * {@link DottedName}. Returns the kind of the token behind it; -1, and stays, when the name must be read.
 */
export function seePlainName(scan: Scan): number {
  if (scan.knowledge !== undefined) return -1
  const lexer = scan.lexer
  const { start, end, kind, word, isEscaped } = lexer
  let isLabelled = false
  while (isPlain(scan)) {
    lexer.end = behindQuotedParts(lexer.bytes, lexer.end)
    // Only once: a chain of them with a call at its end would be read anew from each of its links.
    if (!isLabelled) lexer.end = behindLabel(lexer.bytes, lexer.end)
    isLabelled = true
    let following = lexer.next()
    if (following === DOT) {
      following = lexer.next()
      if (following === WORD || following === QUOTED) continue
    }
    if (following === OPEN) break
    pass(scan, NAME)
    return following
  }
  lexer.start = start
  lexer.end = end
  lexer.kind = kind
  lexer.word = word
  lexer.isEscaped = isEscaped
  return -1
}

function isPlain({ lexer }: Scan): boolean {
  const { word, start, end } = lexer
  if (word !== 0) return relationKindOf(informationOf(word)) === 0
  if (lexer.kind === QUOTED) return !lexer.isEscaped && isPlainPart(lexer.bytes, start + 1, end - 1)
  return !isOfPostgres(lexer.bytes, start)
}

/** Whether what stands in quotes, where no word is looked up, is none of PostgreSQL's own relations, nor `last_value`. */
function isPlainPart(bytes: Uint8Array, start: number, end: number): boolean {
  return !isOfPostgres(bytes, start) && (bytes[start] !== 108 || end - start !== 'last_value'.length)
}

/** `pg_…`, in any case. */
function isOfPostgres(bytes: Uint8Array, start: number): boolean {
  if (((bytes[start] as number) | 32) !== 112) return false
  return ((bytes[start + 1] as number) | 32) === 103 && bytes[start + 2] === 95
}

/** The end of the `."b"."c"` at `from`, as far as they are plain. What generated SQL is full of need not become tokens. */
function behindQuotedParts(bytes: Uint8Array, from: number): number {
  let end = from
  while (bytes[end] === DOT_CODE && bytes[end + 1] === DOUBLE_QUOTE) {
    const behind = behindPlainPart(bytes, end + 2)
    if (behind < 0) break
    end = behind
  }
  return end
}

/** The end of the ` as "label"` at `from`, when it is one, and plain. */
function behindLabel(bytes: Uint8Array, from: number): number {
  if (bytes[from] !== BLANK || ((bytes[from + 1] as number) | 32) !== LOWER_A) return from
  if (((bytes[from + 2] as number) | 32) !== LOWER_S || bytes[from + 3] !== BLANK) return from
  if (bytes[from + 4] !== DOUBLE_QUOTE) return from
  const behind = behindPlainPart(bytes, from + 5)
  return behind < 0 ? from : behind
}

/** Behind the quote that ends the part at `start`; -1 when there is more to that part than its letters. */
function behindPlainPart(bytes: Uint8Array, start: number): number {
  let end = start
  let code = bytes[end]
  while (code !== DOUBLE_QUOTE && code !== 0) code = bytes[++end]
  if (code === 0 || end === start || bytes[end + 1] === DOUBLE_QUOTE) return -1
  return isPlainPart(bytes, start, end) ? end + 1 : -1
}

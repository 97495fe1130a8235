import { pass } from './parentheses.ts'
import { P, type Scan } from './scan.ts'
import { T } from './tokens.ts'
import { informationOf, relationKindOf } from './words.ts'

const { DOT, OPEN, QUOTED, WORD } = T
const { NAME } = P

/**
 * Steps over the name at the current token when all there is to know of it is that it is one: nothing is known of this
 * database, it is not called and it is not one of PostgreSQL's own relations. Most names are so, and need no
 * {@link DottedName}. Returns the kind of the token behind it; -1, and stays, when the name must be read.
 */
export function seePlainName(scan: Scan): number {
  if (scan.knowledge !== undefined) return -1
  const lexer = scan.lexer
  const { start, end, kind, word, isEscaped } = lexer
  while (isPlain(scan)) {
    lexer.end = behindQuotedParts(lexer.bytes, lexer.end)
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
  while (bytes[end] === 46 && bytes[end + 1] === 34) {
    const start = end + 2
    let position = start
    let code = bytes[position]
    while (code !== 34 && code !== 0) code = bytes[++position]
    const isEscaped = bytes[position + 1] === 34
    if (code === 0 || isEscaped || position === start || !isPlainPart(bytes, start, position)) break
    end = position + 1
  }
  return end
}

import { WRITING_WORDS } from '../names/writing-words.ts'
import { K } from '../sql/keywords.ts'
import { T } from '../sql/tokens.ts'
import { seeDynamicQuery } from './dynamic-query.ts'
import { P, type Scan } from './scan.ts'
import { isHarmlessLocal } from './session.ts'

/**
 * What a word means in a PL/pgSQL body beyond what it means in a query. Returns the kind of the next token when the
 * word is done with, -1 when it is to be read as in a query. A body is not parsed: each word that could begin a
 * statement that writes counts as one.
 */
export function seeProceduralWord(scan: Scan, keyword: number): number {
  const lexer = scan.lexer
  switch (keyword) {
    case K.BEGIN:
    case K.THEN:
    case K.ELSE:
    case K.LOOP:
    case K.DECLARE:
      scan.previous = P.START
      scan.previousKeyword = keyword
      return lexer.next()
    case K.EXCEPTION:
      if (scan.previousKeyword !== K.RAISE) scan.hasExceptionBlock = true
      break
    case K.RAISE:
    case K.IF:
    case K.ELSIF:
    case K.ELSEIF:
    case K.WHILE:
    case K.RETURN:
    case K.PERFORM:
    case K.ASSERT:
      scan.previous = P.OTHER
      scan.previousKeyword = keyword
      return lexer.next()
    case K.CURSOR: {
      noteCursor(scan)
      const isWithArguments = lexer.peek() === T.OPEN
      if (!isWithArguments) break
      scan.previous = P.NAME
      scan.previousKeyword = keyword
      return lexer.next()
    }
    case K.EXECUTE:
      seeDynamicQuery(scan)
      scan.previous = P.OTHER
      scan.previousKeyword = keyword
      return lexer.next()
  }
  if (scan.previous === P.START && scan.depth === 0) return seeStatementStart(scan, keyword)
  return -1
}

const CURSOR_NAME = /("(?:[^"]|"")*"|[^\s";]+)\s+(?:no\s+scroll\s+|scroll\s+)?$/i
/** What a name, in quotes, and the words behind it may take. */
const LONGEST_DECLARATION = 160

/** `c CURSOR (n int) FOR …`, at CURSOR: `OPEN c(1)` and `FOR r IN c(1)` look like calls of c. */
function noteCursor({ lexer, cursors }: Scan): void {
  const before = lexer.sql.slice(Math.max(0, lexer.start - LONGEST_DECLARATION), lexer.start)
  const name = CURSOR_NAME.exec(before)?.[1]
  if (name === undefined) return
  cursors.add(name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name.toLowerCase())
}

function seeStatementStart(scan: Scan, keyword: number): number {
  const lexer = scan.lexer
  const { start, end } = lexer
  const reason = WRITING_WORDS.get(keyword)
  if (reason === undefined) return -1
  const kind = lexer.next()
  // A variable of that name: `update := 1`, `comment.x = 2`.
  if (
    kind === T.MARK ||
    kind === T.DOT ||
    (kind === T.OPERATOR && lexer.end - lexer.start === 1) ||
    kind === T.OPEN_BRACKET
  ) {
    scan.raise('unknown', 'procedural-code', start, end)
    scan.previous = P.OTHER
    return kind
  }
  if (keyword === K.COMMIT || keyword === K.ROLLBACK) {
    // A procedure may end its own transactions; on a standby these have written nothing.
    scan.previous = P.OTHER
    return kind
  }
  if (keyword === K.SET && isHarmlessLocal(scan)) {
    scan.previous = P.OTHER
    return lexer.kind
  }
  scan.raise(reason === 'session-state' || reason === 'transaction-control' ? 'session' : 'write', reason, start, end)
  scan.previous = P.OTHER
  scan.previousKeyword = keyword
  return kind
}

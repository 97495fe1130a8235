import { WRITING_WORDS } from '../names/writing-words.ts'
import { decodeString } from '../sql/decode-string.ts'
import { K } from '../sql/keywords.ts'
import { T } from '../sql/tokens.ts'
import { getKeyword } from '../sql/word-list.ts'
import { findName, getInformation } from '../sql/words.ts'
import { Scan } from './scan.ts'
import { seeStatement } from './statements.ts'
import { seeNamesInText } from './text-to-run.ts'
import { keywordHere } from './transaction.ts'

/** How deep text may run text that runs text; beyond it nothing is read any more, so that the time stays linear. */
const MAXIMUM_NESTING = 4
let nesting = 0

/**
 * `EXECUTE`, the current token, in a PL/pgSQL body: what it runs is known when it is one constant, and how that begins
 * when it is a constant with something behind it or a format of `format()`. Anything else is `unknown`, until the whole body
 * has been looked through (`seeDynamicText`).
 */
export function seeDynamicQuery(scan: Scan): void {
  const lexer = scan.lexer
  const { start, end, kind, word, isEscaped } = lexer
  let following = lexer.next()
  const isFormat = keywordHere(scan) === K.FORMAT
  if (isFormat) following = lexer.next() === T.OPEN ? lexer.next() : T.END
  const text = following === T.STRING ? decodeString(lexer.sql.slice(lexer.start, lexer.end)) : undefined
  const isWhole = text !== undefined && endsQuery(scan, lexer.next(), isFormat ? text : undefined)
  lexer.start = start
  lexer.end = end
  lexer.kind = kind
  lexer.word = word
  lexer.isEscaped = isEscaped
  if (isWhole && nesting < MAXIMUM_NESTING) return seeConstant(scan, text)
  scan.hasDynamicQuery = true
  if (text !== undefined) seeFirstWord(scan, text)
  scan.raiseHere('unknown', 'procedural-code')
}

/** Whether the constant before the current token is all that is run; `format` is one that nothing is put into. */
function endsQuery(scan: Scan, kind: number, format: string | undefined): boolean {
  if (format !== undefined) {
    if (kind !== T.CLOSE || format.includes('%')) return false
    kind = scan.lexer.next()
  }
  if (kind === T.SEMICOLON || kind === T.END) return true
  const keyword = keywordHere(scan)
  return keyword === K.INTO || keyword === K.USING || keyword === K.LOOP
}

function seeConstant(scan: Scan, text: string): void {
  const inner = new Scan()
  nesting++
  try {
    inner.open(text, scan.knowledge, false)
    let kind = inner.lexer.next()
    for (;;) {
      while (kind === T.SEMICOLON) kind = inner.lexer.next()
      if (kind === T.END) break
      seeStatement(inner)
      kind = inner.lexer.kind
    }
  } finally {
    nesting--
  }
  for (const name of inner.functions) scan.addFunction(name)
  const access = (['read', 'unknown', 'session', 'write'] as const)[inner.rank] ?? 'write'
  scan.raiseHere(access, inner.reason)
}

/** Raises the verdict for text that is run when its first word tells that it is no read, whatever follows. */
function seeFirstWord(scan: Scan, text: string): void {
  const [, first, second] = FIRST_WORDS.exec(text) ?? []
  if (first === undefined) return
  const keyword = getKeyword(getInformation(findName(first.toLowerCase())))
  const reason = WRITING_WORDS.get(keyword)
  if (reason === undefined || (keyword === K.SET && second?.toLowerCase() === 'local')) return
  const isOfSession = reason === 'session-state' || reason === 'transaction-control' || reason === 'prepared-statement'
  scan.raiseHere(isOfSession ? 'session' : 'write', reason)
}

const FIRST_WORDS = /^\s*([a-z]{2,12})\s+([a-z]{0,12})/i

/**
 * The constant at the current token, an argument of something that may run it: a statement that writes is not there to
 * be looked at. So the text has to begin like one, not like a sentence.
 */
export function seeTextToRun(scan: Scan): void {
  const { sql, start, end } = scan.lexer
  const constant = sql.slice(start, end)
  const text = decodeString(constant)
  if (text !== undefined && STATEMENT.test(text)) scan.raiseHere('write', 'procedural-code')
  seeNamesInText(scan, text ?? constant, start, end)
}

const STATEMENT = new RegExp(
  `^\\s*(?:${[
    '(?:insert|merge)\\s+into\\s',
    'delete\\s+from\\s',
    'update\\s+(?:only\\s+)?[^\\s]+\\s+(?:as\\s+\\w+\\s+)?set\\s',
    'truncate\\s+table\\s',
    '(?:create|alter|drop)\\s+(?:or\\s+replace\\s+)?(?:temp|temporary|unlogged|unique|materialized|table|view|index|sequence|schema|type|domain|role|database|extension|function|procedure|trigger|policy|server)\\s',
    'comment\\s+on\\s+(?:table|column|function|view|index|schema|role|database)\\s',
  ].join('|')})`,
  'i',
)

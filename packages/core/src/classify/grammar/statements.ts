import type { AccessReason } from '../../statement/statement.ts'
import { CATEGORY_RESERVED, K } from '../sql/keywords.ts'
import { decodeQuoted, T } from '../sql/tokens.ts'
import { getCategory } from '../sql/word-list.ts'
import { getInformation } from '../sql/words.ts'
import { seeDo } from './do.ts'
import { scanQuery } from './query.ts'
import type { Scan } from './scan.ts'
import { seeSet, seeShow } from './session.ts'
import { keywordHere, seePrepareTransaction, seeTransaction, take } from './transaction.ts'

/** Classifies the statement at the current token and leaves the `;` or the end behind it as the current token. */
export function seeStatement(scan: Scan): void {
  scan.isDry = false
  scan.isLoose = false
  if (scan.lexer.kind === T.OPEN) return scanQuery(scan)
  const keyword = keywordHere(scan)
  switch (keyword) {
    case K.SELECT:
    case K.WITH:
    case K.VALUES:
    case K.TABLE:
      return scanQuery(scan)
    case K.INSERT:
    case K.UPDATE:
    case K.DELETE:
    case K.TRUNCATE:
      scan.raiseHere('write', 'data-modification')
      return skip(scan)
    case K.MERGE:
      return seeMerge(scan)
    case K.BEGIN:
    case K.START:
    case K.COMMIT:
    case K.END:
    case K.ROLLBACK:
    case K.ABORT:
    case K.SAVEPOINT:
    case K.RELEASE:
      seeTransaction(scan, keyword)
      return finishControl(scan)
    case K.SET:
      seeSet(scan)
      return scan.control === undefined ? skip(scan) : finishControl(scan)
    case K.SHOW:
      seeShow(scan)
      return skip(scan)
    case K.EXPLAIN:
      return seeExplain(scan)
    case K.COPY:
      return seeCopy(scan)
    case K.DECLARE:
      return seeDeclare(scan)
    case K.FETCH:
    case K.MOVE:
    case K.CLOSE:
      // Inside a transaction it joins the cursor's; outside, only a WITH HOLD cursor of this session can be meant.
      scan.isTransactionLocal = true
      scan.raiseHere('session', 'cursor')
      return skip(scan)
    case K.PREPARE:
      return seePrepare(scan)
    case K.EXECUTE:
      scan.raiseHere('write', 'prepared-statement')
      return skip(scan)
    case K.CALL:
      return seeCallStatement(scan)
    case K.DO:
      seeDo(scan)
      return skip(scan)
    case K.CREATE:
      return seeCreate(scan)
    case K.ALTER: {
      const { start, end } = scan.lexer
      scan.lexer.next()
      // ALTER SYSTEM works on a standby, and only there.
      scan.raise('write', keywordHere(scan) === K.SYSTEM ? 'node-local' : 'schema-change', start, end)
      return skip(scan)
    }
    default:
      seeSimple(scan, keyword)
      return skip(scan)
  }
}

const SIMPLE: ReadonlyMap<number, AccessReason> = new Map<number, AccessReason>([
  ...[K.DROP, K.GRANT, K.REVOKE, K.COMMENT, K.SECURITY, K.IMPORT, K.REASSIGN].map(
    (keyword) => [keyword, 'schema-change'] as const,
  ),
  ...[K.REINDEX, K.VACUUM, K.CLUSTER, K.REFRESH, K.ANALYZE, K.ANALYSE].map(
    (keyword) => [keyword, 'maintenance'] as const,
  ),
  ...[K.RESET, K.DISCARD, K.LOAD].map((keyword) => [keyword, 'session-state'] as const),
  [K.CHECKPOINT, 'node-local'],
  [K.LOCK, 'table-lock'],
  [K.LISTEN, 'notification'],
  [K.UNLISTEN, 'notification'],
  [K.NOTIFY, 'notification'],
  [K.DEALLOCATE, 'prepared-statement'],
])

function seeSimple(scan: Scan, keyword: number): void {
  const reason = SIMPLE.get(keyword)
  if (reason === undefined) return scan.raiseHere('write', 'syntax')
  const isOfSession =
    reason === 'session-state' || reason === 'prepared-statement' || keyword === K.LISTEN || keyword === K.UNLISTEN
  scan.raiseHere(isOfSession ? 'session' : 'write', reason)
}

/** Steps to the end of a statement of which enough is known. */
export function skip(scan: Scan): void {
  const lexer = scan.lexer
  // Nothing is stronger than a write: of what follows only the number of statements is left to know.
  if (scan.rank === 3 && lexer.kind !== T.SEMICOLON && lexer.isInLastStatement) {
    lexer.finish()
    lexer.next()
    return
  }
  let depth = 0
  for (let kind = lexer.kind; ; kind = lexer.next()) {
    if (kind === T.END) return
    if (kind === T.OPEN) depth++
    else if (kind === T.CLOSE) {
      if (--depth < 0) {
        scan.raiseHere('write', 'syntax')
        depth = 0
      }
    } else if (kind === T.SEMICOLON && depth === 0) return
    else if (kind === T.BAD) scan.raiseHere('write', 'syntax')
  }
}

/** Nothing may follow a transaction statement; if it does, it is no such statement. */
function finishControl(scan: Scan): void {
  const { kind } = scan.lexer
  if (kind !== T.END && kind !== T.SEMICOLON) {
    scan.raiseHere('write', 'syntax')
    scan.control = undefined
  }
  skip(scan)
}

/** `CREATE FUNCTION … BEGIN ATOMIC …; END` holds semicolons outside parentheses; psql counts BEGIN, CASE and END likewise. */
function seeCreate(scan: Scan): void {
  const lexer = scan.lexer
  scan.raiseHere('write', 'schema-change')
  lexer.next()
  if (take(scan, K.OR)) take(scan, K.REPLACE)
  const keyword = keywordHere(scan)
  if (keyword !== K.FUNCTION && keyword !== K.PROCEDURE) return skip(scan)
  let blocks = 0
  let depth = 0
  for (let kind = lexer.kind; kind !== T.END; kind = lexer.next()) {
    if (kind === T.WORD) {
      const inner = keywordHere(scan)
      if (inner === K.BEGIN || (inner === K.CASE && blocks > 0)) blocks++
      else if (inner === K.END && blocks > 0) blocks--
    } else if (kind === T.OPEN) depth++
    else if (kind === T.CLOSE) depth--
    else if (kind === T.SEMICOLON && blocks === 0 && depth <= 0) return
  }
}

/** EXPLAIN runs nothing unless ANALYZE is among its options, in any of its spellings. */
function seeExplain(scan: Scan): void {
  const lexer = scan.lexer
  const { start, end } = lexer
  lexer.next()
  let analyzes = false
  if (lexer.kind === T.OPEN) {
    const following = lexer.next()
    const isQuery =
      following === T.OPEN ||
      (following === T.WORD && getCategory(getInformation(lexer.word)) === CATEGORY_RESERVED && !isAnalyze(scan)) ||
      keywordHere(scan) === K.VALUES
    if (isQuery) return explainQuery(scan, start)
    analyzes = readExplainOptions(scan)
  } else {
    if (isAnalyze(scan)) {
      analyzes = true
      lexer.next()
    }
    take(scan, K.VERBOSE)
  }
  scan.isDry = !analyzes
  const keyword = keywordHere(scan)
  switch (keyword) {
    case K.INSERT:
    case K.UPDATE:
    case K.DELETE:
    case K.MERGE:
    case K.CREATE:
    case K.REFRESH:
      scan.raise('write', 'explain-analyze', start, end)
      return scanAround(scan)
    case K.EXECUTE:
      scan.isDry = false
      // Even without ANALYZE it needs the session that prepared.
      scan.raise(analyzes ? 'write' : 'session', 'prepared-statement', start, end)
      return skip(scan)
    case K.DECLARE:
      return seeDeclare(scan)
    case K.SELECT:
    case K.WITH:
    case K.VALUES:
    case K.TABLE:
      return scanQuery(scan)
    default:
      if (lexer.kind === T.OPEN) return scanQuery(scan)
      scan.raise('write', 'syntax', start, end)
      return skip(scan)
  }
}

/** The rest of a statement that EXPLAIN only plans: names of unreadable relations still count, words do not. */
function scanAround(scan: Scan): void {
  if (!scan.isDry || scan.knowledge === undefined) return skip(scan)
  scan.isLoose = true
  scanQuery(scan)
}

/** `EXPLAIN (SELECT …)`: what looked like options is the query; the current token is behind its first parenthesis. */
function explainQuery(scan: Scan, start: number): void {
  scan.isDry = true
  scan.lexer.end = start + 'EXPLAIN'.length
  scan.lexer.next()
  scanQuery(scan)
}

const isAnalyze = (scan: Scan): boolean => {
  const keyword = keywordHere(scan)
  return keyword === K.ANALYZE || keyword === K.ANALYSE
}

/** `(ANALYZE, BUFFERS off, FORMAT json)`; the current token is the first option. True unless ANALYZE is certainly off. */
function readExplainOptions(scan: Scan): boolean {
  const lexer = scan.lexer
  let analyzes = false
  for (;;) {
    // A quoted option name counts too, and may hide behind unicode escapes.
    const isOption =
      isAnalyze(scan) ||
      (lexer.kind === T.QUOTED &&
        (lexer.isEscaped ||
          /^"analy[sz]e"$/i.test(lexer.sql.slice(lexer.start, Math.min(lexer.end, lexer.start + 10)))))
    let kind = lexer.next()
    if (isOption) analyzes ||= !isOff(scan, kind)
    let depth = 0
    while (kind !== T.END && kind !== T.SEMICOLON && (depth > 0 || (kind !== T.COMMA && kind !== T.CLOSE))) {
      if (kind === T.OPEN) depth++
      else if (kind === T.CLOSE) depth--
      else if (kind === T.BAD) scan.raiseHere('write', 'syntax')
      kind = lexer.next()
    }
    if (kind === T.END || kind === T.SEMICOLON) return true
    lexer.next()
    if (kind === T.CLOSE) return analyzes
  }
}

function isOff(scan: Scan, kind: number): boolean {
  if (kind === T.COMMA || kind === T.CLOSE) return false
  const { sql, start, end } = scan.lexer
  if (end - start > 7) return false
  return /^(false|off|0|'false'|'off'|'0')$/i.test(sql.slice(start, end))
}

/** COPY reads only towards the client; a file or a program would be on the wrong machine. */
function seeCopy(scan: Scan): void {
  const lexer = scan.lexer
  const { start, end } = lexer
  if (lexer.next() === T.OPEN) scanQuery(scan, true)
  let depth = 0
  for (let kind = lexer.kind; kind !== T.END && kind !== T.SEMICOLON; kind = lexer.next()) {
    if (kind === T.OPEN) depth++
    else if (kind === T.CLOSE) depth--
    else if (kind === T.WORD && depth === 0) {
      if (keywordHere(scan) === K.FROM) {
        scan.raise('write', 'copy-from', start, end)
        return skip(scan)
      }
      if (keywordHere(scan) === K.TO) {
        lexer.next()
        const target = keywordHere(scan)
        if (target !== K.STDOUT && target !== K.STDIN) scan.raise('write', 'copy-to-server', start, end)
        return skip(scan)
      }
      seeCopiedTable(scan, kind)
    } else if (kind === T.QUOTED) seeCopiedTable(scan, kind)
    else if (kind === T.BAD) scan.raiseHere('write', 'syntax')
  }
  scan.raise('write', 'syntax', start, end)
}

/** A view or a sequence is not copied; a table may have a policy that writes, or be unlogged. Its columns are looked at too. */
function seeCopiedTable(scan: Scan, kind: number): void {
  const { lexer, knowledge } = scan
  if (knowledge === undefined) return
  const { start, end } = lexer
  const name =
    kind === T.WORD ? lexer.sql.slice(start, end).toLowerCase() : decodeQuoted(lexer.sql.slice(start, end), '\\')
  const known = name === undefined ? undefined : knowledge.findRelation(undefined, name)
  if (known !== undefined) scan.raiseHere(known.access, known.reason)
}

/** A cursor lives in its transaction, unless WITH HOLD. */
function seeDeclare(scan: Scan): void {
  const lexer = scan.lexer
  const { start, end } = lexer
  // Its name may be any word: step over it before looking for FOR.
  lexer.next()
  lexer.next()
  let holds = false
  let isNegated = false
  for (;;) {
    const { kind } = lexer
    if (kind === T.END || kind === T.SEMICOLON) return scan.raise('write', 'syntax', start, end)
    const keyword = keywordHere(scan)
    if (keyword === K.FOR) break
    // WITHOUT HOLD
    if (keyword === K.HOLD) holds = !isNegated
    isNegated = kind === T.WORD && lexer.end - lexer.start === 7
    if (kind === T.BAD) scan.raiseHere('write', 'syntax')
    lexer.next()
  }
  if (holds) scan.raise('session', 'cursor', start, end)
  else scan.isTransactionLocal = true
  lexer.next()
  scanQuery(scan)
}

/** PREPARE runs nothing, but names something in its session. */
function seePrepare(scan: Scan): void {
  const { start, end } = scan.lexer
  scan.lexer.next()
  const following = scan.lexer
  // PREPARE TRANSACTION 'id', not a statement named `transaction`.
  if (keywordHere(scan) === K.TRANSACTION && following.peek() === T.STRING) {
    seePrepareTransaction(scan, start)
    return finishControl(scan)
  }
  scan.raise('session', 'prepared-statement', start, end)
  if (following.kind !== T.WORD && following.kind !== T.QUOTED) scan.raise('write', 'syntax', start, end)
  skip(scan)
}

/** MERGE writes by its actions: where each of them is DO NOTHING, a standby runs it like a query. */
function seeMerge(scan: Scan): void {
  const lexer = scan.lexer
  const { start, end } = lexer
  if (scan.rank === 3 || !doesNothing(scan)) {
    scan.raise('write', 'data-modification', start, end)
    return skip(scan)
  }
  lexer.end = end
  lexer.next()
  take(scan, K.INTO)
  scan.isLoose = true
  scanQuery(scan)
}

/** Whether each THEN outside of parentheses is followed by DO NOTHING; the current token is MERGE. */
function doesNothing(scan: Scan): boolean {
  const lexer = scan.lexer
  let depth = 0
  let actions = 0
  for (let kind = lexer.next(); kind !== T.END && kind !== T.SEMICOLON && kind !== T.BAD; kind = lexer.next()) {
    if (kind === T.OPEN) depth++
    else if (kind === T.CLOSE) depth--
    else if (depth === 0 && keywordHere(scan) === K.THEN) {
      lexer.next()
      if (keywordHere(scan) !== K.DO) return false
      lexer.next()
      if (keywordHere(scan) !== K.NOTHING) return false
      actions++
    }
  }
  return actions > 0
}

/** A procedure whose body is not known counts as a write: most procedures are there to write. */
function seeCallStatement(scan: Scan): void {
  const { start, end } = scan.lexer
  const kind = scan.lexer.next()
  if (kind !== T.WORD && kind !== T.QUOTED) {
    scan.raise('write', 'syntax', start, end)
    return skip(scan)
  }
  scan.hasUnseenCall = false
  scanQuery(scan)
  if (scan.knowledge === undefined && scan.hasUnseenCall) scan.raise('write', 'unseen-function', start, end)
}

import { CATEGORY_COLUMN, CATEGORY_FUNCTION, CATEGORY_NAME, CATEGORY_RESERVED, K } from '../sql/keywords.ts'
import { T } from '../sql/tokens.ts'
import { getCategory, getKeyword } from '../sql/word-list.ts'
import { getInformation } from '../sql/words.ts'
import { isCall } from './calls.ts'
import { seeTextToRun } from './dynamic-query.ts'
import {
  DottedName,
  getText,
  seeCall,
  seeCertainType,
  seeField,
  seeName,
  seeRelation,
  seeType,
  seeUnlikelyCall,
} from './names.ts'
import { readOperator, seeOperator } from './operators.ts'
import { closeParenthesis, openParenthesis, pass } from './parentheses.ts'
import { seePlainKeyword, seePlainName } from './plain-name.ts'
import { seeProceduralWord } from './plpgsql-words.ts'
import {
  beginRelations,
  ENDED,
  endWithList,
  flagsOfOpened,
  isLookedUp,
  isRelation,
  isTableExpressionName,
  raiseMissing,
} from './relation-list.ts'
import { F, P, type Scan } from './scan.ts'
import { watchSetting } from './settings.ts'

const {
  END,
  WORD,
  QUOTED,
  STRING,
  NUMBER,
  PARAMETER,
  OPERATOR,
  OPEN,
  CLOSE,
  COMMA,
  SEMICOLON,
  DOT,
  CAST,
  OPEN_BRACKET,
  CLOSE_BRACKET,
  BAD,
} = T
const {
  START: AFTER_START,
  OTHER: AFTER_OTHER,
  OPERAND: AFTER_OPERAND,
  NAME: AFTER_NAME,
  KEYWORD: AFTER_KEYWORD,
  FUNCTION_KEYWORD: AFTER_FUNCTION_KEYWORD,
  COMMA: AFTER_COMMA,
  TRUE: AFTER_TRUE,
  DISTINCT_ON: AFTER_DISTINCT_ON,
} = P
const { RELATIONS, SELECTS, WITH_LIST } = F
const { AS, INSERT, MERGE, OPERATOR: OPERATOR_WORD, ORDINALITY, VALUES } = K

const dotted: DottedName = new DottedName()

/**
 * Scans a query, or an expression, from the current token to the `;` or the end behind it (or, with `stopsAtClose`, to
 * the parenthesis that closes the one it begins with), and raises the verdict for all that needs more than a read.
 * Depth is a counter and an array: no recursion, whatever the nesting.
 */
export function scanQuery(scan: Scan, stopsAtClose = false): void {
  scanTokens(scan, stopsAtClose)
  if (scan.missingRelations.length > 0) raiseMissing(scan)
}

function scanTokens(scan: Scan, stopsAtClose: boolean): void {
  const lexer = scan.lexer
  let kind = lexer.kind
  scan.previous = AFTER_START
  scan.previousKeyword = 0
  scan.depth = 0
  scan.flags[0] = 0
  for (;;) {
    switch (kind) {
      case WORD:
        kind = seeWord(scan)
        break
      case QUOTED:
        kind = isLookedUp(scan) ? -1 : seePlainName(scan)
        if (kind < 0) kind = readName(scan, 0, 0)
        break
      case COMMA:
        pass(scan, AFTER_COMMA)
        kind = lexer.next()
        break
      case END:
        if (scan.depth > 0) scan.raiseHere('write', 'syntax')
        return
      case SEMICOLON:
        if (scan.depth > 0) scan.raiseHere('write', 'syntax')
        else if (!scan.isProcedural) return
        else scan.flags[0] = 0
        pass(scan, AFTER_START)
        kind = lexer.next()
        break
      case OPEN:
        openParenthesis(scan, scan.knowledge === undefined ? 0 : flagsOfOpened(scan))
        kind = lexer.next()
        break
      case CLOSE:
        closeParenthesis(scan)
        kind = lexer.next()
        if (stopsAtClose && scan.depth === 0) return
        break
      case OPERATOR:
        seeOperator(scan, undefined)
        pass(scan, AFTER_OTHER)
        kind = lexer.next()
        break
      case CAST:
      case DOT: {
        // A type, or a field: no call by its looks, whatever it is named.
        const isField = kind === DOT
        kind = lexer.next()
        if (kind === WORD || kind === QUOTED) {
          kind = dotted.read(scan)
          if (isField) seeField(scan, dotted)
          else seeCertainType(scan, dotted)
        }
        pass(scan, AFTER_NAME)
        break
      }
      case NUMBER:
      case PARAMETER:
        pass(scan, AFTER_OPERAND)
        kind = lexer.nextBehindConstants()
        break
      case STRING:
        if (((scan.flags[scan.depth] as number) & F.MAY_RUN_TEXT) !== 0) seeTextToRun(scan)
        pass(scan, AFTER_OPERAND)
        kind = lexer.next()
        break
      case OPEN_BRACKET:
        openParenthesis(scan, 0)
        pass(scan, AFTER_OTHER)
        kind = lexer.next()
        break
      case CLOSE_BRACKET:
        if (scan.depth > 0) scan.depth--
        pass(scan, AFTER_OPERAND)
        kind = lexer.next()
        break
      case BAD:
        scan.raiseHere('write', 'syntax')
        kind = lexer.next()
        break
      default:
        pass(scan, AFTER_OTHER)
        kind = lexer.next()
    }
  }
}

function seeWord(scan: Scan): number {
  const information = getInformation(scan.lexer.word)
  const keyword = getKeyword(information)
  const category = getCategory(information)
  if (scan.isProcedural) {
    const kind = seeProceduralWord(scan, keyword)
    if (kind >= 0) return kind
  }
  if (category === CATEGORY_RESERVED) return seeReserved(scan, keyword)
  if (category === CATEGORY_NAME && keyword === 0) {
    const kind = isLookedUp(scan) ? -1 : seePlainName(scan)
    return kind < 0 ? readName(scan, 0, 0) : kind
  }
  if (keyword >= INSERT && keyword <= MERGE && mayBeginStatement(scan)) {
    const { start, end } = scan.lexer
    // `count(update)` is a column; no column is followed by a name here.
    const following = scan.lexer.peek()
    if (following === WORD || following === QUOTED) {
      scan.raise('write', 'data-modification', start, end)
      pass(scan, AFTER_OTHER)
      if (isSettled(scan)) scan.lexer.finish()
      return scan.lexer.next()
    }
  }
  if (keyword === OPERATOR_WORD && scan.lexer.peek() === OPEN) return readOperator(scan)
  // `values` is a column, or a label, unless a row follows.
  if (keyword === VALUES && scan.lexer.peek() === OPEN) endWithList(scan)
  if (category !== CATEGORY_NAME && keyword !== ORDINALITY && !isLookedUp(scan)) {
    const kind = seePlainKeyword(scan)
    if (kind >= 0) {
      scan.previous = category === CATEGORY_FUNCTION ? AFTER_FUNCTION_KEYWORD : AFTER_KEYWORD
      scan.previousKeyword = keyword
      return kind
    }
  }
  return readName(scan, category, keyword)
}

/** Whether nothing behind the current token can change the result any more: no statement, and no call. */
function isSettled(scan: Scan): boolean {
  if (scan.rank < 3 || scan.isProcedural) return false
  return scan.lexer.isInLastStatement && !scan.lexer.isOpenAhead
}

function mayBeginStatement(scan: Scan): boolean {
  if (scan.previous === AFTER_START || scan.isProcedural) return true
  return ((scan.flags[scan.depth] as number) & WITH_LIST) !== 0 && !isTableExpressionName(scan)
}

/** Reserved words with a case in {@link seeReserved}; the others, one look at a table tells, have no meaning of their own. */
const hasMeaning: Uint8Array = new Uint8Array(256)
for (const keyword of [
  ...[K.SELECT, K.TABLE, K.HAVING, K.ORDER, K.LIMIT, K.OFFSET, K.FETCH, K.UNION, K.INTERSECT, K.EXCEPT, K.WINDOW],
  ...[K.DISTINCT, K.WHERE, K.GROUP, K.WITH, K.INTO, K.FOR, K.ON, K.TRUE, K.FALSE, K.NULL, K.END, K.FROM],
])
  hasMeaning[keyword] = 1

function seeReserved(scan: Scan, keyword: number): number {
  const lexer = scan.lexer
  if (keyword === AS) return seeLabel(scan)
  if (hasMeaning[keyword] === 0 || (keyword === K.FROM && scan.knowledge === undefined)) {
    scan.previous = AFTER_OTHER
    scan.previousKeyword = keyword
    return lexer.next()
  }
  let previous: number = AFTER_OTHER
  switch (keyword) {
    case K.SELECT:
      scan.flags[scan.depth] = ((scan.flags[scan.depth] as number) & ~ENDED) | SELECTS
      break
    case K.TABLE:
      endWithList(scan)
      beginRelations(scan)
      break
    case K.DISTINCT:
      // `IS DISTINCT FROM` and `IS NOT DISTINCT FROM` begin no list; `SELECT 1 DISTINCT FROM t` does, of a column so labelled.
      if (scan.previousKeyword === K.IS || scan.previousKeyword === K.NOT) {
        scan.previous = AFTER_OTHER
        scan.previousKeyword = K.IS
        return lexer.next()
      }
      break
    case K.FROM:
      if (scan.previousKeyword === K.IS) {
        pass(scan, AFTER_OTHER)
        return lexer.next()
      }
      // `extract(year FROM x)` begins none. In a body an expression may: `n := count(*) FROM t`.
      if (((scan.flags[scan.depth] as number) & SELECTS) !== 0 || (scan.isProcedural && scan.depth === 0))
        beginRelations(scan)
      break
    case K.HAVING:
    case K.ORDER:
    case K.LIMIT:
    case K.OFFSET:
    case K.FETCH:
    case K.UNION:
    case K.INTERSECT:
    case K.EXCEPT:
    case K.WINDOW:
    case K.WHERE:
      endWithList(scan)
      break
    case K.GROUP:
      if (scan.previousKeyword !== K.WITHIN) {
        endWithList(scan)
        scan.flags[scan.depth] = (scan.flags[scan.depth] as number) | F.GROUP_BY
      }
      break
    case K.WITH:
      if (scan.previous === AFTER_START || scan.isProcedural) {
        scan.flags[scan.depth] = (scan.flags[scan.depth] as number) | WITH_LIST
      }
      break
    case K.INTO:
      if (!scan.isProcedural) scan.raiseHere('write', 'select-into')
      break
    case K.FOR:
      return seeFor(scan)
    case K.ON:
      if (scan.previousKeyword === K.DISTINCT) previous = AFTER_DISTINCT_ON
      break
    case K.TRUE:
      previous = scan.previous === AFTER_COMMA ? AFTER_TRUE : AFTER_OPERAND
      break
    case K.FALSE:
    case K.NULL:
    case K.END:
      previous = AFTER_OPERAND
      break
  }
  scan.previous = previous
  scan.previousKeyword = keyword
  return lexer.next()
}

/** Behind AS, a label, a type or an alias: any word may stand here, and none is called. */
function seeLabel(scan: Scan): number {
  let kind = scan.lexer.next()
  if (kind !== WORD && kind !== QUOTED) {
    pass(scan, AFTER_OTHER)
    return kind
  }
  const isCast = ((scan.flags[scan.depth] as number) & F.CAST) !== 0 && scan.inventory !== undefined
  kind = isCast ? -1 : seePlainName(scan)
  if (kind >= 0) return kind
  kind = dotted.read(scan)
  if (isCast) seeCertainType(scan, dotted)
  else seeType(scan, dotted)
  pass(scan, AFTER_NAME)
  return kind
}

/** `FOR UPDATE | NO KEY UPDATE | SHARE | KEY SHARE` locks rows; `substring(x FOR 3)` does not. */
function seeFor(scan: Scan): number {
  const lexer = scan.lexer
  const start = lexer.start
  const kind = lexer.next()
  endWithList(scan)
  if (kind === WORD && ((scan.flags[scan.depth] as number) & F.FOR_IS_SYNTAX) === 0) {
    const keyword = getKeyword(getInformation(lexer.word))
    if (keyword === K.UPDATE || keyword === K.SHARE || keyword === K.NO || keyword === K.KEY) {
      scan.raise('write', 'row-lock', start, lexer.end)
      pass(scan, AFTER_OTHER)
      return lexer.next()
    }
  }
  scan.previous = AFTER_OTHER
  scan.previousKeyword = K.FOR
  return kind
}

function readName(scan: Scan, category: number, keyword: number): number {
  const { previous, previousKeyword } = scan
  const isRelationName = scan.knowledge !== undefined && isRelation(scan)
  const isExpressionName = ((scan.flags[scan.depth] as number) & WITH_LIST) !== 0 && isTableExpressionName(scan)
  const kind = dotted.read(scan)
  const isSimple = dotted.count === 1
  if (isExpressionName && isSimple && scan.inventory !== undefined) scan.expressions.add(getText(scan, dotted.last))
  if (kind === OPEN) {
    let flags = isSimple && keyword === K.JOIN ? (scan.flags[scan.depth] as number) & RELATIONS : 0
    if (isSimple && category === CATEGORY_COLUMN) {
      if (keyword === K.SUBSTRING || keyword === K.OVERLAY) flags = F.FOR_IS_SYNTAX
      seeUnlikelyCall(scan, dotted)
    } else if (!isExpressionName && isCall(scan, category, isSimple ? keyword : 0, previous, previousKeyword)) {
      flags = watchSetting(scan, seeCall(scan, dotted), dotted.last)
    } else if (!isExpressionName && (category === CATEGORY_FUNCTION || keyword === K.SECOND))
      seeUnlikelyCall(scan, dotted)
    openParenthesis(scan, flags)
    return scan.lexer.next()
  }
  seeName(scan, dotted, isRelationName || scan.isLoose)
  // `ROWS FROM (f(), g())` names none.
  if (isRelationName && !(kind === WORD && getKeyword(getInformation(scan.lexer.word)) === K.FROM))
    seeRelation(scan, dotted)
  // `date '2026-01-01'`
  if (kind === STRING) {
    if (scan.isProcedural) seeType(scan, dotted)
    else seeCertainType(scan, dotted)
  }
  if (!isSimple || category === CATEGORY_NAME || keyword === K.ORDINALITY) pass(scan, AFTER_NAME)
  else {
    scan.previous = category === CATEGORY_FUNCTION ? AFTER_FUNCTION_KEYWORD : AFTER_KEYWORD
    scan.previousKeyword = keyword
  }
  return kind
}

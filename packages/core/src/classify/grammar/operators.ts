import { T } from '../sql/tokens.ts'
import { isCatalogOperator } from '../sql/words.ts'
import { DottedName, getText } from './names.ts'
import { openParenthesis } from './parentheses.ts'
import { F, type Scan } from './scan.ts'

const { WORD, QUOTED, OPERATOR } = T
const dotted: DottedName = new DottedName()

/** `OPERATOR(schema.+)`; anything else before the parenthesis closes is a call of a function named so. */
export function readOperator(scan: Scan): number {
  const lexer = scan.lexer
  const { start, end } = lexer
  lexer.next()
  openParenthesis(scan, F.OPERAND_FOLLOWS)
  let kind = lexer.next()
  let schema: string | undefined
  while (kind === WORD || kind === QUOTED) {
    kind = dotted.read(scan)
    schema = getText(scan, dotted.last)
  }
  if (kind !== OPERATOR) {
    scan.addFunction('operator')
    scan.raise('unknown', 'unseen-function', start, end)
    return kind
  }
  seeOperator(scan, schema)
  return lexer.next()
}

const EXCLAMATION = 33
const EQUALS = 61

/** Looks at the operator that is the current token. */
export function seeOperator(scan: Scan, schema: string | undefined): void {
  const { bytes, sql, start, end } = scan.lexer
  const isOwn = (schema === undefined || schema === 'pg_catalog') && isCatalogOperator(bytes, start, end)
  // To Postgres, `!=` is but another way to write `<>`.
  const isUnequal = end - start === 2 && bytes[start] === EXCLAMATION && bytes[start + 1] === EQUALS
  if (
    isOwn &&
    !isUnequal &&
    (scan.knowledge === undefined || scan.knowledge.names?.mayHave(bytes, start, end) === false)
  )
    return
  const known = scan.knowledge?.findOperator(schema, isUnequal ? '<>' : sql.slice(start, end))
  if (known !== undefined) scan.raiseKnown(known, start, end)
  else if (!isOwn) {
    const isHeld = scan.inventory?.has('operator', schema, sql.slice(start, end)) !== false
    scan.raise('unknown', isHeld ? 'unseen-operator' : 'newer-than-catalog', start, end)
  }
}

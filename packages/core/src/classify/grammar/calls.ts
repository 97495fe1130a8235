import { CATEGORY_FUNCTION, CATEGORY_UNRESERVED, K } from '../sql/keywords.ts'
import { F, P, type Scan } from './scan.ts'

const {
  OPERAND: AFTER_OPERAND,
  NAME: AFTER_NAME,
  CLOSE: AFTER_CLOSE,
  KEYWORD: AFTER_KEYWORD,
  OTHER: AFTER_OTHER,
  FUNCTION_KEYWORD: AFTER_FUNCTION_KEYWORD,
  COMMA: AFTER_COMMA,
  TRUE: AFTER_TRUE,
} = P

/** Whether a name in front of `(` is called. What is not known for certain to be something else is a call. */
export function isCall(
  scan: Scan,
  category: number,
  keyword: number,
  previous: number,
  previousKeyword: number,
): boolean {
  // Behind an operand only an alias can stand, with its list of columns: `FROM t AS u (a, b)`, `) u (a)`, `x u (a)`.
  // PL/pgSQL has words of its own (`REVERSE f()`), which look like names.
  const isBehindOperand =
    previous === AFTER_OPERAND || previous === AFTER_CLOSE || previous === AFTER_TRUE || previous === AFTER_NAME
  if (isBehindOperand && (!scan.isProcedural || (previous !== AFTER_NAME && keyword === 0))) return false
  if (
    isBehindOperand &&
    previous !== AFTER_NAME &&
    (keyword === K.OVER || keyword === K.FILTER || keyword === K.WITHIN)
  )
    return false
  // `EXPLAIN INSERT INTO t (a)`: a table with its columns.
  if (previousKeyword === K.INTO && previous === AFTER_OTHER && !scan.isProcedural) return false
  if (category === CATEGORY_FUNCTION) {
    if (isBehindOperand || previous === AFTER_FUNCTION_KEYWORD) return false
    if (previous === AFTER_KEYWORD) return previousKeyword === K.BY
    return previousKeyword !== K.NOT
  }
  if (category !== CATEGORY_UNRESERVED) return true
  switch (keyword) {
    case K.ROLLUP:
    case K.CUBE:
      if (((scan.flags[scan.depth] as number) & F.GROUP_BY) === 0) return true
      return (
        previous !== AFTER_COMMA &&
        previousKeyword !== K.BY &&
        previousKeyword !== K.ALL &&
        previousKeyword !== K.DISTINCT
      )
    case K.SETS:
      return previousKeyword !== K.GROUPING
    case K.FIRST:
    case K.NEXT:
      return previousKeyword !== K.FETCH
    case K.BY:
      return previousKeyword !== K.GROUP && previousKeyword !== K.ORDER && previousKeyword !== K.PARTITION
    // `interval '1' day to second(2)`
    case K.SECOND:
      return previousKeyword !== K.TO
    case K.ZONE:
      return previousKeyword !== K.TIME
    default:
      return true
  }
}

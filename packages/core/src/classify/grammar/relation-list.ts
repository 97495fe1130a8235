import { K } from '../sql/keywords.ts'
import { F, P, type Scan } from './scan.ts'

const { RELATIONS, SELECTS, WITH_LIST } = F
const { COMMA: AFTER_COMMA, OTHER: AFTER_OTHER, START: AFTER_START } = P

/** Whether a name here names a common table expression: behind WITH, RECURSIVE or a comma of the list. */
export function isTableExpressionName(scan: Scan): boolean {
  if (((scan.flags[scan.depth] as number) & WITH_LIST) === 0) return false
  return scan.previous === AFTER_COMMA || scan.previousKeyword === K.WITH || scan.previousKeyword === K.RECURSIVE
}

/** Ends the lists that end where another clause begins. */
export function endWithList(scan: Scan): void {
  scan.flags[scan.depth] = (scan.flags[scan.depth] as number) & ~ENDED
}

/** What a parenthesis is that is not a call's. */
export function flagsOfOpened(scan: Scan): number {
  if (isRelation(scan)) return RELATIONS
  return scan.previousKeyword === K.CAST ? F.CAST : 0
}

/** What ends where another clause begins. */
export const ENDED: number = WITH_LIST | F.GROUP_BY | SELECTS | RELATIONS

/** From here on names may be those of relations. */
export function beginRelations(scan: Scan): void {
  if (scan.knowledge === undefined) return
  scan.flags[scan.depth] = (scan.flags[scan.depth] as number) | RELATIONS
}

/**
 * Whether the name here is looked up as a whole: that of a relation, or of a table expression. Not in a body, which has variables,
 * and words of its own.
 */
export function isLookedUp(scan: Scan): boolean {
  if (scan.inventory === undefined || scan.isProcedural) return false
  if (((scan.flags[scan.depth] as number) & (RELATIONS | WITH_LIST)) === 0) return false
  return isRelation(scan) || isTableExpressionName(scan)
}

/** Whether a name here names a relation: behind FROM, JOIN, TABLE, ONLY, a comma of the list, or a parenthesis in it. */
export function isRelation({ flags, depth, previous, previousKeyword }: Scan): boolean {
  if (((flags[depth] as number) & RELATIONS) === 0) return false
  switch (previous) {
    case AFTER_COMMA:
    case AFTER_START:
      return true
    case AFTER_OTHER:
      return previousKeyword === K.FROM || previousKeyword === K.ONLY || previousKeyword === K.TABLE
    default:
      return previousKeyword === K.JOIN
  }
}

/** Raises the verdict for relations that the database does not have, except those that the text itself defines. */
export function raiseMissing(scan: Scan): void {
  for (const { name, start, end } of scan.missingRelations.splice(0)) {
    if (!scan.expressions.has(name)) scan.raise('unknown', 'newer-than-catalog', start, end)
  }
}

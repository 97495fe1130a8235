import type { Scan } from './scan.ts'

/** Words behind which Postgres calls an operator that the text does not write: `=`, `<>`, `<`, `<=`, `>`, `>=`, `~~` and its kin. */
const IMPLY =
  /\b(?:in|any|some|all|like|ilike|similar|between|nullif|case|distinct|using|natural|order|group|union|intersect|except|greatest|least|over|unique)\b/i

/**
 * Raises the verdict where a word may call one of the database's own operators that is no read. Such an operator is rare, so this is
 * coarse: the word counts wherever it stands. Where there is none, it costs nothing.
 */
export function seeImpliedOperators(scan: Scan): void {
  const known = scan.knowledge?.findImplied?.()
  if (known === undefined || known.access === 'read') return
  const match = IMPLY.exec(scan.lexer.sql)
  if (match !== null) scan.raiseKnown(known, match.index, match.index + match[0].length)
}

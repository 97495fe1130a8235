import { F, P, type Scan } from './scan.ts'

const { OPERAND_FOLLOWS, MAY_RUN_TEXT, SET_CONFIG } = F
const { START, DISTINCT_ON, TRUE, OTHER, CLOSE } = P

/** Remembers what has just been read, for the token behind it. */
export function pass(scan: Scan, previous: number): void {
  scan.previous = previous
  scan.previousKeyword = 0
}

export function openParenthesis(scan: Scan, flags: number): void {
  const inherited = (scan.flags[scan.depth] as number) & MAY_RUN_TEXT
  scan.depth++
  scan.flags[scan.depth] = (scan.previous === DISTINCT_ON ? OPERAND_FOLLOWS : flags) | inherited
  pass(scan, START)
}

export function closeParenthesis(scan: Scan): void {
  if (scan.depth === 0) {
    scan.raiseHere('write', 'syntax')
    return
  }
  const flags = scan.flags[scan.depth] as number
  scan.depth--
  if ((flags & SET_CONFIG) !== 0) {
    if (scan.previous === TRUE) scan.isTransactionLocal = true
    else scan.raiseHere('session', 'session-state')
  }
  pass(scan, (flags & OPERAND_FOLLOWS) !== 0 ? OTHER : CLOSE)
}

import type { IsolationLevel, TransactionControl, TransactionModes } from '../../statement/statement.ts'
import { K } from '../sql/keywords.ts'
import { T } from '../sql/tokens.ts'
import { getKeyword } from '../sql/word-list.ts'
import { getInformation } from '../sql/words.ts'
import type { Scan } from './scan.ts'

/** The keyword at the current token, 0 when it is none. */
export function keywordHere(scan: Scan): number {
  return scan.lexer.kind === T.WORD ? getKeyword(getInformation(scan.lexer.word)) : 0
}

/** Steps over the current token when it is `keyword`. */
export function take(scan: Scan, keyword: number): boolean {
  if (keywordHere(scan) !== keyword) return false
  scan.lexer.next()
  return true
}

const takeWorkOrTransaction = (scan: Scan): boolean => take(scan, K.WORK) || take(scan, K.TRANSACTION)

const NO_MODES: TransactionModes = Object.freeze({
  isolation: undefined,
  isReadOnly: undefined,
  isDeferrable: undefined,
})
const COMMIT: TransactionControl = Object.freeze({ kind: 'commit', isChained: false })
const COMMIT_CHAINED: TransactionControl = Object.freeze({ kind: 'commit', isChained: true })
const ROLLBACK: TransactionControl = Object.freeze({ kind: 'rollback', isChained: false })
const ROLLBACK_CHAINED: TransactionControl = Object.freeze({ kind: 'rollback', isChained: true })
const BEGIN: TransactionControl = Object.freeze({ kind: 'begin', modes: NO_MODES })
const SAVEPOINT: TransactionControl = Object.freeze({ kind: 'savepoint' })
const RELEASE: TransactionControl = Object.freeze({ kind: 'release-savepoint' })
const ROLLBACK_TO: TransactionControl = Object.freeze({ kind: 'rollback-to-savepoint' })
const TWO_PHASE: TransactionControl = Object.freeze({ kind: 'two-phase' })

/** Reads the statement that the transaction keyword at the current token begins; leaves the token behind what it understood. */
export function seeTransaction(scan: Scan, keyword: number): void {
  const { start, end } = scan.lexer
  scan.raise('session', 'transaction-control', start, end)
  scan.lexer.next()
  switch (keyword) {
    case K.BEGIN:
      takeWorkOrTransaction(scan)
      scan.control = begin(scan, start, end)
      break
    case K.START:
      if (take(scan, K.TRANSACTION)) scan.control = begin(scan, start, end)
      else scan.raise('write', 'syntax', start, end)
      break
    case K.SAVEPOINT:
      scan.control = SAVEPOINT
      scan.lexer.next()
      break
    case K.RELEASE:
      scan.control = RELEASE
      take(scan, K.SAVEPOINT)
      scan.lexer.next()
      break
    case K.COMMIT:
    case K.END:
      scan.control = prepared(scan, start) ?? (chains(scan) ? COMMIT_CHAINED : COMMIT)
      break
    default:
      scan.control = prepared(scan, start) ?? rollback(scan)
  }
}

function begin(scan: Scan, start: number, end: number): TransactionControl {
  const modes = readModes(scan, start, end)
  return modes === NO_MODES ? BEGIN : Object.freeze({ kind: 'begin', modes })
}

function prepared(scan: Scan, start: number): TransactionControl | undefined {
  if (keywordHere(scan) !== K.PREPARED) return undefined
  scan.raise('write', 'two-phase', start, scan.lexer.end)
  scan.lexer.next()
  scan.lexer.next()
  return TWO_PHASE
}

/** PREPARE TRANSACTION; the current token is TRANSACTION. */
export function seePrepareTransaction(scan: Scan, start: number): void {
  scan.raise('write', 'two-phase', start, scan.lexer.end)
  scan.control = TWO_PHASE
  scan.lexer.next()
  scan.lexer.next()
}

function chains(scan: Scan): boolean {
  takeWorkOrTransaction(scan)
  if (!take(scan, K.AND)) return false
  const isChained = !take(scan, K.NO)
  take(scan, K.CHAIN)
  return isChained
}

function rollback(scan: Scan): TransactionControl {
  takeWorkOrTransaction(scan)
  if (!take(scan, K.TO)) return chains(scan) ? ROLLBACK_CHAINED : ROLLBACK
  take(scan, K.SAVEPOINT)
  scan.lexer.next()
  return ROLLBACK_TO
}

/** SET TRANSACTION; the current token is behind TRANSACTION. */
export function seeSetTransaction(scan: Scan, start: number, end: number): void {
  if (take(scan, K.SNAPSHOT)) {
    // A snapshot is known only to the node that exported it: the primary.
    scan.raise('write', 'transaction-control', start, end)
    scan.lexer.next()
    return
  }
  scan.raise('session', 'transaction-control', start, end)
  scan.control = Object.freeze({ kind: 'set-transaction', modes: readModes(scan, start, end) })
}

/** Transaction modes from the current token on. READ WRITE and SERIALIZABLE need the primary: a standby refuses them. */
function readModes(scan: Scan, start: number, end: number): TransactionModes {
  const lexer = scan.lexer
  let isolation: IsolationLevel | undefined
  let isReadOnly: boolean | undefined
  let isDeferrable: boolean | undefined
  let isEmpty = true
  for (;;) {
    if (take(scan, K.ISOLATION)) {
      take(scan, K.LEVEL)
      isolation = readLevel(scan)
    } else if (take(scan, K.READ)) {
      isReadOnly = keywordHere(scan) === K.ONLY
      lexer.next()
    } else if (take(scan, K.DEFERRABLE)) isDeferrable = true
    else if (take(scan, K.NOT)) {
      isDeferrable = false
      lexer.next()
    } else if (lexer.kind === T.COMMA && !isEmpty) lexer.next()
    else break
    isEmpty = false
  }
  if (isReadOnly === false || isolation === 'serializable') scan.raise('write', 'transaction-control', start, end)
  return isEmpty ? NO_MODES : Object.freeze({ isolation, isReadOnly, isDeferrable })
}

function readLevel(scan: Scan): IsolationLevel | undefined {
  if (take(scan, K.SERIALIZABLE)) return 'serializable'
  if (take(scan, K.REPEATABLE)) {
    take(scan, K.READ)
    return 'repeatable read'
  }
  if (!take(scan, K.READ)) return undefined
  if (take(scan, K.UNCOMMITTED)) return 'read uncommitted'
  take(scan, K.COMMITTED)
  return 'read committed'
}

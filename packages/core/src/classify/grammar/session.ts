import { K } from '../sql/keywords.ts'
import { T } from '../sql/tokens.ts'
import { DottedName, getText, isNodeSetting } from './names.ts'
import type { Scan } from './scan.ts'
import { keywordHere, seeSetTransaction, take } from './transaction.ts'

const dotted: DottedName = new DottedName()

/** SET …; the current token is SET. */
export function seeSet(scan: Scan): void {
  const { start, end } = scan.lexer
  scan.lexer.next()
  if (take(scan, K.LOCAL)) return seeLocal(scan, start, end)
  if (take(scan, K.TRANSACTION)) return seeSetTransaction(scan, start, end)
  // What it defers, it defers until the end of the transaction.
  if (take(scan, K.CONSTRAINTS)) {
    scan.isTransactionLocal = true
    return scan.raise('read', 'transaction-local', start, end)
  }
  scan.raise('session', 'session-state', start, end)
}

/** LOCAL and a setting that does not steer the transaction, at the current token: it is gone with the transaction. */
export function isHarmlessLocal(scan: Scan): boolean {
  if (!take(scan, K.LOCAL)) return false
  const kind = scan.lexer.kind
  if (kind !== T.WORD && kind !== T.QUOTED) return false
  dotted.read(scan)
  return dotted.count > 1 || !isNodeSetting(getText(scan, dotted.last))
}

function seeLocal(scan: Scan, start: number, end: number): void {
  const kind = scan.lexer.kind
  if (kind === T.WORD || kind === T.QUOTED) {
    dotted.read(scan)
    // These steer the transaction itself: a standby refuses READ WRITE and SERIALIZABLE in this clothing too.
    if (dotted.count === 1 && isNodeSetting(getText(scan, dotted.last))) {
      return scan.raise('write', 'transaction-control', start, end)
    }
    scan.isTransactionLocal = true
  } else scan.raise('write', 'syntax', start, end)
}

/** Settings that are compiled in or came with the data folder: the same on a primary and its standbys. */
const CONSTANT_SETTINGS: ReadonlySet<string> = new Set([
  'server_version',
  'server_version_num',
  'server_encoding',
  'max_identifier_length',
  'block_size',
  'wal_block_size',
  'segment_size',
  'wal_segment_size',
  'integer_datetimes',
  'data_checksums',
  'max_index_keys',
  'max_function_args',
  'lc_collate',
  'lc_ctype',
])

/** SHOW …: the state of this session, unless it is the same everywhere. */
export function seeShow(scan: Scan): void {
  const { start, end } = scan.lexer
  const kind = scan.lexer.next()
  if (kind !== T.WORD && kind !== T.QUOTED) return scan.raise('write', 'syntax', start, end)
  dotted.read(scan)
  const name = getText(scan, dotted.last)
  if (dotted.count === 1 && CONSTANT_SETTINGS.has(name)) return
  if (isNodeSetting(name)) scan.raiseQuestion('session', start, end)
  else scan.raise('session', 'session-state', start, end)
  // It leaves nothing behind, and inside a transaction it asks about the session that the transaction is in.
  scan.isTransactionLocal = true
}

/** UNLISTEN, RESET and the like need nothing more than their first word; this tells whether one of `keywords` is behind it. */
export const isFollowedBy = (scan: Scan, keyword: number): boolean => keywordHere(scan) === keyword

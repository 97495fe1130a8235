import type { AccessReason } from '../../statement/statement.ts'
import { findExtensionReason } from '../names/extension-names.ts'
import type { Known } from '../names/knowledge.ts'
import { decodeString } from '../sql/decode-string.ts'
import {
  FUNCTION_CURRENT_SETTING,
  FUNCTION_KINDS,
  FUNCTION_READS,
  FUNCTION_SET_CONFIG,
  getFunctionKind,
} from '../sql/word-list.ts'
import { findName, getInformation } from '../sql/words.ts'
import type { Scan } from './scan.ts'

const WORDS = /[a-z_\u0080-\uffff][\w$\u0080-\uffff]*/gi
const QUOTED = /"((?:[^"]|"")+)"/g
/** Behind the name of a call: its parenthesis, or the end of a constant, to which one may be put at run time. */
const BEHIND_CALL = /\s*(?:"?\s*\(|["']*\s*$|')/y

/** Statements that a standby accepts, for its own session. */
const OF_SESSION =
  /(?:^|;\s*|')(?:set\s+(?!local\b)(?:session\s+)?(?:[\w."]+\s*(?:=|\bto\b)|(?:role|session|time\s+zone|names|transaction)\b)|reset\s+\w|discard\s+(?:all|plans|temp|sequences)\b|load\s+'|prepare\s+\w+\s*(?:as\b|\()|deallocate\s+\w|lock\s+table\b)/i

/** A call of what a value names, or of what is written in escapes. */
const HIDES_CALL = /%(?:\d+\$)?[is]"?\s*\(|\\[xu0-7]/i

/**
 * Looks through a constant of which no more is known than that it, or a part of it, may be run: for every name, and every
 * statement, that a standby would accept in silence. What it refuses needs no look: that is tried.
 */
export function seeNamesInText(scan: Scan, text: string, start: number, end: number): void {
  if (OF_SESSION.test(text)) scan.raise('session', 'session-state', start, end)
  if (HIDES_CALL.test(text)) scan.raise('write', 'procedural-code', start, end)
  for (const { 0: word, index } of text.matchAll(WORDS)) {
    BEHIND_CALL.lastIndex = index + word.length
    const mayBeCall = BEHIND_CALL.test(text)
    const folded = word.toLowerCase()
    seeNameInText(scan, folded, mayBeCall, start, end)
    if (folded !== word) seeNameInText(scan, word, mayBeCall, start, end)
  }
  for (const [, quoted = ''] of text.matchAll(QUOTED)) {
    seeNameInText(scan, quoted.replaceAll('""', '"'), true, start, end)
  }
}

function seeNameInText(scan: Scan, name: string, mayBeCall: boolean, start: number, end: number): void {
  const { knowledge } = scan
  const call = mayBeCall ? knowledge?.findFunction(undefined, name) : undefined
  const own = mayBeCall && call?.reason !== 'override' ? knownOfOwn(name) : undefined
  if (!mayBeCall && SEQUENCE_COLUMNS.has(name)) scan.raise('write', 'sequence', start, end)
  for (const known of [call, own, knowledge?.findRelation(undefined, name), knowledge?.findType?.(undefined, name)]) {
    if (known !== undefined) scan.raise(known.runsArguments === true ? 'write' : known.access, known.reason, start, end)
  }
}

const SEQUENCE_COLUMNS: ReadonlySet<string> = new Set(['last_value', 'is_called', 'log_cnt'])

function knownOfOwn(name: string): Known | undefined {
  const kind = getFunctionKind(getInformation(findName(name)))
  if (kind === FUNCTION_READS || kind === FUNCTION_CURRENT_SETTING) return undefined
  if (kind === FUNCTION_SET_CONFIG) return { access: 'session', reason: 'session-state' }
  const reason = kind === 0 ? findExtensionReason(name) : (FUNCTION_KINDS[kind] as AccessReason)
  if (reason === undefined) return undefined
  // Its text is a part of this one, and is looked through with it.
  if (reason === 'procedural-code') return { access: 'unknown', reason }
  return { access: reason === 'session-state' ? 'session' : 'write', reason }
}

/** The constant at `start`, an argument of a function that names what it reads: a relation, or a type. */
export function seeNamedInText(scan: Scan, start: number, end: number): void {
  const text = decodeString(scan.lexer.sql.slice(start, end))
  // An oid.
  if (text === undefined || /^\s*\d+\s*$/.test(text)) return scan.raise('write', 'procedural-code', start, end)
  seeNamesInText(scan, text, start, end)
}

import type { Statement } from '../statement/statement.ts'
import { Lexer } from './sql/lexer.ts'
import { decodeQuoted, T } from './sql/tokens.ts'

/**
 * What a text needs of the session that it runs in (B2).
 *
 * - `none`: any session will do.
 * - `better`: it runs in any, and is better off in one of its own: a change of the schema.
 * - `own`: it leaves something in the session, or relies on what was left there.
 * - `own-outside`: the same outside a transaction only; inside, it belongs to that.
 */
export type SessionNeed = 'none' | 'better' | 'own' | 'own-outside'

/** A need, and the word that shows it. */
export interface SessionVerdict {
  readonly need: SessionNeed
  readonly word: string | undefined
}

const NONE: SessionVerdict = Object.freeze({ need: 'none', word: undefined })

const RANK: Readonly<Record<SessionNeed, number>> = { none: 0, better: 1, 'own-outside': 2, own: 3 }

/** Functions that leave something in the session, or give what it has. Those of the transaction (`pg_advisory_xact_lock`) are none. */
const FUNCTIONS: Readonly<Record<string, SessionNeed>> = {
  pg_advisory_lock: 'own',
  pg_advisory_lock_shared: 'own',
  pg_try_advisory_lock: 'own',
  pg_try_advisory_lock_shared: 'own',
  pg_advisory_unlock: 'own',
  pg_advisory_unlock_shared: 'own',
  pg_advisory_unlock_all: 'own',
  pg_listening_channels: 'own',
  setseed: 'own',
  currval: 'own-outside',
  lastval: 'own-outside',
  dblink_connect: 'own',
  dblink_connect_u: 'own',
  dblink_disconnect: 'own',
  pg_replication_origin_session_setup: 'own',
  pg_replication_origin_session_reset: 'own',
}

/** Kinds of verdict that say enough by themselves. */
const BY_REASON: Readonly<Partial<Record<Statement['reason'], SessionNeed>>> = {
  'schema-change': 'better',
  maintenance: 'better',
  'prepared-statement': 'own',
}

/** Texts without any of these need not be looked at word by word. */
const MAY_DECIDE =
  /temp|advisory|set_config|setseed|currval|lastval|listen|dblink|origin_session|reset|discard|load|execute|deallocate|u&/i

const lexer = new Lexer()

/** What the text that `statement` is the verdict on needs of its session; `text` is `undefined` where it does not show. */
export function sessionNeedOf(statement: Statement, text: string | undefined): SessionVerdict {
  // A plain read calls nothing that is not known to be one.
  if (statement.reason === 'reads-only' || statement.control !== undefined) return NONE
  return strongest(byReason(statement), text === undefined || !MAY_DECIDE.test(text) ? NONE : byWords(text))
}

/** Whether it needs a session of its own in a transaction, or outside one. */
export function needsOwnSession({ need }: SessionVerdict, isInTransaction: boolean): boolean {
  return need === 'own' || (need === 'own-outside' && !isInTransaction)
}

function byReason({ access, reason, token, isTransactionLocal }: Statement): SessionVerdict {
  const need = BY_REASON[reason]
  if (need !== undefined) return { need, word: token }
  if (access !== 'session') return NONE
  switch (reason) {
    case 'session-state':
      // SHOW asks what every session has; what was SET before, it finds only where that was kept.
      return isTransactionLocal ? NONE : { need: 'own', word: token === ')' ? 'set_config' : token }
    case 'notification':
      return { need: 'own', word: token }
    case 'cursor':
      return { need: isTransactionLocal ? 'own-outside' : 'own', word: token }
    default:
      return NONE
  }
}

/** Looks at every word: the verdict on a write stops at the first one that decides. */
function byWords(text: string): SessionVerdict {
  lexer.open(text)
  let verdict = NONE
  let before = ''
  let isBeginning = true
  let isCreating = false
  let temporary: string | undefined
  let endsWithTransaction = false
  for (let kind = lexer.next(); kind !== T.END; kind = lexer.next()) {
    if (kind === T.SEMICOLON) {
      isBeginning = true
      isCreating = false
      before = ''
      continue
    }
    const word = nameHere(kind)
    if (word === undefined) {
      before = ''
      isBeginning = false
      continue
    }
    if (isBeginning) {
      isCreating = word === 'create'
      if (OWN_BY_FIRST_WORD.has(word)) verdict = strongest(verdict, { need: 'own', word })
    }
    const isTemporary = word === 'temp' || word === 'temporary'
    if (isTemporary && (isCreating || before === 'into')) temporary = word
    if (word === 'pg_temp') verdict = strongest(verdict, { need: 'own', word })
    if (before === 'commit' && word === 'drop') endsWithTransaction = true
    const need = Object.hasOwn(FUNCTIONS, word) ? FUNCTIONS[word] : undefined
    if (need !== undefined && isCallNext()) verdict = strongest(verdict, { need, word })
    if (word === 'set_config' && isCallNext() && !isLocalCall()) verdict = strongest(verdict, { need: 'own', word })
    // `CREATE [OR REPLACE] [GLOBAL | LOCAL] TEMP`: a column of that name stands behind a parenthesis or an operator.
    isCreating &&= word === 'create' || word === 'or' || word === 'replace' || word === 'global' || word === 'local'
    isBeginning = false
    before = word
  }
  if (temporary === undefined) return verdict
  return strongest(verdict, { need: endsWithTransaction ? 'own-outside' : 'own', word: temporary })
}

/** `DEALLOCATE`, `EXECUTE` and the like have a verdict of their own; these may stand behind a write in one text. */
const OWN_BY_FIRST_WORD: ReadonlySet<string> = new Set([
  'listen',
  'unlisten',
  'reset',
  'discard',
  'load',
  'execute',
  'deallocate',
])

function nameHere(kind: number): string | undefined {
  const { sql, start, end } = lexer
  if (kind === T.WORD) return end - start > 64 ? '' : sql.slice(start, end).toLowerCase()
  return kind === T.QUOTED && end - start <= 128 ? decodeQuoted(sql.slice(start, end)) : undefined
}

function isCallNext(): boolean {
  return /^\s*\(/.test(lexer.sql.slice(lexer.end, lexer.end + 8))
}

/** Whether the call at the current word ends in `, true)`; the lexer goes on behind the name. */
function isLocalCall(): boolean {
  const rest = lexer.sql.slice(lexer.end, lexer.end + 4_000)
  return /^\s*\([^;]*?,\s*(?:true|'t'|'true')\s*\)/i.test(rest)
}

function strongest(one: SessionVerdict, other: SessionVerdict): SessionVerdict {
  return RANK[other.need] > RANK[one.need] ? other : one
}

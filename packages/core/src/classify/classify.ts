import type { Access, AccessReason, Statement } from '../statement/statement.ts'
import { seeImpliedOperators } from './grammar/implied-operators.ts'
import { Scan } from './grammar/scan.ts'
import { seeStatement } from './grammar/statements.ts'
import { ACCESS_RANK, type Knowledge } from './names/knowledge.ts'
import { HINT_PRIMARY } from './sql/comments.ts'
import type { Escapes } from './sql/lexer.ts'
import { T } from './sql/tokens.ts'

const NO_FUNCTIONS: readonly string[] = Object.freeze([])
const ACCESSES: readonly Access[] = ['read', 'unknown', 'session', 'write']

function plain(reason: AccessReason, count: number): Statement {
  return Object.freeze({
    access: 'read',
    reason,
    token: undefined,
    position: -1,
    functions: NO_FUNCTIONS,
    count,
    control: undefined,
    isTransactionLocal: false,
    isNodeQuestion: false,
  })
}

const READ: Statement = plain('reads-only', 1)
const EMPTY: Statement = plain('empty', 0)

const AMBIGUOUS: Statement = Object.freeze({ ...EMPTY, access: 'write', reason: 'syntax', count: 1 })

const scan = new Scan()

/**
 * What the text `sql` needs: one pass, in time linear in its length; never throws, reads no clock and does no I/O.
 *
 * Where the text depends on `standard_conforming_strings`, it is read both ways, and the stricter verdict counts.
 *
 * Without `knowledge`, whatever is not Postgres's own is `unknown`. The text alone does not show: casts that call a user's
 * function, attribute notation (`t.audit` calls `audit(t)` when there is no such column), domain checks, row security,
 * views and rules that write, unlogged, foreign and temporary tables, and user functions or operators that share a name
 * with one of Postgres's own. That is what {@link Knowledge} is for.
 */
export function classify(sql: string, knowledge?: Knowledge): Statement {
  const statement = classifyAs('on', sql, knowledge)
  return scan.lexer.isAmbiguous ? strictestReading(statement, sql, knowledge) : statement
}

function strictestReading(statement: Statement, sql: string, knowledge: Knowledge | undefined): Statement {
  const other = classifyAs('off', sql, knowledge)
  if (scan.lexer.isRefused) return statement
  if (statement.access === 'write') return statement
  // What begins, ends or follows a transaction must not be in doubt.
  if (other.count !== statement.count || (other.control ?? statement.control) !== undefined) return AMBIGUOUS
  return ACCESS_RANK[other.access] > ACCESS_RANK[statement.access] ? other : statement
}

function classifyAs(escapes: Escapes, sql: string, knowledge: Knowledge | undefined): Statement {
  scan.open(sql, knowledge, false, escapes)
  const { lexer } = scan
  let count = 0
  let kind = lexer.next()
  for (;;) {
    while (kind === T.SEMICOLON) kind = lexer.next()
    if (kind === T.END) break
    count++
    if (count > 1) {
      scan.control = undefined
      scan.isTransactionLocal = false
    }
    seeStatement(scan)
    kind = lexer.kind
  }
  if (knowledge !== undefined) seeImpliedOperators(scan)
  if (count > 1) {
    scan.control = undefined
    scan.isTransactionLocal = false
  }
  return result(scan, count)
}

function result(
  { lexer, rank, reason, tokenStart, tokenEnd, functions, control, isTransactionLocal, isMoreThanQuestion }: Scan,
  count: number,
): Statement {
  const isHinted = rank < 3 && (lexer.hint & HINT_PRIMARY) !== 0
  if (rank === 0 && !isHinted && !isTransactionLocal)
    return count === 1 ? READ : count === 0 ? EMPTY : plain('reads-only', count)
  const isLocalRead = rank === 0 && isTransactionLocal
  return Object.freeze({
    access: isHinted ? 'write' : (ACCESSES[rank] ?? 'write'),
    reason: isHinted ? 'hint' : isLocalRead ? 'transaction-local' : reason,
    token: isHinted || tokenStart < 0 ? undefined : lexer.sql.slice(tokenStart, tokenEnd),
    position: isHinted ? -1 : tokenStart,
    functions: functions.length === 0 ? NO_FUNCTIONS : functions,
    count,
    control,
    isTransactionLocal: isTransactionLocal && rank < 3,
    isNodeQuestion: reason === 'node-local' && !isMoreThanQuestion && (lexer.hint & HINT_PRIMARY) === 0,
  })
}

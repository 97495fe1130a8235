import type { Access, AccessReason, TransactionControl } from '../../statement/statement.ts'
import { ACCESS_RANK, type Inventory, isGivingWay, type Knowledge, type Known } from '../names/knowledge.ts'
import { type Escapes, Lexer } from '../sql/lexer.ts'

/** What the token before the current one was, as far as it tells a call from a name. */
export const P = {
  /** Nothing: a statement or a parenthesis has just begun. */
  START: 0,
  /** An operator or a reserved word: an operand follows. */
  OTHER: 1,
  /** A literal, parameter or subscript: no call can follow at once. */
  OPERAND: 2,
  /** A plain name: what follows at once can only be its alias. */
  NAME: 3,
  CLOSE: 4,
  /** A word that may be a name or syntax (`BY`, `FIRST`, `data`): a call may follow. */
  KEYWORD: 5,
  FUNCTION_KEYWORD: 6,
  COMMA: 7,
  /** `TRUE` straight after a comma: the last argument of `set_config`. */
  TRUE: 8,
  DISTINCT_ON: 9,
} as const

/** What a parenthesis is. */
export const F = {
  /** `substring(` and `overlay(`: FOR is no lock. */
  FOR_IS_SYNTAX: 1,
  SET_CONFIG: 2,
  /** Between WITH and its main statement. */
  WITH_LIST: 4,
  /** What follows the closing parenthesis is an operand: `DISTINCT ON (…)`. */
  OPERAND_FOLLOWS: 8,
  GROUP_BY: 16,
  /** The arguments of a function that may run text which it is given. */
  MAY_RUN_TEXT: 32,
  /** Behind SELECT: a FROM begins a list of relations. */
  SELECTS: 64,
  /** Between FROM and what ends its list. */
  RELATIONS: 128,
  /** `CAST(`: behind AS stands a type. */
  CAST: 256,
} as const

const COUNTS_WHEN_PLANNED: ReadonlySet<AccessReason> = new Set(['syntax', 'unlogged', 'newer-than-catalog'])

const UNKNOWN_RANK = ACCESS_RANK.unknown

/** The state of one pass over one text. Made once and used again: a pass allocates nothing but its result. */
export class Scan {
  readonly lexer: Lexer = new Lexer()
  knowledge: Knowledge | undefined
  /** Which names the database has; `undefined` when that is not known. */
  inventory: Inventory | undefined
  /** Table expressions of the text itself, and cursors of a PL/pgSQL body, which are opened as functions are called. */
  readonly expressions: Set<string> = new Set()
  readonly cursors: Set<string> = new Set()
  /** Relations that the database does not have; a table expression may be named so further on. */
  missingRelations: { readonly name: string; readonly start: number; readonly end: number }[] = []
  /** Whether the text is a PL/pgSQL body: statements also begin after THEN, LOOP and so on; INTO assigns. */
  isProcedural = false
  /** Whether a relation may stand anywhere: the text is no query but a statement around one, which EXPLAIN plans. */
  isLoose = false
  /** EXPLAIN without ANALYZE: nothing runs but what the planner runs; so only that, a syntax error or an unreadable relation counts. */
  isDry = false

  rank = 0
  reason: AccessReason = 'reads-only'
  tokenStart = -1
  tokenEnd = -1
  functions: string[] = []
  seen: Set<string> | undefined
  /** Whether something was called that neither the catalog nor `knowledge` knows. */
  hasUnseenCall = false
  control: TransactionControl | undefined
  isTransactionLocal = false
  /** Whether something needs the primary that is more than a question to a server about itself. */
  isMoreThanQuestion = false
  /** PL/pgSQL only. */
  hasExceptionBlock = false
  hasDynamicQuery = false
  /** Whether the text that it makes up holds what its callers give it. */
  runsArguments = false

  previous = 0
  previousKeyword = 0
  depth = 0
  /** By depth: bits of `F`. */
  flags: number[] = [0]

  open(sql: string, knowledge: Knowledge | undefined, isProcedural: boolean, escapes: Escapes = 'unknown'): void {
    this.lexer.open(sql, escapes)
    this.knowledge = knowledge
    this.inventory = knowledge?.inventory
    if (this.expressions.size > 0) this.expressions.clear()
    if (this.cursors.size > 0) this.cursors.clear()
    if (this.missingRelations.length > 0) this.missingRelations = []
    this.isProcedural = isProcedural
    this.isLoose = false
    this.isDry = false
    this.rank = 0
    this.reason = 'reads-only'
    this.tokenStart = -1
    this.tokenEnd = -1
    if (this.functions.length > 0) this.functions = []
    this.seen = undefined
    this.hasUnseenCall = false
    this.control = undefined
    this.isTransactionLocal = false
    this.isMoreThanQuestion = false
    this.hasExceptionBlock = false
    this.hasDynamicQuery = false
    this.runsArguments = false
    if (this.flags.length > 1024) this.flags = [0]
  }

  /**
   * Raises the verdict; the first reason of the highest access stays. Except among reasons for `unknown`: there the app's own
   * word gives way to what is not known at all, and both give way to what is newer than the catalog.
   */
  raise(access: Access, reason: AccessReason, start: number, end: number): void {
    const rank = ACCESS_RANK[access]
    if (rank > UNKNOWN_RANK) this.isMoreThanQuestion = true
    if (rank < this.rank) return
    if (rank === this.rank && (rank !== UNKNOWN_RANK || !isGivingWay(this.reason, reason))) return
    if (this.isDry && !COUNTS_WHEN_PLANNED.has(reason)) return
    this.rank = rank
    this.reason = reason
    this.tokenStart = start
    this.tokenEnd = end
  }

  /** Raises the verdict for a question to a server about itself: the primary is asked unless the app chose the server. */
  raiseQuestion(access: 'session' | 'write', start: number, end: number): void {
    const { isMoreThanQuestion } = this
    this.raise(access, 'node-local', start, end)
    this.isMoreThanQuestion = isMoreThanQuestion
  }

  /**
   * Raises the verdict for what a database's own object needs, under EXPLAIN too: the planner runs functions that say they are
   * immutable, or stable, to make constants and estimates of them.
   */
  raiseKnown({ access, reason, runsArguments }: Known, start: number, end: number): void {
    const { isDry } = this
    this.isDry = false
    // Only a call shows what it is given.
    this.raise(runsArguments === true ? 'write' : access, reason, start, end)
    this.isDry = isDry
  }

  /** Raises the verdict because of the current token. */
  raiseHere(access: Access, reason: AccessReason): void {
    this.raise(access, reason, this.lexer.start, this.lexer.end)
  }

  /** Remembers a function that we cannot see into, once. */
  addFunction(name: string): void {
    if (this.isDry) return
    if (this.functions.length < 8) {
      if (!this.functions.includes(name)) this.functions.push(name)
      return
    }
    this.seen ??= new Set(this.functions)
    if (this.seen.has(name)) return
    this.seen.add(name)
    this.functions.push(name)
  }
}

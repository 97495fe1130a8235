import type { Access, AccessReason } from '../../statement/statement.ts'
import { ACCESS_RANK, type Knowledge } from '../names/knowledge.ts'
import { K } from '../sql/keywords.ts'
import type { Escapes } from '../sql/lexer.ts'
import { T } from '../sql/tokens.ts'
import { seeDynamicText } from './dynamic-text.ts'
import { seeImpliedOperators } from './implied-operators.ts'
import { scanQuery } from './query.ts'
import { Scan } from './scan.ts'
import { seeStatement } from './statements.ts'
import { seeNamesInText } from './text-to-run.ts'
import { keywordHere } from './transaction.ts'

/** The verdict on the body of a function, a procedure or a DO. */
export interface Body {
  readonly access: Access
  readonly reason: AccessReason
  /** Names that it calls and that neither the catalog nor `knowledge` knows. */
  readonly functions: readonly string[]
  /** Whether it holds an EXCEPTION block, which may swallow a standby's refusal. */
  readonly hasExceptionBlock: boolean
  /** Whether it runs text that it makes up (`EXECUTE`). */
  readonly hasDynamicQuery: boolean
  /** Whether that text holds what its callers give it: `unknown` only where they give it constants. */
  readonly runsArguments: boolean
}

/**
 * Classifies the body of a function in `sql` or `plpgsql`; in any other language it is looked through for names, and at best `unknown`.
 *
 * With an EXCEPTION block, what is not proven to only read is a `write` because it `swallows-errors`: on a standby such
 * a body answers OK and the write is lost.
 */
export function classifyBody(language: string, body: string, knowledge?: Knowledge): Body {
  return seeBody(language, body, knowledge)
}

export function seeBody(language: string, body: string, knowledge: Knowledge | undefined): Body {
  if (language !== 'sql' && language !== 'plpgsql') return seeForeignBody(body, knowledge)
  const scan = new Scan()
  const verdict = readBody(scan, 'on', language, body, knowledge)
  if (!scan.lexer.isAmbiguous) return verdict
  const other = readBody(scan, 'off', language, body, knowledge)
  return scan.lexer.isRefused || ACCESS_RANK[other.access] <= ACCESS_RANK[verdict.access] ? verdict : other
}

/** Of a language that we do not parse: it is tried, unless a name in it is of something that a standby would accept in silence. */
function seeForeignBody(body: string, knowledge: Knowledge | undefined): Body {
  const scan = new Scan()
  scan.open('', knowledge, false)
  scan.raise('unknown', 'procedural-code', 0, 0)
  seeNamesInText(scan, body, 0, 0)
  return bodyOf(scan)
}

function readBody(
  scan: Scan,
  escapes: Escapes,
  language: 'sql' | 'plpgsql',
  body: string,
  knowledge: Knowledge | undefined,
): Body {
  scan.open(body, knowledge, language === 'plpgsql', escapes)
  scan.lexer.next()
  if (language === 'plpgsql') scanQuery(scan)
  else seeSqlBody(scan)
  if (scan.hasDynamicQuery) seeDynamicText(scan, body, escapes)
  seeImpliedOperators(scan)
  if (scan.rank > 0 && scan.hasExceptionBlock) {
    scan.raise('write', 'swallows-errors', 0, 0)
    scan.reason = 'swallows-errors'
  }
  return bodyOf(scan)
}

const ACCESSES = ['read', 'unknown', 'session', 'write'] as const

function bodyOf(scan: Scan): Body {
  return {
    access: ACCESSES[scan.rank] ?? 'write',
    reason: scan.reason,
    functions: scan.functions,
    hasExceptionBlock: scan.hasExceptionBlock,
    hasDynamicQuery: scan.hasDynamicQuery,
    runsArguments: scan.runsArguments && scan.rank === UNKNOWN,
  }
}

const UNKNOWN = 1

/** SQL: statements, `RETURN expression`, or `BEGIN ATOMIC …; END`. */
function seeSqlBody(scan: Scan): void {
  const lexer = scan.lexer
  const keyword = keywordHere(scan)
  if (keyword === K.RETURN) {
    lexer.next()
    return scanQuery(scan)
  }
  const isAtomic = keyword === K.BEGIN
  if (isAtomic) {
    lexer.next()
    if (keywordHere(scan) === K.ATOMIC) lexer.next()
  }
  for (;;) {
    while (lexer.kind === T.SEMICOLON) lexer.next()
    if (lexer.kind === T.END) return
    if (isAtomic && keywordHere(scan) === K.END) {
      lexer.next()
      continue
    }
    if (isAtomic && keywordHere(scan) === K.RETURN) {
      lexer.next()
      scanQuery(scan)
    } else seeStatement(scan)
  }
}

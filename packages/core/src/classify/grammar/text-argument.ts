import { K } from '../sql/keywords.ts'
import { T } from '../sql/tokens.ts'
import { getKeyword } from '../sql/word-list.ts'
import { getInformation } from '../sql/words.ts'
import { READS_NAMED_FIRST, READS_NAMED_SECOND, RUNS_ANY, RUNS_SECOND } from './names.ts'
import { F, type Scan } from './scan.ts'
import { seeNamedInText } from './text-to-run.ts'

/**
 * Looks whether a call of a function of Postgres's own shows the text that it runs, or the name of what it reads: only a constant
 * does. The current token, the `(`, stays. Returns flags for the parenthesis of the call.
 */
export function watchText(scan: Scan, functionKind: number, start: number, end: number): number {
  const shown = constantsOf(scan)
  if (functionKind === READS_NAMED_FIRST || functionKind === READS_NAMED_SECOND) {
    // Without a catalog a relation is taken for a table, and a type for Postgres's own, wherever it is named.
    if (scan.knowledge === undefined) return 0
    const argument = functionKind === READS_NAMED_FIRST ? 0 : 1
    if (shown?.[argument] === WHOLE) {
      // The other arguments name nothing: of `pg_input_is_valid('42', 'xid')` the first is a value.
      seeNamedInText(scan, starts[argument] ?? start, ends[argument] ?? end)
      return 0
    }
    scan.raise('write', 'procedural-code', start, end)
    return 0
  }
  if (!isShown(functionKind, shown)) scan.raiseKnown({ access: 'write', reason: 'procedural-code' }, start, end)
  return F.MAY_RUN_TEXT
}

function isShown(functionKind: number, shown: readonly number[] | undefined): boolean {
  if (shown === undefined) return false
  if (functionKind === RUNS_ANY) return shown.every((constant) => constant >= WHOLE)
  if (functionKind !== RUNS_SECOND) return isText(shown[0])
  // The form of ts_rewrite that runs nothing has three arguments.
  return shown.length === 3 || isText(shown[1])
}

/** What is constant of an argument: nothing, how it begins, or all of it; or that it is a number or the like, and no text. */
const NONE = 0
const BEGINNING = 1
const WHOLE = 2
const NO_TEXT = 3

const isText = (constant: number | undefined): boolean => constant === BEGINNING || constant === WHOLE

const PLAIN_WORDS: ReadonlySet<number> = new Set([K.TRUE, K.FALSE, K.NULL])

/** How many tokens of a call are looked at ahead, so that the time stays linear. */
const LONGEST_CALL = 64

/** Where the arguments of the call looked at last begin, and where their first tokens end. */
const starts: number[] = []
const ends: number[] = []

/** What is constant of each argument; `undefined` for a call that is too long. */
function constantsOf({ lexer }: Scan): readonly number[] | undefined {
  const { start, end, kind, word, isEscaped } = lexer
  const constants: number[] = []
  let isAtStart = true
  let depth = 1
  lexer.next()
  for (let tokens = 0; depth > 0 && tokens < LONGEST_CALL && lexer.kind !== T.END; tokens++) {
    const { kind: current, start: from, end: to } = lexer
    const isPlainWord = current === T.WORD && PLAIN_WORDS.has(getKeyword(getInformation(lexer.word)))
    const following = lexer.next()
    if (isAtStart) {
      const isWhole = following === T.COMMA || following === T.CLOSE || following === T.CAST
      starts[constants.length] = from
      ends[constants.length] = to
      if (current === T.STRING) constants.push(isWhole ? WHOLE : BEGINNING)
      else if (current !== T.CLOSE) constants.push(isWhole && (current === T.NUMBER || isPlainWord) ? NO_TEXT : NONE)
    }
    // `'a'::text || b`
    if (current === T.OPERATOR && depth === 1 && constants.length > 0) {
      const last = constants.length - 1
      constants[last] = isText(constants[last]) ? BEGINNING : NONE
    }
    if (current === T.OPEN || current === T.OPEN_BRACKET) depth++
    else if (current === T.CLOSE || current === T.CLOSE_BRACKET) depth--
    isAtStart = current === T.COMMA && depth === 1
  }
  lexer.backTo(start, end, kind, word, isEscaped)
  return depth > 0 ? undefined : constants
}

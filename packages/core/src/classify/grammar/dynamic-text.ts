import { decodeString } from '../sql/decode-string.ts'
import { K } from '../sql/keywords.ts'
import { type Escapes, Lexer } from '../sql/lexer.ts'
import { T } from '../sql/tokens.ts'
import { getKeyword } from '../sql/word-list.ts'
import { getInformation } from '../sql/words.ts'
import { type Ingredients, NOTHING, nameAt, PLAIN_TYPES, readIngredients, UNSEEN } from './ingredients.ts'
import type { Scan } from './scan.ts'
import { seeNamesInText } from './text-to-run.ts'

/**
 * Looks at what a PL/pgSQL body with a dynamic query may run, whose words have all been seen: at each of its constants, and at
 * all that goes into the text beside them. Text that is a caller's shows where the function is called with constants. Text from
 * anywhere else can be anything.
 */
export function seeDynamicText(scan: Scan, body: string, escapes: Escapes): void {
  const lexer = new Lexer()
  lexer.open(body, escapes)
  const look = (text: string): void => seeNamesInText(scan, text, 0, 0)
  const sources = new Sources()
  const executed: Ingredients[] = []
  let first: string | undefined
  let selected: Ingredients | undefined
  let isExecute = false
  let isDeclaration = false
  let hasBegun = false
  let kind = lexer.next()
  while (kind !== T.END) {
    const keyword = kind === T.WORD ? getKeyword(getInformation(lexer.word)) : 0
    if (kind === T.SEMICOLON || STARTS.has(keyword)) {
      // What an inner block declares is not the same everywhere.
      if (keyword === K.DECLARE) isDeclaration = !hasBegun
      else if (keyword === K.BEGIN) {
        isDeclaration = false
        hasBegun = true
      }
      first = undefined
      selected = undefined
      isExecute = false
      kind = lexer.next()
    } else if (keyword === K.EXECUTE) {
      isExecute = true
      lexer.next()
      executed.push(readIngredients(lexer, look))
      kind = lexer.kind
    } else if (keyword === K.SELECT && selected === undefined) {
      lexer.next()
      selected = readIngredients(lexer, look)
      kind = lexer.kind
      // A column of a table is no variable, and of several columns nobody counts which is whose.
      const isFrom = kind === T.WORD && getKeyword(getInformation(lexer.word)) === K.FROM
      if (kind === T.COMMA || (isFrom && selected.variables.length > 0)) selected = UNSEEN
    } else if (keyword === K.INTO) {
      kind = lexer.next()
      if (kind === T.WORD && nameAt(lexer) === 'strict') kind = lexer.next()
      while (kind === T.WORD || kind === T.QUOTED) {
        const target = nameAt(lexer)
        kind = lexer.next()
        const source: Ingredients = isExecute || kind === T.COMMA ? UNSEEN : (selected ?? UNSEEN)
        sources.note(target, source.variables.length === 0 || kind === T.SEMICOLON ? source : UNSEEN)
        if (kind !== T.COMMA) break
        kind = lexer.next()
      }
    } else if (keyword === K.FOR) {
      kind = lexer.next()
      if (isDeclaration && first !== undefined) sources.note(first, aliasOf(lexer))
      else if (kind === T.WORD || kind === T.QUOTED) kind = seeLoop(lexer, sources)
    } else if (first !== undefined && isAssignment(lexer, kind)) {
      lexer.next()
      sources.note(first, readIngredients(lexer, look, first))
      first = undefined
      kind = lexer.kind
    } else {
      if (first !== undefined && ASSIGNING.has(first) && (kind === T.WORD || kind === T.QUOTED)) {
        sources.note(nameAt(lexer), UNSEEN)
        kind = lexer.next()
      } else if (first === undefined && (kind === T.WORD || kind === T.QUOTED)) {
        first = nameAt(lexer)
        kind = lexer.next()
        if (isDeclaration) sources.declare(first, kind === T.WORD ? nameAt(lexer) : undefined)
      } else kind = lexer.next()
    }
  }
  seeConstants(scan, lexer, body, escapes)
  weigh(scan, sources, executed)
}

/** Statements that give their values to variables which they name: GET DIAGNOSTICS, FOREACH, a procedure's INOUT parameters. */
const ASSIGNING: ReadonlySet<string> = new Set(['get', 'foreach', 'call', 'fetch'])

/** `q ALIAS FOR $1`; the current token is behind FOR. */
function aliasOf(lexer: Lexer): Ingredients {
  const { kind, sql, start, end } = lexer
  return { ...NOTHING, variables: [kind === T.PARAMETER ? sql.slice(start, end) : nameAt(lexer)] }
}

/** `FOR i IN 1..9 LOOP`, at `i`: a number, or whatever a query or a cursor brings. Returns the kind of the token behind. */
function seeLoop(lexer: Lexer, sources: Sources): number {
  const name = nameAt(lexer)
  const isIn = lexer.next() === T.WORD && nameAt(lexer) === 'in'
  if (isIn && lexer.peek() === T.NUMBER) sources.declare(name, 'int')
  else sources.note(name, UNSEEN)
  return lexer.kind
}

function seeConstants(scan: Scan, lexer: Lexer, body: string, escapes: Escapes): void {
  lexer.open(body, escapes)
  for (let kind = lexer.next(); kind !== T.END; kind = lexer.next()) {
    if (kind !== T.STRING) continue
    const text = lexer.sql.slice(lexer.start, lexer.end)
    seeNamesInText(scan, decodeString(text) ?? text, 0, 0)
  }
}

function weigh(scan: Scan, sources: Sources, executed: readonly Ingredients[]): void {
  const { isUnseen, isOfCaller, names } = sources.reach(executed)
  if (isUnseen) scan.raise('write', 'procedural-code', 0, 0)
  if (isOfCaller) scan.runsArguments = true
  if (names.length === 0) return
  // A name alone does harm where the database has something to name.
  const named = scan.knowledge?.findNamed?.()
  if (named === undefined || named.access === 'read') return
  const reached = sources.reach(names)
  if (reached.isUnseen) scan.raise(named.access, named.reason, 0, 0)
  else if (reached.isOfCaller) scan.runsArguments = true
}

const STARTS: ReadonlySet<number> = new Set([K.BEGIN, K.THEN, K.ELSE, K.LOOP, K.DECLARE])

/** All that may go into a text, through whatever variables. */
interface Reached {
  readonly isUnseen: boolean
  /** Whether a parameter of the function does. */
  readonly isOfCaller: boolean
  readonly names: readonly Ingredients[]
}

/** Where the variables of a body get their text from. */
class Sources {
  readonly #assigned = new Map<string, Ingredients[]>()
  readonly #declared = new Set<string>()
  readonly #plain = new Set<string>()

  declare(name: string, type: string | undefined): void {
    this.#declared.add(name)
    if (type !== undefined && PLAIN_TYPES.has(type)) this.#plain.add(name)
  }

  note(name: string, source: Ingredients): void {
    const sources = this.#assigned.get(name)
    if (sources === undefined) this.#assigned.set(name, [source])
    else sources.push(source)
  }

  /** Each variable is looked at once. */
  reach(executed: readonly Ingredients[]): Reached {
    const waiting = [...executed]
    const seen = new Set<string>()
    let isUnseen = false
    const names: Ingredients[] = []
    let isOfCaller = false
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      isUnseen ||= next.isUnseen
      names.push(...next.names)
      for (const variable of next.variables) {
        if (seen.has(variable) || this.#plain.has(variable)) continue
        seen.add(variable)
        for (const source of this.#assigned.get(variable) ?? []) waiting.push(source)
        if (!this.#declared.has(variable)) isOfCaller = true
      }
    }
    return { isUnseen, isOfCaller, names }
  }
}

function isAssignment({ sql, start, end }: Lexer, kind: number): boolean {
  if (kind === T.MARK) return sql.startsWith(':=', start)
  if (kind === T.WORD) return end - start === 7 && sql.slice(start, end).toLowerCase() === 'default'
  return kind === T.OPERATOR && end - start === 1 && sql.charAt(start) === '='
}

import { decodeString } from '../sql/decode-string.ts'
import { K } from '../sql/keywords.ts'
import type { Lexer } from '../sql/lexer.ts'
import { T } from '../sql/tokens.ts'
import { getKeyword } from '../sql/word-list.ts'
import { getInformation } from '../sql/words.ts'

/** What a text is put together of, as far as the expression that makes it shows. */
export interface Ingredients {
  /** Variables and parameters whose text goes in as it is. */
  readonly variables: readonly string[]
  /** What goes in as a name and nothing else: `%I`, `quote_ident()`. */
  readonly names: readonly Ingredients[]
  /** Whether something goes in of which nothing is known, or a word is put together of pieces. */
  readonly isUnseen: boolean
}

export const UNSEEN: Ingredients = { variables: [], names: [], isUnseen: true }
export const NOTHING: Ingredients = { variables: [], names: [], isUnseen: false }

/** Functions that give back what they are given, one behind the other. */
const JOINS: ReadonlySet<string> = new Set(
  'concat concat_ws coalesce nullif btrim ltrim rtrim trim lower upper array_to_string string_agg'.split(' '),
)
const TO_LITERAL: ReadonlySet<string> = new Set(['quote_literal', 'quote_nullable'])
/** Types whose values are no words of SQL. */
export const PLAIN_TYPES: ReadonlySet<string> = new Set(
  'int int2 int4 int8 integer bigint smallint oid numeric decimal real float float4 float8 double date time timestamp timestamptz interval boolean bool uuid'.split(
    ' ',
  ),
)
const NAME_TYPES: ReadonlySet<string> = new Set(['regclass', 'regtype'])

/** A word that the next piece may go on with. */
const ENDS_IN_WORD = /[a-z_\u0080-\uffff][\w$\u0080-\uffff]*$/i
const BEGINS_IN_WORD = /^[\w$\u0080-\uffff]/
const BEGINS_IN_CALL = /^"?\s*\(/
const CONVERSION = /%(?:(\d+)\$)?(?:-?(?:\d+|\*(?:\d+\$)?)?)([sIL%])/g

/**
 * Reads the expression at the current token, up to what ends it; the current token becomes that. Calls `look` with
 * constants that stand side by side, as the one text that they make. `own` is the variable that gets the result: it may go on with
 * what it was.
 */
export function readIngredients(lexer: Lexer, look: (text: string) => void, own?: string, nesting = 0): Ingredients {
  const mixture = new Mixture(look, own, nesting)
  let depth = 0
  for (;;) {
    const { kind } = lexer
    if (kind === T.END || kind === T.SEMICOLON) break
    if (kind === T.OPEN) {
      depth++
      lexer.next()
    } else if (kind === T.CLOSE) {
      if (--depth < 0) break
      lexer.next()
    } else if (kind === T.COMMA && depth === 0) break
    else if (kind === T.WORD && depth === 0 && ENDS.has(keywordAt(lexer))) break
    else readOperand(lexer, mixture, look)
  }
  mixture.end()
  return mixture
}

/** Deeper calls are not looked into: a text is as deep as it likes, our stack is not. */
const MAXIMUM_NESTING = 16

const ENDS: ReadonlySet<number> = new Set([K.INTO, K.USING, K.LOOP, K.FROM, K.THEN])
const SKIPPED: ReadonlySet<number> = new Set([
  ...[K.CASE, K.WHEN, K.THEN, K.ELSE, K.END, K.AND, K.OR, K.NOT, K.NULL, K.TRUE, K.FALSE, K.IS, K.ORDER, K.BY],
])

function readOperand(lexer: Lexer, mixture: Mixture, look: (text: string) => void): void {
  const { kind } = lexer
  if (kind === T.STRING) {
    const constant = lexer.sql.slice(lexer.start, lexer.end)
    mixture.addConstant(decodeString(constant) ?? constant)
    lexer.next()
  } else if (kind === T.PARAMETER) {
    mixture.addVariable(lexer.sql.slice(lexer.start, lexer.end))
    lexer.next()
  } else if (kind === T.WORD || kind === T.QUOTED) readNamed(lexer, mixture, look)
  else {
    if (kind === T.NUMBER) mixture.addPlain()
    if (kind === T.OPEN_BRACKET || kind === T.BAD) mixture.addUnseen()
    lexer.next()
  }
}

function readNamed(lexer: Lexer, mixture: Mixture, look: (text: string) => void): void {
  const keyword = lexer.kind === T.WORD ? keywordAt(lexer) : 0
  if (keyword === K.SELECT || keyword === K.VALUES || keyword === K.TABLE) mixture.addUnseen()
  if (SKIPPED.has(keyword)) {
    lexer.next()
    return
  }
  const name = nameAt(lexer)
  const behind = lexer.next()
  if (behind === T.DOT) {
    lexer.next()
    lexer.next()
    mixture.addUnseen()
  } else if (behind === T.CAST) {
    lexer.next()
    const type = nameAt(lexer)
    if (PLAIN_TYPES.has(type)) mixture.addPlain()
    else if (NAME_TYPES.has(type)) mixture.addName({ ...NOTHING, variables: [name] })
    else mixture.addVariable(name)
    lexer.next()
  } else if (behind !== T.OPEN) mixture.addVariable(name)
  else if (mixture.nesting > MAXIMUM_NESTING) {
    skipCall(lexer)
    mixture.addUnseen()
  } else if (name === 'format') readFormat(lexer, mixture, look)
  else if (TO_LITERAL.has(name)) {
    skipCall(lexer)
    mixture.addLiteral()
  } else if (name === 'quote_ident') {
    lexer.next()
    mixture.addName(readIngredients(lexer, look, undefined, mixture.nesting + 1))
    if (lexer.kind === T.CLOSE) lexer.next()
    else mixture.addUnseen()
  } else if (!JOINS.has(name)) {
    skipCall(lexer)
    mixture.addUnseen()
  }
  // Of the others the `(` is next: what it holds is put in as it is.
}

/** `format('…', …)`; the current token is its `(`. */
function readFormat(lexer: Lexer, mixture: Mixture, look: (text: string) => void): void {
  lexer.next()
  const constant = lexer.kind === T.STRING ? decodeString(lexer.sql.slice(lexer.start, lexer.end)) : undefined
  const isWhole = constant !== undefined && [T.COMMA, T.CLOSE].some((kind) => kind === lexer.peek())
  const given: Ingredients[] = []
  for (;;) {
    given.push(readIngredients(lexer, look, undefined, mixture.nesting + 1))
    if (lexer.kind === T.COMMA) lexer.next()
    else break
  }
  if (lexer.kind === T.CLOSE) lexer.next()
  else return mixture.addUnseen()
  if (!isWhole || constant === undefined) {
    for (const each of given) mixture.addAll(each)
    return
  }
  let from = 0
  let argument = 1
  for (const match of constant.matchAll(CONVERSION)) {
    const [whole, position, conversion] = match
    mixture.addConstant(constant.slice(from, match.index))
    from = match.index + whole.length
    if (conversion === '%') {
      mixture.addConstant('%')
      continue
    }
    if (position !== undefined) argument = Number(position)
    if (conversion === 'L') mixture.addLiteral()
    else if (conversion === 'I') mixture.addName(given[argument] ?? UNSEEN)
    else mixture.addAll(whole.includes('*') ? UNSEEN : (given[argument] ?? UNSEEN))
    argument++
  }
  mixture.addConstant(constant.slice(from))
}

/** Steps over a call; the current token is its `(`. */
function skipCall(lexer: Lexer): void {
  let depth = 0
  do {
    if (lexer.kind === T.OPEN) depth++
    else if (lexer.kind === T.CLOSE) depth--
    else if (lexer.kind === T.END) return
    lexer.next()
  } while (depth > 0)
}

class Mixture implements Ingredients {
  readonly variables: string[] = []
  readonly names: Ingredients[] = []
  isUnseen = false
  /** The constant that ends what has been put together by now; `undefined` behind anything else. */
  #constant: string | undefined = ''
  #pieces = 0
  #isBehindWord = false
  readonly #look: (text: string) => void
  readonly #own: string | undefined

  /** How many calls deep in the expression it stands. */
  readonly nesting: number

  constructor(look: (text: string) => void, own: string | undefined, nesting: number) {
    this.nesting = nesting
    this.#look = look
    this.#own = own
  }

  addConstant(text: string): void {
    if (text === '') return
    if (this.#constant === undefined) {
      // Part of a word, or the name of a call, comes from elsewhere.
      if (this.#isBehindWord && (BEGINS_IN_WORD.test(text) || BEGINS_IN_CALL.test(text))) this.isUnseen = true
      this.#constant = ''
      this.#pieces = 0
    }
    this.#constant += text
    this.#pieces++
  }

  addVariable(name: string): void {
    if (name === this.#own) this.addLiteral()
    else this.#addWord()
    this.variables.push(name)
  }

  addName(name: Ingredients): void {
    this.#addWord()
    this.names.push(name)
  }

  addPlain(): void {
    this.#addWord()
  }

  addLiteral(): void {
    this.end()
    this.#isBehindWord = false
  }

  addUnseen(): void {
    this.isUnseen = true
  }

  addAll({ variables, names, isUnseen }: Ingredients): void {
    this.#addWord()
    this.variables.push(...variables)
    this.names.push(...names)
    this.isUnseen ||= isUnseen
  }

  #addWord(): void {
    if (this.#constant === undefined ? this.#isBehindWord : ENDS_IN_WORD.test(this.#constant.slice(-64)))
      this.isUnseen = true
    this.end()
    this.#isBehindWord = true
  }

  /** What was constant by now is followed by something else. */
  end(): void {
    if (this.#constant !== undefined && this.#pieces > 1) this.#look(this.#constant)
    this.#constant = undefined
  }
}

function keywordAt({ word }: Lexer): number {
  return getKeyword(getInformation(word))
}

export function nameAt({ kind, sql, start, end }: Lexer): string {
  return kind === T.QUOTED ? sql.slice(start + 1, end - 1).replaceAll('""', '"') : sql.slice(start, end).toLowerCase()
}

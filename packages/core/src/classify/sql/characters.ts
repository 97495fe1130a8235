import { BEYOND_ASCII } from './bytes.ts'
import { T } from './tokens.ts'

const { CLOSE, CLOSE_BRACKET, COMMA, OPEN, OPEN_BRACKET, SEMICOLON } = T

/**
 * What one byte of a text may begin. Destructure it where it is used in a loop: the optimizing compiler folds a module's
 * own constants, not those that it imports.
 */
export const C = {
  SPACE: 1,
  LETTER: 2,
  DIGIT: 3,
  OPERATOR_CODE: 4,
  SINGLE_QUOTE: 5,
  DOUBLE_QUOTE: 6,
  DOLLAR: 7,
  DOT_CODE: 12,
  COLON: 13,
  SLASH_CODE: 16,
  DASH_CODE: 17,
  /** From here on: a token of its own, of the kind that is left when this is taken off. */
  PUNCTUATION: 32,
} as const
const { SPACE, LETTER, DIGIT, OPERATOR_CODE, SINGLE_QUOTE, DOUBLE_QUOTE, DOLLAR, DOT_CODE } = C
const { COLON, SLASH_CODE, DASH_CODE, PUNCTUATION } = C

export const CLASS: Uint8Array = new Uint8Array(256)
/** The folded code of what may continue an identifier, 0 for the rest. */
export const FOLDED: Uint8Array = new Uint8Array(256)
/** `+` and `-` at the end of an operator are signs, unless it holds a special character. */
export const OPERATOR_KIND: Uint8Array = new Uint8Array(256)
const PLAIN = 1
export const SIGN = 2
export const SPECIAL = 3

function assign(characters: string, kind: number): void {
  for (const character of characters) CLASS[character.charCodeAt(0)] = kind
}
assign(' \t\n\r\f\v', SPACE)
assign('abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_', LETTER)
assign('0123456789', DIGIT)
assign('~!@#^&|`?+*%<>=', OPERATOR_CODE)
assign('/', SLASH_CODE)
assign('-', DASH_CODE)
assign("'", SINGLE_QUOTE)
assign('"', DOUBLE_QUOTE)
assign('$', DOLLAR)
assign('(', PUNCTUATION + OPEN)
assign(')', PUNCTUATION + CLOSE)
assign(',', PUNCTUATION + COMMA)
assign(';', PUNCTUATION + SEMICOLON)
assign('.', DOT_CODE)
assign(':', COLON)
assign('[', PUNCTUATION + OPEN_BRACKET)
assign(']', PUNCTUATION + CLOSE_BRACKET)
for (const character of 'abcdefghijklmnopqrstuvwxyz0123456789_$')
  FOLDED[character.charCodeAt(0)] = character.charCodeAt(0)
for (let code = 65; code <= 90; code++) FOLDED[code] = code + 32
CLASS[BEYOND_ASCII] = LETTER
FOLDED[BEYOND_ASCII] = BEYOND_ASCII
for (const character of '*/<>=') OPERATOR_KIND[character.charCodeAt(0)] = PLAIN
for (const character of '+-') OPERATOR_KIND[character.charCodeAt(0)] = SIGN
for (const character of '~!@#^&|`?%') OPERATOR_KIND[character.charCodeAt(0)] = SPECIAL

/** Single code units that the lexer looks for; to be destructured likewise. */
export const U = {
  QUOTE: 39,
  BACKSLASH: 92,
  NEWLINE: 10,
  RETURN: 13,
  DASH: 45,
  STAR: 42,
  SLASH: 47,
  BLANK: 32,
  DOLLAR_SIGN: 36,
  CLOSING: 41,
  COMMA_SIGN: 44,
  SEMICOLON_SIGN: 59,
} as const

export function isLetter(code: number): boolean {
  return CLASS[code] === LETTER
}
export function isDigit(code: number): boolean {
  return code >= 48 && code <= 57
}

export const isHexLetter = (code: number): boolean => {
  const lower = code | 32
  return lower >= 97 && lower <= 102
}

import { T } from './tokens.ts'

const { CLOSE, CLOSE_BRACKET, COMMA, OPEN, OPEN_BRACKET, SEMICOLON } = T

/** What one code unit may begin. Plain constants of this module, which the optimizing compiler folds. */
export const SPACE = 1
export const LETTER = 2
export const DIGIT = 3
export const OPERATOR_CODE = 4
export const SINGLE_QUOTE = 5
export const DOUBLE_QUOTE = 6
export const DOLLAR = 7
export const DOT_CODE = 12
export const COLON = 13
export const SLASH_CODE = 16
export const DASH_CODE = 17
/** From here on: a token of its own, of the kind that is left when this is taken off. */
export const PUNCTUATION = 32

export const CLASS: Uint8Array = new Uint8Array(128)
/** The folded code of what may continue an identifier, 0 for the rest. */
export const FOLDED: Uint8Array = new Uint8Array(128)
/** `+` and `-` at the end of an operator are signs, unless it holds a special character. */
export const OPERATOR_KIND: Uint8Array = new Uint8Array(128)
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
for (const character of '*/<>=') OPERATOR_KIND[character.charCodeAt(0)] = PLAIN
for (const character of '+-') OPERATOR_KIND[character.charCodeAt(0)] = SIGN
for (const character of '~!@#^&|`?%') OPERATOR_KIND[character.charCodeAt(0)] = SPECIAL

export const QUOTE = 39
export const BACKSLASH = 92
export const NEWLINE = 10
export const RETURN = 13
export const DASH = 45
export const STAR = 42
export const SLASH = 47

export function isLetter(code: number): boolean {
  return code < 128 ? CLASS[code] === LETTER : code >= 128
}
export function isDigit(code: number): boolean {
  return code >= 48 && code <= 57
}

export const isHexLetter = (code: number): boolean => {
  const lower = code | 32
  return lower >= 97 && lower <= 102
}

import { isDigit, isHexLetter, isLetter } from './characters.ts'

const [PLUS, MINUS, DOT, ZERO, UNDERSCORE] = [43, 45, 46, 48, 95]
/** In lower case: `0x`, `0o`, `0b`, and the letter of an exponent. */
const [X, O, B, E] = [120, 111, 98, 101]
const TO_LOWER_CASE = 32

/** The offset behind a number; negative when it ends in a letter: before PostgreSQL 15 `1FROM t` was a number and a word. */
export function numberEnd(bytes: Uint8Array, start: number): number {
  let position = start
  let code = bytes[position] as number
  const radix = (bytes[position + 1] as number) | TO_LOWER_CASE
  if (code === ZERO && (radix === X || radix === O || radix === B)) {
    position += 2
    for (code = bytes[position] as number; isDigit(code) || code === UNDERSCORE || (radix === X && isHexLetter(code)); )
      code = bytes[++position] as number
    return position === start + 2 || isLetter(code) ? -position : position
  }
  position = digitsEnd(bytes, position)
  // `1..10` is a number, two dots and a number.
  if (bytes[position] === DOT && bytes[position + 1] !== DOT) position = digitsEnd(bytes, position + 1)
  code = bytes[position] as number
  if ((code | TO_LOWER_CASE) === E) {
    const sign = bytes[position + 1] as number
    const exponent = sign === PLUS || sign === MINUS ? position + 2 : position + 1
    if (isDigit(bytes[exponent] as number)) position = digitsEnd(bytes, exponent)
    code = bytes[position] as number
  }
  return isLetter(code) ? -position : position
}

function digitsEnd(bytes: Uint8Array, from: number): number {
  let position = from
  for (;;) {
    const code = bytes[position] as number
    const isSeparated = code === UNDERSCORE && isDigit(bytes[position + 1] as number) && position > from
    if (!isDigit(code) && !isSeparated) return position
    position += 1
  }
}

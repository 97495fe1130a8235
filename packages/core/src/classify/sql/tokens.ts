/** Kinds of token. Whitespace and comments are no tokens: they are the gaps between `end` of one and `start` of the next. */
export const T = {
  END: 0,
  /** An unquoted identifier or keyword. */
  WORD: 1,
  /** `"…"` or `U&"…"`. */
  QUOTED: 2,
  /** Any string: `'…'`, `E'…'`, `U&'…'`, `B'…'`, `X'…'`, `N'…'`, `$tag$…$tag$`. */
  STRING: 3,
  NUMBER: 4,
  PARAMETER: 5,
  OPERATOR: 6,
  OPEN: 7,
  CLOSE: 8,
  COMMA: 9,
  SEMICOLON: 10,
  DOT: 11,
  /** `::` */
  CAST: 12,
  /** `:=`, `=>`, `:` and `..` */
  MARK: 13,
  OPEN_BRACKET: 14,
  CLOSE_BRACKET: 15,
  /** What Postgres's lexer refuses, or what is read otherwise by another server version or setting. */
  BAD: 16,
} as const

/** Decodes `""` and `U&"…"` with its escape character; `undefined` when the escapes are not valid. */
export function decodeQuoted(text: string, escapeCharacter = '\\'): string | undefined {
  const isUnicode = text.charCodeAt(0) !== 34
  const inner = text.slice(isUnicode ? 3 : 1, -1).replaceAll('""', '"')
  if (!isUnicode) return inner
  let decoded = ''
  for (let index = 0; index < inner.length; ) {
    const character = inner.charAt(index)
    if (character !== escapeCharacter) {
      decoded += character
      index++
      continue
    }
    if (inner.charAt(index + 1) === escapeCharacter) {
      decoded += escapeCharacter
      index += 2
      continue
    }
    const isLong = inner.charAt(index + 1) === '+'
    const from = index + (isLong ? 2 : 1)
    const digits = inner.slice(from, from + (isLong ? 6 : 4))
    if (digits.length !== (isLong ? 6 : 4) || !/^[0-9a-f]+$/i.test(digits)) return undefined
    const point = Number.parseInt(digits, 16)
    if (point === 0 || point > 0x10ffff) return undefined
    decoded += String.fromCodePoint(point)
    index = from + digits.length
  }
  return decoded
}

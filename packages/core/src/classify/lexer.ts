import {
  BACKSLASH,
  CLASS,
  COLON,
  DASH,
  DASH_CODE,
  DIGIT,
  DOLLAR,
  DOT_CODE,
  DOUBLE_QUOTE,
  FOLDED,
  isDigit,
  isHexLetter,
  isLetter,
  LETTER,
  NEWLINE,
  OPERATOR_CODE,
  OPERATOR_KIND,
  PUNCTUATION,
  QUOTE,
  RETURN,
  SIGN,
  SINGLE_QUOTE,
  SLASH,
  SLASH_CODE,
  SPACE,
  SPECIAL,
  STAR,
} from './characters.ts'
import { T } from './tokens.ts'
import { findWord, hashStep } from './words.ts'

const { END, WORD, QUOTED, STRING, NUMBER, PARAMETER, OPERATOR, DOT, CAST, MARK, BAD } = T

/** Hints that a comment may hold. */
export const HINT_PRIMARY = 1
export const HINT_REPLICA = 2
const HINT = /^headwater:[ \t]{0,8}(primary|replica)(?![\w-])/i

/**
 * PostgreSQL's lexical rules (`scan.l` of 18, `standard_conforming_strings = on`), one token at a time, each code unit
 * looked at a bounded number of times. Never throws: what it cannot read becomes a `BAD` token.
 */
export class Lexer {
  sql = ''
  kind = 0
  start = 0
  end = 0
  /** The word's entry in the table, 0 when it has none. For `WORD` and `QUOTED`. */
  word = 0
  /** Whether a quoted identifier must be decoded: it holds `""` or unicode escapes. */
  isEscaped = false
  hint = 0
  #runStart = 0
  #runEnd = 0
  /** Where the operator that begins the run ends, its signs taken off. */
  #runStop = 0

  open(sql: string): void {
    this.sql = sql
    this.kind = END
    this.start = 0
    this.end = 0
    this.hint = 0
    this.#runStart = 0
    this.#runEnd = 0
    this.#runStop = 0
  }

  /** Reads the next token and returns its kind. */
  next(): number {
    const sql = this.sql
    const length = sql.length
    const classes = CLASS
    let position = this.end
    while (position < length) {
      const code = sql.charCodeAt(position)
      const start = code < 128 ? (classes[code] as number) : LETTER
      if (start === SPACE) {
        position++
        continue
      }
      if (start === LETTER) return this.#word(position, code)
      if (start >= PUNCTUATION) return this.#emit(start - PUNCTUATION, position, position + 1)
      switch (start) {
        case DIGIT:
          return this.#number(position)
        case DASH_CODE:
          if (sql.charCodeAt(position + 1) === DASH) {
            position = this.#lineComment(position)
            continue
          }
          return this.#operator(position)
        case SLASH_CODE:
          if (sql.charCodeAt(position + 1) === STAR) {
            position = this.#blockComment(position)
            if (position < 0) return this.#emit(BAD, -position - 1, length)
            continue
          }
          return this.#operator(position)
        case OPERATOR_CODE:
          return this.#operator(position)
        case SINGLE_QUOTE:
          return this.#plainString(position, position + 1)
        case DOUBLE_QUOTE:
          return this.#quoted(position, position + 1, false)
        case DOLLAR:
          return this.#dollar(position)
        case DOT_CODE:
          if (isDigit(sql.charCodeAt(position + 1))) return this.#number(position)
          if (sql.charCodeAt(position + 1) === 46) return this.#emit(MARK, position, position + 2)
          return this.#emit(DOT, position, position + 1)
        case COLON: {
          const following = sql.charCodeAt(position + 1)
          if (following === 58) return this.#emit(CAST, position, position + 2)
          return this.#emit(MARK, position, following === 61 ? position + 2 : position + 1)
        }
        default:
          return this.#emit(BAD, position, position + 1)
      }
    }
    return this.#emit(END, length, length)
  }

  #emit(kind: number, start: number, end: number): number {
    this.start = start
    this.end = end
    this.kind = kind
    return kind
  }

  #word(start: number, first: number): number {
    const sql = this.sql
    const length = sql.length
    const table = FOLDED
    let hash = 0
    let isAscii = true
    let position = start
    for (; position < length; position++) {
      const code = sql.charCodeAt(position)
      if (code >= 128) {
        isAscii = false
        continue
      }
      const folded = table[code] as number
      if (folded === 0) {
        // A prefix only counts when it is the whole word and the quote follows at once.
        if (position - start === 1) {
          if (code === QUOTE) {
            const prefix = first | 32
            if (prefix === 101) return this.#escapedString(start, position + 1)
            if (prefix === 98 || prefix === 120 || prefix === 110) return this.#plainString(start, position + 1)
          } else if (code === 38 && (first | 32) === 117) {
            const quote = sql.charCodeAt(position + 1)
            if (quote === QUOTE) return this.#plainString(start, position + 2)
            if (quote === 34) return this.#quoted(start, position + 2, true)
          }
        }
        break
      }
      hash = hashStep(hash, folded)
    }
    this.word = isAscii ? findWord(sql, start, position, hash, true) : 0
    this.isEscaped = false
    return this.#emit(WORD, start, position)
  }

  #quoted(start: number, from: number, isUnicode: boolean): number {
    const sql = this.sql
    const length = sql.length
    let hash = 0
    let isEscaped = isUnicode
    let position = from
    for (; position < length; position++) {
      const code = sql.charCodeAt(position)
      if (code === 34) {
        if (sql.charCodeAt(position + 1) !== 34) {
          this.isEscaped = isEscaped
          this.word = isEscaped ? 0 : findWord(sql, from, position, hash, false)
          return this.#emit(
            position === from || (isEscaped && position - from > 100_000) ? BAD : QUOTED,
            start,
            position + 1,
          )
        }
        isEscaped = true
        position++
      } else if (code === 0) {
        return this.#emit(BAD, start, length)
      }
      hash = hashStep(hash, code)
    }
    return this.#emit(BAD, start, length)
  }

  /** A string in which only `''` is special. A backslash before a quote reads otherwise with `standard_conforming_strings = off`. */
  #plainString(start: number, from: number): number {
    const sql = this.sql
    let position = from
    for (;;) {
      position = sql.indexOf("'", position)
      if (position < 0) return this.#emit(BAD, start, sql.length)
      if (sql.charCodeAt(position - 1) === BACKSLASH && position > from) {
        let run = position - 1
        while (run > from && sql.charCodeAt(run - 1) === BACKSLASH) run--
        if (((position - run) & 1) === 1) return this.#emit(BAD, start, sql.length)
      }
      if (sql.charCodeAt(position + 1) !== QUOTE) return this.#emit(STRING, start, position + 1)
      position += 2
    }
  }

  /** `E'…'`: backslash escapes, also in the parts that continue it after a newline. */
  #escapedString(start: number, from: number): number {
    const sql = this.sql
    const length = sql.length
    let position = from
    while (position < length) {
      const code = sql.charCodeAt(position)
      if (code === BACKSLASH) position += 2
      else if (code !== QUOTE) position++
      else if (sql.charCodeAt(position + 1) === QUOTE) position += 2
      else {
        const continued = this.#continuation(position + 1)
        if (continued < 0) return this.#emit(STRING, start, position + 1)
        position = continued
      }
    }
    return this.#emit(BAD, start, length)
  }

  /** Where a string that closed before `from` goes on: behind the quote that follows whitespace with a newline; -1 when it does not. */
  #continuation(from: number): number {
    const sql = this.sql
    let hasNewline = false
    let position = from
    for (;;) {
      const code = sql.charCodeAt(position)
      if (code === NEWLINE || code === RETURN) {
        hasNewline = true
        position++
      } else if (code < 128 && CLASS[code] === SPACE) position++
      else if (code === DASH && sql.charCodeAt(position + 1) === DASH) position = this.#lineComment(position)
      else return hasNewline && code === QUOTE ? position + 1 : -1
    }
  }

  #dollar(start: number): number {
    const sql = this.sql
    const length = sql.length
    let position = start + 1
    let code = sql.charCodeAt(position)
    if (isDigit(code)) {
      do code = sql.charCodeAt(++position)
      while (code >= 48 && code <= 57)
      return this.#emit(isLetter(code) ? BAD : PARAMETER, start, position)
    }
    if (isLetter(code)) {
      do code = sql.charCodeAt(++position)
      while (isLetter(code) || isDigit(code))
    }
    if (code !== 36) return this.#emit(BAD, start, Math.min(start + 1, length))
    const tag = sql.slice(start, position + 1)
    // One `$` after another: a tag holds none inside, so what a comparison looks at is never looked at twice.
    for (let at = sql.indexOf('$', position + 1); at >= 0; at = sql.indexOf('$', at + 1)) {
      if (sql.startsWith(tag, at)) return this.#emit(STRING, start, at + tag.length)
    }
    return this.#emit(BAD, start, length)
  }

  #number(start: number): number {
    const sql = this.sql
    let position = start
    let code = sql.charCodeAt(position)
    const radix = sql.charCodeAt(position + 1) | 32
    if (code === 48 && (radix === 120 || radix === 111 || radix === 98)) {
      position += 2
      for (code = sql.charCodeAt(position); isDigit(code) || code === 95 || (radix === 120 && isHexLetter(code)); )
        code = sql.charCodeAt(++position)
      return this.#emit(position === start + 2 || isLetter(code) ? BAD : NUMBER, start, position)
    }
    position = this.#digits(position)
    // `1..10` is a number, two dots and a number.
    if (sql.charCodeAt(position) === 46 && sql.charCodeAt(position + 1) !== 46) position = this.#digits(position + 1)
    code = sql.charCodeAt(position)
    if ((code | 32) === 101) {
      const sign = sql.charCodeAt(position + 1)
      const exponent = sign === 43 || sign === DASH ? position + 2 : position + 1
      if (isDigit(sql.charCodeAt(exponent))) position = this.#digits(exponent)
      code = sql.charCodeAt(position)
    }
    // Before 15 `1FROM t` was a number and a word; since then it is an error.
    return this.#emit(isLetter(code) ? BAD : NUMBER, start, position)
  }

  #digits(from: number): number {
    const sql = this.sql
    let position = from
    for (;;) {
      const code = sql.charCodeAt(position)
      if (isDigit(code) || (code === 95 && isDigit(sql.charCodeAt(position + 1)) && position > from)) position++
      else return position
    }
  }

  /** The longest run of operator characters, cut at a comment, less the `+` and `-` at its end that SQL reads as signs. */
  #operator(start: number): number {
    const sql = this.sql
    // A run of signs is one token per sign: what is known of the run must not be found out again at each of them.
    if (start >= this.#runEnd || start < this.#runStart) this.#readRun(start)
    const end = Math.max(start + 1, this.#runStop)
    const isArrow = end - start === 2 && sql.charCodeAt(start) === 61 && sql.charCodeAt(start + 1) === 62
    return this.#emit(isArrow ? MARK : OPERATOR, start, end)
  }

  #readRun(start: number): void {
    const sql = this.sql
    let position = start
    let isSpecial = false
    let behindLastPlain = start
    for (;;) {
      const code = sql.charCodeAt(position)
      const kind = code < 128 ? (OPERATOR_KIND[code] as number) : 0
      if (kind === 0) break
      const following = sql.charCodeAt(position + 1)
      if ((code === DASH && following === DASH) || (code === SLASH && following === STAR)) break
      position++
      if (kind === SPECIAL) isSpecial = true
      if (kind !== SIGN) behindLastPlain = position
    }
    this.#runStart = start
    this.#runEnd = position
    this.#runStop = isSpecial ? position : behindLastPlain
  }

  #lineComment(start: number): number {
    const sql = this.sql
    let position = start + 2
    this.#readHint(position)
    for (; position < sql.length; position++) {
      const code = sql.charCodeAt(position)
      if (code === NEWLINE || code === RETURN) return position
      if (code === 0) return position
    }
    return position
  }

  /** The offset behind a comment; `-start - 1` when it has no end. */
  #blockComment(start: number): number {
    const sql = this.sql
    const length = sql.length
    let position = start + 2
    let depth = 1
    this.#readHint(position)
    while (position < length) {
      const code = sql.charCodeAt(position)
      if (code === STAR && sql.charCodeAt(position + 1) === SLASH) {
        position += 2
        if (--depth === 0) return position
      } else if (code === SLASH && sql.charCodeAt(position + 1) === STAR) {
        depth++
        position += 2
      } else if (code === 0) return -start - 1
      else position++
    }
    return -start - 1
  }

  /** `headwater: primary` or `headwater: replica` at the head of a comment. */
  #readHint(from: number): void {
    const sql = this.sql
    let position = from
    let code = sql.charCodeAt(position)
    while (code === 32 || code === STAR || code === 43 || code === 9) code = sql.charCodeAt(++position)
    if ((code | 32) !== 104) return
    const match = HINT.exec(sql.slice(position, position + 64))
    if (match === null) return
    this.hint |= match[1]?.toLowerCase() === 'primary' ? HINT_PRIMARY : HINT_REPLICA
  }
}

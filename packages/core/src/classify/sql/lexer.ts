import { toBytes } from './bytes.ts'
import { C, CLASS, FOLDED, isDigit, isLetter, OPERATOR_KIND, SIGN, SPECIAL, U } from './characters.ts'
import { blockCommentEnd, hintAt, lineCommentEnd } from './comments.ts'
import { numberEnd } from './number.ts'
import { T } from './tokens.ts'
import { hashStep } from './word-list.ts'
import { findWord } from './words.ts'

/**
 * What a backslash in a plain string is taken for, which is up to the session's `standard_conforming_strings`: nothing
 * (`on`, the default since PostgreSQL 9.1), an escape (`off`), or, where that would matter, an error (`unknown`).
 */
export type Escapes = 'on' | 'off' | 'unknown'

const { END, WORD, QUOTED, STRING, NUMBER, PARAMETER, OPERATOR, DOT, CAST, MARK, BAD } = T

const { SPACE, LETTER, DIGIT, OPERATOR_CODE, SINGLE_QUOTE, DOUBLE_QUOTE, DOLLAR, DOT_CODE } = C
const { COLON, SLASH_CODE, DASH_CODE, PUNCTUATION } = C
const { QUOTE, BACKSLASH, NEWLINE, RETURN, DASH, STAR, SLASH } = U
const { BLANK, DOLLAR_SIGN, CLOSING, COMMA_SIGN, SEMICOLON_SIGN } = U
const classes: Uint8Array = CLASS
const folding: Uint8Array = FOLDED

/**
 * PostgreSQL's lexical rules (`scan.l` of 18), one token at a time, each code unit looked at a bounded number of times.
 * Never throws: what it cannot read becomes a `BAD` token.
 */
export class Lexer {
  sql = ''
  /** The text as bytes, zeros behind it. */
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array(0)
  kind = 0
  start = 0
  end = 0
  /** The word's entry in the table, 0 when it has none or is no `WORD`. */
  word = 0
  /** Whether a quoted identifier must be decoded: it holds `""` or unicode escapes. */
  isEscaped = false
  hint = 0
  /** A plain string here ends elsewhere when `standard_conforming_strings` is off: a backslash stands before a quote. */
  isAmbiguous = false
  /** With `standard_conforming_strings` off, Postgres refuses the whole text before it runs any of it. */
  isRefused = false
  #escapes: Escapes = 'unknown'
  #runStart = 0
  #runEnd = 0
  /** Where the operator that begins the run ends, its signs taken off. */
  #runStop = 0
  /** Where the whitespace and semicolons begin that end the text; -1 before it is asked for. */
  #tail = -1
  /** The next semicolon and the next `(`, as they were looked for last: -1 before, the end of the text without one. */
  #semicolon = -1
  #parenthesis = -1

  open(sql: string, escapes: Escapes = 'unknown'): void {
    this.#escapes = escapes
    this.isAmbiguous = false
    this.isRefused = false
    this.sql = sql
    this.bytes = toBytes(sql, this.bytes)
    this.kind = END
    this.start = 0
    this.end = 0
    this.hint = 0
    this.#runStart = 0
    this.#runEnd = 0
    this.#runStop = 0
    this.#tail = -1
    this.#semicolon = -1
    this.#parenthesis = -1
  }

  /** Reads the next token and returns its kind. */
  next(): number {
    const bytes = this.bytes
    let position = this.end
    for (;;) {
      const code = bytes[position] as number
      const start = classes[code] as number
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
          if (bytes[position + 1] === DASH) {
            position = this.#lineComment(position)
            continue
          }
          return this.#operator(position)
        case SLASH_CODE:
          if (bytes[position + 1] === STAR) {
            position = this.#blockComment(position)
            if (position < 0) return this.#refuse(-position - 1, this.sql.length)
            continue
          }
          return this.#operator(position)
        case OPERATOR_CODE:
          if (OPERATOR_KIND[bytes[position + 1] as number] === 0) return this.#emit(OPERATOR, position, position + 1)
          return this.#operator(position)
        case SINGLE_QUOTE:
          return this.#plainString(position, position + 1)
        case DOUBLE_QUOTE:
          return this.#quoted(position, position + 1, false)
        case DOLLAR:
          return this.#dollar(position)
        case DOT_CODE: {
          const following = bytes[position + 1] as number
          if (isDigit(following)) return this.#number(position)
          if (following === 46) return this.#emit(MARK, position, position + 2)
          return this.#emit(DOT, position, position + 1)
        }
        case COLON: {
          const following = bytes[position + 1]
          if (following === 58) return this.#emit(CAST, position, position + 2)
          return this.#emit(MARK, position, following === 61 ? position + 2 : position + 1)
        }
        default: {
          const length = this.sql.length
          if (position >= length) return this.#emit(END, length, length)
          return this.#refuse(position, position + 1)
        }
      }
    }
  }

  /**
   * Reads the token behind a list of constants, of which the current token is one: `$1, $2, $3` and `1, 2, 3` in an IN
   * list or VALUES, thousands of them, pass without becoming tokens.
   */
  nextBehindConstants(): number {
    const bytes = this.bytes
    let position = this.end
    while (bytes[position] === COMMA_SIGN) {
      let at = position + 1
      while (bytes[at] === BLANK) at++
      if (bytes[at] === DOLLAR_SIGN) at++
      const digits = at
      let code = bytes[at] as number
      while (code >= 48 && code <= 57) code = bytes[++at] as number
      // Anything but a plain list goes on where it stopped: fractions, other notations, `$1a`, which is an error.
      if (at === digits || (code !== COMMA_SIGN && code !== BLANK && code !== CLOSING)) break
      position = at
    }
    this.end = position
    return this.next()
  }

  /** Whether no statement begins behind the current token; sure when it says so. */
  get isInLastStatement(): boolean {
    if (this.#tail < 0) {
      const bytes = this.bytes
      let tail = this.sql.length
      while (tail > 0 && (bytes[tail - 1] === SEMICOLON_SIGN || classes[bytes[tail - 1] as number] === SPACE)) tail--
      this.#tail = tail
    }
    // A text may ask at each of its words: it is looked through once.
    if (this.#semicolon < this.end) this.#semicolon = this.#find(';')
    return this.#semicolon >= this.#tail
  }

  /** Whether a `(` stands behind the current token, in whatever. */
  get isOpenAhead(): boolean {
    if (this.#parenthesis < this.end) this.#parenthesis = this.#find('(')
    return this.#parenthesis < this.sql.length
  }

  #find(sign: string): number {
    const at = this.sql.indexOf(sign, this.end)
    return at < 0 ? this.sql.length : at
  }

  /** Steps over all that is left: the next token is the end. */
  finish(): void {
    this.end = this.sql.length
  }

  /** The kind of the next token; the current one stays. */
  peek(): number {
    const { start, end, kind, word, isEscaped } = this
    const following = this.next()
    this.backTo(start, end, kind, word, isEscaped)
    return following
  }

  /** Makes an earlier token the current one again. */
  backTo(start: number, end: number, kind: number, word: number, isEscaped: boolean): void {
    this.start = start
    this.end = end
    this.kind = kind
    this.word = word
    this.isEscaped = isEscaped
  }

  #emit(kind: number, start: number, end: number): number {
    this.start = start
    this.end = end
    this.kind = kind
    return kind
  }

  /** A character that no statement has, or something without an end: no server runs any of the text. */
  #refuse(start: number, end: number): number {
    if (this.#escapes === 'off') this.isRefused = true
    return this.#emit(BAD, start, end)
  }

  #word(start: number, first: number): number {
    const bytes = this.bytes
    let hash = 0
    let position = start
    for (;;) {
      const folded = folding[bytes[position] as number] as number
      if (folded === 0) break
      hash = hashStep(hash, folded)
      position++
    }
    // A prefix only counts when it is the whole word and the quote follows at once.
    if (position - start === 1) {
      const code = bytes[position]
      if (code === QUOTE) {
        const prefix = first | 32
        if (prefix === 101) return this.#escapedString(start, position + 1)
        if (prefix === 110) return this.#plainString(start, position + 1)
        if (prefix === 98 || prefix === 120) return this.#digitString(start, position + 1)
      } else if (code === 38 && (first | 32) === 117) {
        const quote = bytes[position + 1]
        if (quote === QUOTE) {
          if (this.#escapes === 'off') this.isRefused = true
          return this.#plainString(start, position + 2)
        }
        if (quote === 34) return this.#quoted(start, position + 2, true)
      }
    }
    this.word = findWord(bytes, start, position, hash)
    this.isEscaped = false
    return this.#emit(WORD, start, position)
  }

  #quoted(start: number, from: number, isUnicode: boolean): number {
    const bytes = this.bytes
    let isEscaped = isUnicode
    let position = from
    for (;;) {
      let code = bytes[position]
      while (code !== 34 && code !== 0) code = bytes[++position]
      if (code === 0) return this.#refuse(start, this.sql.length)
      if (bytes[position + 1] !== 34) break
      isEscaped = true
      position += 2
    }
    this.isEscaped = isEscaped
    this.word = 0
    const isBad = position === from || (isEscaped && position - from > 100_000)
    return this.#emit(isBad ? BAD : QUOTED, start, position + 1)
  }

  /** A string in which only `''` is special, or, when `standard_conforming_strings` is off, the backslash too. */
  #plainString(start: number, from: number): number {
    if (this.#escapes === 'off') return this.#escapedString(start, from)
    const bytes = this.bytes
    let position = from
    for (;;) {
      let code = bytes[position]
      while (code !== QUOTE && code !== 0) code = bytes[++position]
      if (code === 0) {
        if (position >= this.sql.length) return this.#emit(BAD, start, this.sql.length)
        position++
        continue
      }
      if (bytes[position - 1] === BACKSLASH && position > from) {
        let run = position - 1
        while (run > from && bytes[run - 1] === BACKSLASH) run--
        if (((position - run) & 1) === 1) {
          if (this.#escapes === 'unknown') return this.#emit(BAD, start, this.sql.length)
          this.isAmbiguous = true
        }
      }
      if (bytes[position + 1] !== QUOTE) return this.#emit(STRING, start, position + 1)
      position += 2
    }
  }

  /** `B'…'` and `X'…'`: a backslash is no digit, and escapes nothing. */
  #digitString(start: number, from: number): number {
    const close = this.sql.indexOf("'", from)
    return close < 0 ? this.#refuse(start, this.sql.length) : this.#emit(STRING, start, close + 1)
  }

  /** `E'…'`: backslash escapes, also in the parts that continue it after a newline. */
  #escapedString(start: number, from: number): number {
    const bytes = this.bytes
    const length = this.sql.length
    let position = from
    while (position < length) {
      const code = bytes[position]
      if (code === BACKSLASH) position += 2
      else if (code !== QUOTE) position++
      else if (bytes[position + 1] === QUOTE) position += 2
      else {
        const continued = this.#continuation(position + 1)
        if (continued < 0) return this.#emit(STRING, start, position + 1)
        position = continued
      }
    }
    return this.#refuse(start, length)
  }

  /** Where a string that closed before `from` goes on: behind the quote that follows whitespace with a newline; -1 when it does not. */
  #continuation(from: number): number {
    const bytes = this.bytes
    let hasNewline = false
    let position = from
    for (;;) {
      const code = bytes[position] as number
      if (code === NEWLINE || code === RETURN) {
        hasNewline = true
        position++
      } else if (classes[code] === SPACE) position++
      else if (code === DASH && bytes[position + 1] === DASH) position = this.#lineComment(position)
      else return hasNewline && code === QUOTE ? position + 1 : -1
    }
  }

  #dollar(start: number): number {
    const { bytes, sql } = this
    let position = start + 1
    let code = bytes[position] as number
    if (isDigit(code)) {
      do code = bytes[++position] as number
      while (code >= 48 && code <= 57)
      return this.#emit(isLetter(code) ? BAD : PARAMETER, start, position)
    }
    if (isLetter(code)) {
      do code = bytes[++position] as number
      while (isLetter(code) || isDigit(code))
    }
    if (code !== 36) return this.#emit(BAD, start, start + 1)
    const { length } = sql
    const tag = sql.slice(start, position + 1)
    // One `$` after another: a tag holds none inside, so what a comparison looks at is never looked at twice.
    for (let at = sql.indexOf('$', position + 1); at >= 0; at = sql.indexOf('$', at + 1)) {
      if (sql.startsWith(tag, at)) return this.#emit(STRING, start, at + tag.length)
    }
    return this.#refuse(start, length)
  }

  #number(start: number): number {
    const end = numberEnd(this.bytes, start)
    return end < 0 ? this.#emit(BAD, start, -end) : this.#emit(NUMBER, start, end)
  }

  /** The longest run of operator characters, cut at a comment, less the `+` and `-` at its end that SQL reads as signs. */
  #operator(start: number): number {
    const bytes = this.bytes
    // A run of signs is one token per sign: what is known of the run must not be found out again at each of them.
    if (start >= this.#runEnd || start < this.#runStart) this.#readRun(start)
    const end = Math.max(start + 1, this.#runStop)
    const isArrow = end - start === 2 && bytes[start] === 61 && bytes[start + 1] === 62
    return this.#emit(isArrow ? MARK : OPERATOR, start, end)
  }

  #readRun(start: number): void {
    const bytes = this.bytes
    let position = start
    let isSpecial = false
    let behindLastPlain = start
    for (;;) {
      const code = bytes[position] as number
      const kind = OPERATOR_KIND[code] as number
      if (kind === 0) break
      const following = bytes[position + 1] as number
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
    this.hint |= hintAt(this.sql, this.bytes, start + 2)
    return lineCommentEnd(this.bytes, start + 2)
  }

  /** The offset behind a comment; `-start - 1` when it has no end. */
  #blockComment(start: number): number {
    this.hint |= hintAt(this.sql, this.bytes, start + 2)
    const end = blockCommentEnd(this.bytes, start + 2)
    return end < 0 ? -start - 1 : end
  }
}

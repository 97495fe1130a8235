import { U } from './characters.ts'

const { NEWLINE, RETURN, STAR, SLASH, BLANK } = U
const TAB = 9
const PLUS = 43
const LOWER_H = 104

/** Hints that a comment may hold. */
export const HINT_PRIMARY = 1
export const HINT_REPLICA = 2
const HINT = /^headwater:[ \t]{0,8}(primary|replica)(?![\w-])/i

/** The end of the line comment whose text begins at `from`: its newline, or the end of the text. */
export function lineCommentEnd(bytes: Uint8Array, from: number): number {
  let position = from
  let code = bytes[position]
  while (code !== NEWLINE && code !== RETURN && code !== 0) code = bytes[++position]
  return position
}

/** The offset behind the block comment whose text begins at `from`, others nested in it; -1 when it has no end. */
export function blockCommentEnd(bytes: Uint8Array, from: number): number {
  let position = from
  let depth = 1
  for (;;) {
    const code = bytes[position]
    if (code === STAR && bytes[position + 1] === SLASH) {
      position += 2
      if (--depth === 0) return position
    } else if (code === SLASH && bytes[position + 1] === STAR) {
      depth++
      position += 2
    } else if (code === 0) return -1
    else position++
  }
}

/** `headwater: primary` or `headwater: replica` at the head of the comment whose text begins at `from`; 0 for neither. */
export function hintAt(sql: string, bytes: Uint8Array, from: number): number {
  let position = from
  let code = bytes[position] as number
  while (code === BLANK || code === STAR || code === PLUS || code === TAB) code = bytes[++position] as number
  if ((code | 32) !== LOWER_H) return 0
  const match = HINT.exec(sql.slice(position, position + 64))
  if (match === null) return 0
  return match[1]?.toLowerCase() === 'primary' ? HINT_PRIMARY : HINT_REPLICA
}

const encoder = new TextEncoder()

/** What is kept from one text to the next; a longer one gets a buffer of its own, which goes with it. */
const MOST_KEPT = 1 << 20
const LEAST = 4096

/** What stands for every code unit beyond ASCII: the lexer treats them all as letters. */
export const BEYOND_ASCII = 128
/** How many zeros stand behind the text, so that a look ahead needs no check of its own. */
const ZEROS = 4

/**
 * The code units of `sql` one by one, those beyond ASCII as {@link BEYOND_ASCII}, and zeros behind them; in `buffer`
 * when it fits. Reading a byte array takes a quarter of the time of `charCodeAt`, the copy included: that asks at each
 * call anew how the string is represented.
 */
export function toBytes(sql: string, buffer: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const length = sql.length
  const needed = length + ZEROS
  const fits = needed <= buffer.length && (buffer.length <= MOST_KEPT || needed > MOST_KEPT)
  const bytes = fits ? buffer : new Uint8Array(sizeFor(needed))
  const { read, written } = encoder.encodeInto(sql, bytes)
  if (read !== length || written !== length) {
    for (let index = 0; index < length; index++) bytes[index] = Math.min(sql.charCodeAt(index), BEYOND_ASCII)
  }
  bytes.fill(0, length, needed)
  return bytes
}

function sizeFor(needed: number): number {
  if (needed > MOST_KEPT) return needed
  let size = LEAST
  while (size < needed) size *= 2
  return size
}

declare const brand: unique symbol

/**
 * A position in the write-ahead log: an unsigned 64-bit number, compared with `<` and `>=` like any bigint.
 *
 * Its text (`16/B374D848`, two hexadecimal halves) sorts wrongly. Source: Postgres docs, "pg_lsn Type".
 */
export type Lsn = bigint & { readonly [brand]: 'Lsn' }

const HALF = 32n
const TEXT = /^([0-9A-F]{1,8})\/([0-9A-F]{1,8})$/i

/** Greater than any real LSN: it forces the read to the primary. */
export const NEVER_REACHED: Lsn = (2n ** 64n - 1n) as Lsn

/** Parses an LSN as Postgres prints it; `undefined` for any other text. Never throws. */
export function parseLsn(text: string): Lsn | undefined {
  const [, high, low] = TEXT.exec(text) ?? []
  if (high === undefined || low === undefined) return undefined
  return ((BigInt(`0x${high}`) << HALF) | BigInt(`0x${low}`)) as Lsn
}

/** The LSN as Postgres prints it. */
export function formatLsn(lsn: Lsn): string {
  return `${(lsn >> HALF).toString(16).toUpperCase()}/${(lsn & 0xffff_ffffn).toString(16).toUpperCase()}`
}

/**
 * Brands a number as an LSN.
 *
 * @throws {RangeError} below 0 and from 2^64 on.
 */
export function toLsn(value: bigint): Lsn {
  if (value < 0n || value > NEVER_REACHED) throw new RangeError(`${value} is not an LSN; expected 0 to 2^64 - 1`)
  return value as Lsn
}

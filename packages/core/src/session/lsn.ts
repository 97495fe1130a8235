declare const brand: unique symbol

/**
 * A place in the write-ahead log: an unsigned 64-bit number, compared with `<` and `>=` as any bigint.
 *
 * Its text (`16/B374D848`, two hexadecimal halves) sorts wrongly. Source: Postgres docs, "pg_lsn Type".
 */
export type Lsn = bigint & { readonly [brand]: 'Lsn' }

const HALF = 32n
const TEXT = /^([0-9A-F]{1,8})\/([0-9A-F]{1,8})$/i

/** No log ever gets here: who must have seen it reads at the primary. */
export const NEVER_REACHED: Lsn = (2n ** 64n - 1n) as Lsn

/** The LSN that `text` says, or `undefined` for anything that Postgres would not print. Never throws. */
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
 * The LSN of a number.
 *
 * @throws {RangeError} below 0 and from 2^64 on.
 */
export function toLsn(value: bigint): Lsn {
  if (value < 0n || value > NEVER_REACHED) throw new RangeError(`${value} is not an LSN; expected 0 to 2^64 - 1`)
  return value as Lsn
}

/** How long to leave something alone after failures in a row. */
export interface Backoff {
  readonly firstMillis: number
  readonly maxMillis: number
}

/**
 * The pause after this many failures in a row: it doubles from the first to the longest, and is then spread by ±25 %, so that
 * many processes do not ask at once. `chance` is a random number from 0 to 1.
 */
export function pauseMillis(failures: number, { firstMillis, maxMillis }: Backoff, chance: number): number {
  return spread(Math.min(maxMillis, firstMillis * 2 ** (failures - 1)), chance)
}

/** Spreads a time by ±25 %: from 0.75 to 1.25 times as long. */
export function spread(millis: number, chance: number): number {
  return millis * (0.75 + chance / 2)
}

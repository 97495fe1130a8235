/**
 * What becomes of the reads while every local replica lags more than `maxLag`:
 *
 * - `wait`: the primary answers them, as many at once as it may; the others wait for that.
 * - `share`: a share of them goes there, and the others get the least late replica.
 * - `stale`: all get the least late replica.
 */
export type AllLate = 'wait' | 'share' | 'stale'

/** What the answer depends on. */
export interface LateRead {
  /** The number of its scope, or the read's own outside any: reads of one scope go the same way. */
  readonly number: number
  /** Whether it would take its whole request to the primary's region. */
  readonly isReplayed: boolean
  /** Whether the primary has a place for it now. */
  readonly hasPlace: boolean
  /** How much of the primary such reads may have: 0 to 1. */
  readonly share: number
}

/** Says whether a read that is allowed to be late goes to the primary or is answered late (F6). Pure. */
export function whenAllLate(allLate: AllLate, { number, isReplayed, hasPlace, share }: LateRead): 'primary' | 'late' {
  switch (allLate) {
    case 'wait':
      return 'primary'
    case 'stale':
      return 'late'
    case 'share': {
      // What leaves by a replay takes no place here, so it is counted off.
      const isOfShare = isReplayed ? (number * GOLDEN) % 1 < share : hasPlace
      return isOfShare ? 'primary' : 'late'
    }
  }
}

const GOLDEN = (Math.sqrt(5) - 1) / 2

/** What a choice needs to know of a lane. */
export interface LaneState {
  /** How many reads are on it, or wait for its connection. */
  readonly reads: number
  /** Whether it takes no more. */
  readonly isClosed: boolean
  /** How long its foremost read has waited for the server, or all of them for the connection, in ms. */
  waitedMillis(now: number): number
  /** How long it has kept its connection, in ms. */
  heldMillis(now: number): number
}

export interface LaneLimits {
  /** How many lanes a server has at most. */
  readonly most: number
  /** How long the server usually takes to answer, in ms. */
  readonly usualMillis: number
  /** Whether a caller waits for a connection of its own. */
  readonly isPoolShort: boolean
}

/** No read goes behind one that has waited longer than this beyond what is usual, in ms. */
const PATIENCE_MILLIS = 2
/** So many reads are enough for one lane while others may be opened: each is one process of the server. */
const ENOUGH_READS = 8
/** So many reads are too many for any. */
const MOST_READS = 128
/** How long a lane keeps a connection while other callers wait for one, in ms. */
const TURN_MILLIS = 10

/**
 * Chooses a lane for a read: the fullest one that has not enough yet, so that few connections are taken and many reads go in one
 * write; else a new one; else the emptiest. `undefined`: the read is better off on a connection of its own.
 */
export function chooseLane<Lane extends LaneState>(
  lanes: Iterable<Lane>,
  { most, usualMillis, isPoolShort }: LaneLimits,
  now: number,
): Lane | 'new' | undefined {
  let count = 0
  let fullest: Lane | undefined
  let emptiest: Lane | undefined
  for (const lane of lanes) {
    count += 1
    const { reads } = lane
    if (lane.isClosed || reads >= MOST_READS) continue
    if (lane.waitedMillis(now) > usualMillis + PATIENCE_MILLIS) continue
    if (isPoolShort && lane.heldMillis(now) > TURN_MILLIS) continue
    if (reads < ENOUGH_READS && (fullest === undefined || reads > fullest.reads)) fullest = lane
    if (emptiest === undefined || reads < emptiest.reads) emptiest = lane
  }
  if (fullest !== undefined) return fullest
  return count < most && !isPoolShort ? 'new' : emptiest
}

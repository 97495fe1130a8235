import type { ReplayBlocker } from '@headwater/core'
import { type ReplayStamp, reportUnverified, warn } from '@headwater/core/internal'
import { readState, reasonIn, type StateReading, timelineIn } from '../replay/replay-state.ts'
import type { Arrival } from '../replay/replay-target.ts'
import { bodyLengthOf, type RequestFacts } from '../request/request-facts.ts'
import type { SharedState } from './shared-state.ts'
import { warnOfClocks } from './wiring-signs.ts'

/** How one request got here, once its state is verified. */
export interface Arrived {
  readonly arrival: Arrival
  /** What makes a replay impossible from the start. */
  readonly blocker: ReplayBlocker | undefined
  /** The replay that brought it here, when one of this app's instances has signed it. */
  readonly replayed: ReplayStamp | undefined
  /** Why it was replayed to here; `undefined` when it was not. */
  readonly replayedFor: string | undefined
  /** Of its body, in bytes. */
  readonly length: number | 'unknown'
}

/** Reads how a request got here, and tells of it: the regions that failed it, the pool of a later timeline, the app of what is wrong. */
export function arrive(shared: SharedState, facts: RequestFacts, kind: 'request' | 'job'): Arrived {
  const { options, clocks, deadRegions } = shared
  const { pool, replayTarget, logger } = options
  const arrival = replayTarget.arrival(facts.header)
  const length = bodyLengthOf(facts)
  const state =
    arrival.state === undefined ? 'absent' : readState(options.secrets, facts, arrival.state, clocks.wallMillis())
  const { hasFailed, failedAfterMillis } = arrival
  if (hasFailed && failedAfterMillis !== undefined) {
    deadRegions.cameBack(facts, failedAfterMillis, clocks.monotonicMillis())
  }
  // Clocks and topology are read where they matter: most requests come without a state, while every region lives.
  const isDead = deadRegions.areAny && deadRegions.isDead(pool.topology.primaryRegion, clocks.monotonicMillis())
  const isTooLarge = length !== 'unknown' && length > options.bodyLimitBytes
  const isFailed = hasFailed || (isDead && state === 'absent')
  const replayed = state === 'replayed' ? stampIn(arrival.state) : undefined
  // News of a later timeline: whoever is the primary is found out before anything is read or written here (F7).
  if (replayed?.cluster !== undefined && replayed.timeline > 0) pool.hear?.(replayed)
  if (state === 'replayed-at-another-time') warnOfClocks(arrival.state, clocks.wallMillis(), logger)
  if (state === 'unverified') reportUnverified('replay state', logger)
  if (arrival.isCached === true && pool.topology.isAtHome) warn('HEADWATER_REPLAY_CACHED', {}, { logger })
  return {
    arrival,
    blocker: kind === 'job' ? 'no-request' : blockerOf(isFailed, state, isTooLarge),
    replayed,
    replayedFor: state.startsWith('replayed') ? reasonIn(arrival.state) : undefined,
    length,
  }
}

/** What a verified state says of its replay. */
function stampIn(state: string | undefined): ReplayStamp {
  return { ...timelineIn(state), isForRead: reasonIn(state) === 'far-replica' }
}

/**
 * A state of our form that nobody here has signed counts as a replay too (P4): where two regions have different secrets, each
 * would send the request to the other one until the proxy gives up. A client that makes one up refuses its own writes with it.
 */
function blockerOf(hasFailed: boolean, state: StateReading, isTooLarge: boolean): ReplayBlocker | undefined {
  if (hasFailed) return 'replay-failed'
  if (state !== 'absent') return 'already-replayed'
  return isTooLarge ? 'body-too-large' : undefined
}

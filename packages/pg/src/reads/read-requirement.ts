import type { Consistency } from '@headwater/core'
import {
  compareFreshness,
  type Frame,
  type Freshness,
  type ReadPosition,
  type ReplicaState,
} from '@headwater/core/internal'
import type { Lag } from '../fleet/primary-history.ts'

/** Why a replica is not fresh enough. */
export type StaleReason = Exclude<Freshness, 'caught-up'> | 'lagging'

/** What a read requires of a replica. */
export interface ReadRequirement {
  /** The position that it must have replayed: what the client has seen. */
  readonly seen: ReadPosition | undefined
  /** Whether its position must be known: the client's next read must not go back behind it. */
  readonly isTracked: boolean
  readonly maxLag: Lag | undefined
}

/**
 * What a read in `frame` requires; `undefined` when any replica will do. `ownWrites` counts outside any scope (R9), for a replica of
 * another region (`isFar`) without an end.
 */
export function requirementFor(
  frame: Frame | undefined,
  consistency: Consistency,
  maxLag: Lag | undefined,
  ownWrites: { readonly position: ReadPosition | undefined; readonly positionFarAway?: ReadPosition | undefined },
  isFar = false,
): ReadRequirement | undefined {
  if (frame?.forced === 'replica' || consistency === 'eventual') return undefined
  const session = frame?.scope?.session
  if (session === undefined) {
    const seen = isFar ? ownWrites.positionFarAway : ownWrites.position
    return seen === undefined && maxLag === undefined ? undefined : { seen, isTracked: false, maxLag }
  }
  if (consistency === 'bounded') {
    const seen = session.placed
    return seen === undefined && maxLag === undefined ? undefined : { seen, isTracked: false, maxLag }
  }
  const { seen } = session
  const { isTracked } = session
  return seen === undefined && !isTracked && maxLag === undefined ? undefined : { seen, isTracked, maxLag }
}

/** Why a replica in `state` is not fresh enough; `undefined` when it is. */
export function whyStale(
  state: ReplicaState | undefined,
  requirement: ReadRequirement,
  primary: { lagOf(state: ReplicaState): Lag },
): StaleReason | undefined {
  const { seen, isTracked, maxLag } = requirement
  if (maxLag !== undefined) {
    if (state === undefined) return 'behind'
    const lag = primary.lagOf(state)
    if (lag.millis > maxLag.millis || lag.bytes > maxLag.bytes) return 'lagging'
  }
  if (seen === undefined) return isTracked && state === undefined ? 'behind' : undefined
  const freshness = compareFreshness(state, seen)
  return freshness === 'caught-up' ? undefined : freshness
}

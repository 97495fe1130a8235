import {
  isPosition,
  mergeAllPositions,
  mergePositions,
  NEVER_REACHED,
  NO_NODE,
  type ReadPosition,
  SEVERAL_NODES,
  type Token,
  whenMarkExpires,
} from '@headwater/core/internal'

/** What the pool knows of the primary's position, by when the primary was asked. */
export interface PositionHistory {
  positionSince?(time: number): ReadPosition | undefined
}

/**
 * What a client has seen before, by all the tokens that its request carried.
 *
 * With the marks of two replicas no replica is sure to have it all, so each read needs the primary, and away from it each request
 * is replayed. A client that keeps such marks would have that for as long as they live. So marks whose moment is over are
 * replaced with a position that the primary reported later, when the pool has one: it includes all that was read under them.
 */
export function seenBefore(tokens: readonly Token[], now: number, history: PositionHistory): ReadPosition | undefined {
  const merged = tokens.length === 1 ? tokens[0] : mergeAllPositions(tokens)
  if (merged?.node !== SEVERAL_NODES || merged.lsn === NEVER_REACHED) return merged
  const lastExpiry = Math.max(...tokens.filter((token) => !isPosition(token)).map(whenMarkExpires))
  const position = lastExpiry <= now ? history.positionSince?.(lastExpiry) : undefined
  // A primary of an older timeline was replaced and has not noticed (F7).
  if (position === undefined || position.cluster !== merged.cluster || position.timeline < merged.timeline)
    return merged
  return mergePositions({ ...merged, node: NO_NODE }, position)
}

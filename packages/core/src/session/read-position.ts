import { type Lsn, NEVER_REACHED } from './lsn.ts'

/** A state of one database: a position in one of its timelines. */
export interface Position {
  /** The system identifier that initdb gave the cluster; its replicas have the same. */
  readonly cluster: bigint
  /** Counts the promotions in its history. LSNs of different timelines do not compare. */
  readonly timeline: number
  readonly lsn: Lsn
}

/** What a client has seen: nothing that it reads from now on may be older. */
export interface ReadPosition extends Position {
  /**
   * The mark of the replica that it read from last: the position of that read is not known, but the same server never goes
   * back. `NO_NODE`: no mark. `SEVERAL_NODES`: it read from more than one, so no replica is sure to have it all.
   */
  readonly node: number
}

/** What a replica is known to have replayed: at least this, and perhaps more by now. */
export type ReplicaState = ReadPosition

export const NO_NODE = 0
export const SEVERAL_NODES = 0xffff_ffff

/** Something was seen and its position is unknown: only the primary is sure to have it. Greater than all others. */
export const UNKNOWN_POSITION: ReadPosition = Object.freeze({
  cluster: 0n,
  timeline: 0xffff_ffff,
  lsn: NEVER_REACHED,
  node: SEVERAL_NODES,
})

/** The maximum of two positions. Positions of two clusters have none except `UNKNOWN_POSITION`. */
export function mergePositions(left: ReadPosition, right: ReadPosition): ReadPosition {
  if (left.cluster !== right.cluster) return UNKNOWN_POSITION
  const { cluster, timeline, lsn } = isLater(left, right) ? left : right
  return { cluster, timeline, lsn, node: joinNodes(left.node, right.node) }
}

/** The maximum of all these positions; `undefined` for an empty list. */
export function mergeAllPositions(all: readonly ReadPosition[]): ReadPosition | undefined {
  const [first, ...others] = all
  return first && others.reduce(mergePositions, first)
}

/** The mark of a client that has read from both. */
export function joinNodes(left: number, right: number): number {
  if (left === right || right === NO_NODE) return left
  return left === NO_NODE ? right : SEVERAL_NODES
}

export function isSamePosition(left: ReadPosition, right: ReadPosition): boolean {
  return (
    left.cluster === right.cluster &&
    left.timeline === right.timeline &&
    left.lsn === right.lsn &&
    left.node === right.node
  )
}

/**
 * What is known after the primary has reported its position, which is later than all that was seen before.
 *
 * Except a primary of an older timeline: it was replaced and has not noticed, so its position is ignored (F7).
 */
export function positionAtPrimary(before: ReadPosition | undefined, primary: Position): ReadPosition {
  const { cluster, timeline, lsn } = primary
  const now: ReadPosition = { cluster, timeline, lsn, node: NO_NODE }
  if (before === undefined || before.cluster !== cluster) return now
  return isLater(before, now) ? { ...before, node: NO_NODE } : now
}

function isLater(left: Position, right: Position): boolean {
  return left.timeline === right.timeline ? left.lsn > right.lsn : left.timeline > right.timeline
}

/**
 * Whether a replica has what a client has seen (F4, F5, F7).
 *
 * - `caught-up`: it has all of it.
 * - `behind`: it has not yet, or is not known to; it is worth waiting.
 * - `seen-elsewhere`: the client read from another server, at a position that is not known here.
 * - `another-timeline`: they are of two timelines or clusters, whose LSNs do not compare.
 */
export type Freshness = 'caught-up' | 'behind' | 'seen-elsewhere' | 'another-timeline'

/** Compares what a replica is known to have replayed with what a client has seen. Pure. */
export function compareFreshness(replica: ReplicaState | undefined, seen: ReadPosition): Freshness {
  if (seen.lsn === NEVER_REACHED) return 'seen-elsewhere'
  if (replica === undefined) return 'behind'
  if (replica.cluster !== seen.cluster || replica.timeline > seen.timeline) return 'another-timeline'
  if (seen.node !== NO_NODE && seen.node !== replica.node) return 'seen-elsewhere'
  return replica.timeline === seen.timeline && replica.lsn >= seen.lsn ? 'caught-up' : 'behind'
}

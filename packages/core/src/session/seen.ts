import { type Lsn, NEVER_REACHED } from './lsn.ts'

/** A state of one database: how far along which history. */
export interface Position {
  /** The system identifier that initdb gave the cluster; its replicas have the same. */
  readonly cluster: bigint
  /** Counts the promotions in its history. LSNs of different timelines do not compare. */
  readonly timeline: number
  readonly lsn: Lsn
}

/** What a client has seen: nothing that it reads from now on may be older. */
export interface Seen extends Position {
  /**
   * The replica that it read from last, as that server marks itself: how far that read was along the log is not known,
   * but the same server never goes back. `NO_NODE`: none. `SEVERAL_NODES`: no single one can tell.
   */
  readonly node: number
}

/** What a replica is known to have replayed: at least this, by now perhaps more. */
export type ReplicaState = Seen

export const NO_NODE = 0
export const SEVERAL_NODES = 0xffff_ffff

/** Something was seen, and nobody knows what: only the primary is sure to have it. The greatest of all. */
export const SEEN_UNKNOWN: Seen = Object.freeze({
  cluster: 0n,
  timeline: 0xffff_ffff,
  lsn: NEVER_REACHED,
  node: SEVERAL_NODES,
})

/** The maximum of two: what has seen both. States of two clusters have none but `SEEN_UNKNOWN`. */
export function mergeSeen(left: Seen, right: Seen): Seen {
  if (left.cluster !== right.cluster) return SEEN_UNKNOWN
  const { cluster, timeline, lsn } = isLater(left, right) ? left : right
  return { cluster, timeline, lsn, node: joinNodes(left.node, right.node) }
}

/** What has seen all of these; `undefined` for none. */
export function mergeAll(all: readonly Seen[]): Seen | undefined {
  const [first, ...others] = all
  return first && others.reduce(mergeSeen, first)
}

/** The node of one who has read from both. */
export function joinNodes(left: number, right: number): number {
  if (left === right || right === NO_NODE) return left
  return left === NO_NODE ? right : SEVERAL_NODES
}

export function isSameSeen(left: Seen, right: Seen): boolean {
  return (
    left.cluster === right.cluster &&
    left.timeline === right.timeline &&
    left.lsn === right.lsn &&
    left.node === right.node
  )
}

/**
 * What is known after the primary has said where it stands: that is later than all that was seen before, by whatever means.
 *
 * Only a primary of an older timeline is not believed: it was replaced, and does not know it yet.
 */
export function seenAtPrimary(before: Seen | undefined, primary: Position): Seen {
  const { cluster, timeline, lsn } = primary
  const now: Seen = { cluster, timeline, lsn, node: NO_NODE }
  if (before === undefined || before.cluster !== cluster) return now
  return isLater(before, now) ? { ...before, node: NO_NODE } : now
}

function isLater(left: Position, right: Position): boolean {
  return left.timeline === right.timeline ? left.lsn > right.lsn : left.timeline > right.timeline
}

/**
 * How a replica stands to what a client has seen (F4, F5, F7).
 *
 * - `caught-up`: it has all of it.
 * - `behind`: not yet, or nobody knows yet; it is worth waiting.
 * - `seen-elsewhere`: the client read from another server; how far that was, this one cannot tell.
 * - `another-timeline`: a promotion, or another cluster, lies between: LSNs say nothing.
 */
export type Standing = 'caught-up' | 'behind' | 'seen-elsewhere' | 'another-timeline'

/** Compares what a replica is known to have replayed with what a client has seen. Pure. */
export function standingOf(replica: ReplicaState | undefined, seen: Seen): Standing {
  if (seen.lsn === NEVER_REACHED) return 'seen-elsewhere'
  if (replica === undefined) return 'behind'
  if (replica.cluster !== seen.cluster || replica.timeline > seen.timeline) return 'another-timeline'
  if (seen.node !== NO_NODE && seen.node !== replica.node) return 'seen-elsewhere'
  return replica.timeline === seen.timeline && replica.lsn >= seen.lsn ? 'caught-up' : 'behind'
}

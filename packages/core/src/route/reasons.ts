/** Why a statement may run on a replica. */
export type ReplicaReason =
  | 'read'
  | 'tried'
  | 'read-only-transaction'
  | 'undecided-transaction'
  | 'forced-replica'
  /** No local replica can be read: it runs on one of another region (X10). */
  | 'far-replica'

/** Why a statement needs the primary. */
export type PrimaryReason =
  | 'write'
  | 'session'
  | 'unknown'
  | 'newer-than-catalog'
  | 'after-write'
  | 'forced-primary'
  | 'opt-in'
  | 'read-write-transaction'
  | 'serializable'
  | 'open-transaction'
  | 'pinned'
  | 'no-replica'
  | 'replica-lost'
  | 'refused'
  | 'unknown-object'
  | 'strong'
  | 'behind'
  | 'seen-elsewhere'
  | 'another-timeline'
  | 'lagging'

/** Why a statement is kept from running at all. */
export type RefusalReason = 'write-in-with-replica' | 'transaction-on-replica'

/**
 * Why the request is replayed: the routing reason, the app's own `ensurePrimary()`, the route's record (P5), or that a region with a
 * replica is nearer than the primary's (`far-replica`, X10).
 */
export type ReplayReason = PrimaryReason | 'far-replica' | 'ensure-primary' | 'route-prior'

/** What makes a replay impossible (P4). */
export type ReplayBlocker =
  | 'at-home'
  | 'no-request'
  | 'response-started'
  | 'already-replayed'
  | 'body-too-large'
  | 'body-gone'
  | 'forbidden'
  | 'replay-failed'

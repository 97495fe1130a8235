import type { Topology } from '../nodes/topology.ts'
import type { TransactionModes } from '../statement/statement.ts'
import type { Consistency } from './consistency.ts'
import type { ReplayBlocker } from './reasons.ts'
import type { Routing } from './routing.ts'

/** The state of a leased client's transaction when a statement arrives. */
export type TransactionState =
  /** No transaction: the statement stands alone. */
  | { readonly phase: 'none' }
  /** BEGIN was called and is held back until the first statement (R3). */
  | { readonly phase: 'held'; readonly modes: TransactionModes }
  /** It runs on one node until it ends. */
  | { readonly phase: 'open'; readonly on: 'primary' | 'replica'; readonly isReadOnly: boolean }

/** Everything that a decision depends on, and nothing else: no clock, no socket. */
export interface Situation {
  readonly topology: Topology
  readonly routing: Routing
  /** How fresh a read must be. Whether a replica is that fresh is decided later, by its node. */
  readonly consistency: Consistency
  /** What happens to a write outside a request, away from home (P6). */
  readonly writesOutsideRequest: 'direct' | 'throw'
  readonly scope:
    | {
        readonly kind: 'request' | 'job'
        readonly hasWritten: boolean
        readonly blocker: ReplayBlocker | undefined
        /** Whether the head of its answer has passed: what runs now is a stream, or work behind the answer. Default: no. */
        readonly hasBegunToAnswer?: boolean
        /** Whether a replay that one of this app's instances has signed brought the request here. */
        readonly isReplayVerified?: boolean | undefined
      }
    | undefined
  readonly forced: 'primary' | 'replica' | undefined
  readonly transaction: TransactionState
  /** Whether this leased client holds session state or has written, and so stays with its primary connection. */
  readonly isPinned: boolean
  /**
   * Whether the catalog is not loaded (yet, or ever). Then functions are not tried on a standby, because one that catches
   * errors would lose its write silently; except those that the app itself declares `unknown` (R1).
   */
  readonly isCatalogMissing: boolean
  /**
   * Whether a statement that is tried on a local replica can be kept from writing there, as far as is known (X1): by a session that is
   * forced read-only, or behind a pooler by a transaction that is. A pooler in statement mode runs none.
   */
  readonly isReadOnlyForced: boolean
  /**
   * Whether this app has changed the schema since the catalog was read. Until the catalog is read again, it is used for
   * nothing except what the app itself declares (R1).
   */
  readonly isCatalogOutdated: boolean
  /**
   * Whether the job (R4), or this pool outside any scope (R9), has written, and no position is known that a replica would have to
   * reach. Counts outside requests only.
   */
  readonly isOwnWriteUnplaced: boolean
}

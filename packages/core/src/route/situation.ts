import type { Topology } from '../nodes/topology.ts'
import type { TransactionModes } from '../statement/statement.ts'
import type { Consistency } from './consistency.ts'
import type { Mode } from './mode.ts'
import type { ReplayObstacle } from './reasons.ts'

/** What a transaction on a leased client is at, when a statement arrives. */
export type TransactionState =
  /** No transaction: the statement stands alone. */
  | { readonly phase: 'none' }
  /** BEGIN was asked for and is held back until the first statement (R3). */
  | { readonly phase: 'held'; readonly modes: TransactionModes }
  /** It lives on a node, to its end. */
  | { readonly phase: 'open'; readonly on: 'primary' | 'replica'; readonly isReadOnly: boolean }

/** Everything that a decision depends on, and nothing else: no clock, no socket. */
export interface Situation {
  readonly topology: Topology
  readonly mode: Mode
  /** How fresh a read must be; which replica is, only its node knows. */
  readonly consistency: Consistency
  /** What may be done with a write outside a request, away from home (P6). */
  readonly outsideRequest: 'direct' | 'throw'
  readonly scope:
    | { readonly kind: 'request' | 'job'; readonly hasWritten: boolean; readonly obstacle: ReplayObstacle | undefined }
    | undefined
  readonly forced: 'primary' | 'replica' | undefined
  readonly transaction: TransactionState
  /** Whether this leased client holds session state or has written, and so stays with its primary connection. */
  readonly isPinned: boolean
  /**
   * Whether nobody has read what the database's functions do, or not yet. Then none is tried on a standby: it may swallow
   * the refusal, and nobody would hear of the write that was lost (R1). But for those that the app itself calls `unknown`.
   */
  readonly isCatalogMissing: boolean
  /**
   * Whether sessions on the replicas next door are forced read-only, as far as is known (X1). Behind a pooler they may not
   * be. Then nothing is merely tried there: one that is no standby any more would not refuse it.
   */
  readonly isReadOnlyForced: boolean
  /**
   * Whether the schema has changed, by this app's own doing, since what is known was read. Until it has been read again nothing
   * goes by what was known, but for what the app itself says (R1).
   */
  readonly isCatalogOutdated: boolean
}

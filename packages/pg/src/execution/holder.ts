import type { Position, TransactionState } from '@headwater/core/internal'
import type pg from 'pg'
import type { Connection, NodeKind } from '../node/pool-node.ts'
import type { ConnectedToReplica } from '../reads/replica-connector.ts'
import type { RoutedQuery } from './routed-query.ts'

export const STANDS_ALONE: TransactionState = Object.freeze({ phase: 'none' })

/**
 * Who a query runs for: a lease, which keeps its connections and its transaction from query to query, or a lone query,
 * which keeps nothing. The execution asks it, and never asks which of the two it is.
 */
export interface Holder {
  /** The transaction that its next query runs in. */
  readonly transaction: TransactionState
  /** Whether it holds session state or has written, and so stays with its connection to the primary. */
  readonly isPinned: boolean
  /** Whether writes of its open transaction were sent. */
  readonly isWriting: boolean
  /** Whether it has lost, or the app has closed, what its queries build on (X11). */
  readonly isLost: boolean
  /** Why its next query must not run; `undefined` when it may. */
  reasonToRefuse(query: RoutedQuery): unknown
  /**
   * Takes a statement that can wait for the first one after it (BEGIN and its kind, R3) and gives the answer that the
   * server would have given; `undefined` when it must be sent now.
   */
  hold(query: RoutedQuery): pg.Result | undefined
  /** Forgets what it held back: that transaction never began. */
  forgetHeld(): void
  /** The connection that it keeps to a server of that kind. */
  connectionTo(kind: NodeKind): Connection | undefined
  /** What to call when a query's connection is there, or cannot be had: it may be closed meanwhile, and keeps what it gets. */
  whenConnected(query: RoutedQuery, take: ConnectedToReplica): ConnectedToReplica
  /** What it held back cannot begin: the rest of that transaction must not run on its own. */
  cannotBegin(error: unknown): void
  /** Gives one back that is of no use to it any more. */
  giveUp(connection: Connection): void
  /** Stays with the primary from now on. */
  pin(): void
  /** Sends what it held back, if anything, before a statement on `connection`. */
  begin(connection: Connection, begun: (error?: unknown) => void): void
  /** A query was answered to its end: gives its connection back, or keeps it. */
  answered(connection: Connection): void
  /** Looks for connections that are gone; with that of its transaction or session it is lost itself. */
  noticeLoss(cause: unknown): void
  /** From here on every query rejects with `error`. */
  lose(error: unknown): void
  /** A query is over, wherever it went. Settles it. */
  finish(query: RoutedQuery, error: unknown, result?: unknown, position?: Position): void
}

/** The holder of all lone queries: each takes a connection for itself, and gives it back with its answer. */
export const LONE_QUERIES: Holder = Object.freeze({
  transaction: STANDS_ALONE,
  isPinned: false,
  isWriting: false,
  isLost: false,
  reasonToRefuse: () => undefined,
  hold: () => undefined,
  forgetHeld: () => undefined,
  connectionTo: () => undefined,
  whenConnected: (_query: RoutedQuery, take: ConnectedToReplica) => take,
  cannotBegin: () => undefined,
  giveUp: () => undefined,
  pin: () => undefined,
  begin: (_connection: Connection, begun: (error?: unknown) => void) => begun(),
  answered: ({ client, mustClose, release }: Connection) => {
    // BEGIN through the pool: whoever came next would be inside that transaction.
    release(mustClose || client.isLost || client.sessionStatus !== 'I' || undefined)
  },
  noticeLoss: () => undefined,
  lose: () => undefined,
  finish: (query: RoutedQuery, error: unknown, result?: unknown) => {
    // A statement that stands alone is its own transaction: it has ended when it is answered.
    query.writeEnded()
    query.settle(error, result)
  },
})

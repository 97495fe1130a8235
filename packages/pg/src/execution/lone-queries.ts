import type { Position, TransactionState } from '@headwater/core/internal'
import type { Connection } from '../node/pool-node.ts'
import type { Holder, RoutedQuery } from './routed-query.ts'
import { writeOutcomeOf } from './write-outcome.ts'

export const STANDS_ALONE: TransactionState = Object.freeze({ phase: 'none' })

/** The holder of all lone queries: each takes a connection, and gives it back with its answer. */
export const LONE_QUERIES: Holder = Object.freeze({
  transaction: STANDS_ALONE,
  isPinned: false,
  mayShare: true,
  isWriting: false,
  isLost: false,
  hasCommitted: false,
  commitIdentity: undefined,
  reasonToRefuse: () => undefined,
  hold: () => undefined,
  forgetHeld: () => undefined,
  connectionTo: () => undefined,
  awaits: () => undefined,
  receives: () => true,
  use: () => undefined,
  cannotBegin: () => undefined,
  giveUp: () => undefined,
  pin: () => undefined,
  opening: () => undefined,
  begin: (_connection: Connection, begun: (error?: unknown) => void) => begun(),
  identify: (_connection: Connection, identified: (error?: unknown) => void) => identified(),
  answered: ({ client, mustClose, release }: Connection) => {
    // After a BEGIN through the pool the next caller would be inside that transaction.
    release(mustClose || client.isLost || client.sessionStatus !== 'I' || undefined)
  },
  noticeLoss: () => undefined,
  lose: () => undefined,
  finish: (query: RoutedQuery, error: unknown, result?: unknown, position?: Position) => {
    // A lone statement is its own transaction: it has ended when it is answered.
    query.writeEnded(writeOutcomeOf(query.statement, error))
    if (position !== undefined) query.frame?.scope?.session.committedAt(position)
    query.end(error, result)
  },
})

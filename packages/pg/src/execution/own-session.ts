import { SessionUnavailable } from '@headwater/core'
import { needsOwnSession, type SessionVerdict, sessionNeedOf } from '@headwater/core/internal'
import type { PoolNode } from '../node/pool-node.ts'
import type { RoutedQuery } from './routed-query.ts'

/** What a query that goes to `primary` needs of its session; `undefined` where any will do, or each connection has its own (B2). */
export function sessionNeedAt(primary: PoolNode, { statement, call, holder }: RoutedQuery): OwnSession | undefined {
  const { pooling, takesTransactions } = primary.traits
  // Without another address the pooler is asked each time: its mode may have changed.
  if (!takesTransactions && primary.direct !== undefined && holder.transaction.phase === 'held') {
    return { isRequired: true, verdict: TRANSACTION }
  }
  if (pooling === 'none' || pooling === 'session') return undefined
  const verdict = sessionNeedOf(statement, call.text)
  const isInTransaction = holder.transaction.phase !== 'none'
  const isRequired = needsOwnSession(verdict, isInTransaction)
  if (!isRequired && (verdict.need !== 'better' || primary.direct === undefined)) return undefined
  return { isRequired, verdict }
}

const TRANSACTION: SessionVerdict = Object.freeze({ need: 'own', word: undefined })

/** A session of its own is needed, or would be better. */
export interface OwnSession {
  readonly isRequired: boolean
  readonly verdict: SessionVerdict
}

/** The error of a statement that would have run on somebody else's session. */
export function sessionUnavailable(
  { verdict }: OwnSession,
  { name }: PoolNode,
  isTransactionOpen: boolean,
): SessionUnavailable {
  return new SessionUnavailable(isTransactionOpen ? 'transaction-open' : 'no-direct-address', verdict.word, name)
}

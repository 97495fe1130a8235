import { ConnectionLost, HeadwaterError, OutcomeUnknown, SessionUnavailable } from '@headwater/core'
import { databaseErrorIn, isConnectionLoss, isOutOfService } from '@headwater/core/internal'
import { isReadTimeout, isServerError, isTransactionRefusal } from '../driver/pg-errors.ts'
import { type CommitIdentity, resolveCommit } from '../fleet/commit-identity.ts'
import type { Fleet } from '../fleet/fleet.ts'
import type { Connection } from '../node/pool-node.ts'
import type { RoutedQuery } from './routed-query.ts'

/** Says what it means for a query that was sent when its answer is lost (X6). */
export class Losses {
  readonly #fleet: Fleet

  constructor(fleet: Fleet) {
    this.#fleet = fleet
  }

  /** The error that its caller gets for `error`: another one only when the answer was lost. */
  errorOf(query: RoutedQuery, { role, client, node }: Connection, error: unknown): unknown {
    if (query.sentIn !== 'none' && isTransactionRefusal(error)) {
      // The pooler has closed the server's session, so that all of it is rolled back.
      node.endpoint.find({ takesTransactions: false })
      return new SessionUnavailable('no-transactions', undefined, node.name)
    }
    if (!isAnswerLost(error, client.isLost)) return error
    const { holder } = query
    if (role === 'primary' && mayBeCommitted(query) && !isRolledBack(error)) {
      return this.#unknown(error, holder.commitIdentity)
    }
    // The app has closed it itself, or pg waits no longer: nothing was lost.
    if (holder.isLost || isReadTimeout(error)) return error
    // A lone read of a replica goes elsewhere.
    return role === 'primary' || query.sentIn === 'open' ? connectionLost(error, !holder.hasCommitted) : error
  }

  #unknown(error: unknown, identity: CommitIdentity | undefined): OutcomeUnknown {
    if (identity === undefined) return new OutcomeUnknown(error)
    return new OutcomeUnknown(error, () => resolveCommit(this.#fleet, identity))
  }
}

/** The error of a connection that was lost; what ended a session for another reason, and what is ours already, stays as it is. */
export function connectionLost(error: unknown, isRetryable: boolean): unknown {
  if (error instanceof HeadwaterError || !(isServerError(error) ? isOutOfService(error) : isConnectionLoss(error))) {
    return error
  }
  return new ConnectionLost(error, isRetryable)
}

/**
 * Whether the statement has no answer of its own: the connection broke, a server that stops or crashes has ended the session, or a
 * pooler has lost its server (class 08). On a connection that goes on such a code is the app's own (`RAISE`).
 */
function isAnswerLost(error: unknown, isConnectionGone: boolean): boolean {
  if (error instanceof HeadwaterError) return false
  const code = databaseErrorIn(error)?.code
  if (code === undefined) return isReadTimeout(error) || isConnectionLoss(error)
  return code === '40003' || ((isConnectionGone || isFatal(error)) && isOutOfService(error))
}

/** Whether its session ends with this error. A stream hears of it before its connection does. */
function isFatal(error: unknown): boolean {
  return isServerError(error) && error.severity === 'FATAL'
}

/**
 * Whether the server says that it has rolled back. One that ends a session has (57P01): had it committed before, it would have
 * closed without a word. One process among others that have crashed cannot know (57P02).
 */
function isRolledBack(error: unknown): boolean {
  const code = databaseErrorIn(error)?.code
  return code === '57P01' || code === '57P03'
}

/** Whether the server may have committed what was sent, or may yet. */
function mayBeCommitted({ statement, sentIn, holder }: RoutedQuery): boolean {
  if (sentIn === undefined) return false
  const { access, reason, control, count } = statement
  if (sentIn === 'none') {
    // EXECUTE of a prepared write counts as `session`; SET and the like are gone with their session.
    const isControl = control !== undefined && control.kind !== 'two-phase'
    return access !== 'read' && reason !== 'session-state' && !isControl
  }
  if (control?.kind === 'commit') return holder.isWriting
  // The text may hold a COMMIT of its own.
  return control?.kind === 'two-phase' || count > 1
}

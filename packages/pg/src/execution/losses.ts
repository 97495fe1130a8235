import { ConnectionLost, HeadwaterError, OutcomeUnknown } from '@headwater/core'
import { databaseErrorIn, isConnectionLoss } from '@headwater/core/internal'
import { isReadTimeout, isServerError } from '../driver/pg-errors.ts'
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
  errorOf(query: RoutedQuery, { role, client }: Connection, error: unknown): unknown {
    if (!isAnswerLost(error, client.isLost)) return error
    const { holder } = query
    if (role === 'primary' && mayBeCommitted(query)) return this.#unknown(error, holder.commitIdentity)
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

/** The error of a connection that was lost; what the server said itself, and what is ours already, stays as it is. */
export function connectionLost(error: unknown, isRetryable: boolean): unknown {
  if (error instanceof HeadwaterError || isServerError(error) || !isConnectionLoss(error)) return error
  return new ConnectionLost(error, isRetryable)
}

/**
 * Whether nothing says how the statement ended. A server that ends a session with 57P01 has rolled back. Not so a pooler that
 * has lost its server (class 08), nor one process among others that have crashed (57P02).
 */
function isAnswerLost(error: unknown, isConnectionGone: boolean): boolean {
  if (error instanceof HeadwaterError) return false
  const code = databaseErrorIn(error)?.code
  if (code === undefined) return isReadTimeout(error) || isConnectionLoss(error)
  return code === '40003' || (isConnectionGone && (code.startsWith('08') || code === '57P02'))
}

/** Whether the server may have committed what was sent, or may yet. */
function mayBeCommitted({ statement, sentIn, holder }: RoutedQuery): boolean {
  if (sentIn === undefined) return false
  const { access, reason, control, count } = statement
  if (sentIn !== 'open') {
    // EXECUTE of a prepared write counts as `session`; SET and the like are gone with their session.
    const isControl = control !== undefined && control.kind !== 'two-phase'
    return access !== 'read' && reason !== 'session-state' && !isControl
  }
  if (control?.kind === 'commit') return holder.isWriting
  // The text may hold a COMMIT of its own.
  return control?.kind === 'two-phase' || count > 1
}

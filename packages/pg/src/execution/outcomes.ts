import { PrimaryUnavailable, ReplayImpossible, WriteOnReplica } from '@headwater/core'
import {
  classifyRefusal,
  type Decision,
  databaseErrorIn,
  type Frame,
  type Refusal,
  type RefusalReason,
} from '@headwater/core/internal'
import type { Fleet } from '../fleet/fleet.ts'
import type { Connection } from '../node/pool-node.ts'
import type { Decisions } from './decisions.ts'
import type { RoutedQuery } from './routed-query.ts'
import type { Verdicts } from './verdicts.ts'

/** Interprets answers: where a query goes next, and which error its caller gets. */
export class Outcomes {
  readonly #fleet: Fleet
  readonly #decisions: Decisions
  readonly #verdicts: Verdicts

  constructor(fleet: Fleet, decisions: Decisions, verdicts: Verdicts) {
    this.#fleet = fleet
    this.#decisions = decisions
    this.#verdicts = verdicts
  }

  /** The error for a decision not to run the statement here. */
  errorOf(decision: Decision, frame: Frame | undefined, cause?: unknown): Error {
    switch (decision.route) {
      case 'replay':
      case 'impossible':
        if (frame?.scope === undefined) return new ReplayImpossible('no-request', { cause })
        return frame.scope.askForReplay(this.#fleet.topology, decision.reason, cause)
      case 'refuse':
        return new WriteOnReplica(REFUSALS[decision.reason], cause)
      case 'primary':
      case 'direct':
      case 'replica':
        throw new TypeError(`a statement that runs on ${decision.route} has no error`)
    }
  }

  /** What an error on `connection` means for routing; `undefined` when it is the statement's own error. */
  refusalOn({ holder }: RoutedQuery, { role, client }: Connection, error: unknown): Refusal | undefined {
    const { transaction } = holder
    const isReadOnly = transaction.phase === 'open' && transaction.isReadOnly
    // The app itself asked for READ ONLY.
    if (isReadOnly && databaseErrorIn(error)?.routine === 'PreventCommandIfReadOnly') return undefined
    // Headwater makes every session on a replica read-only, so a refusal there is the replica's even after a promotion.
    return classifyRefusal(error, role === 'replica' || client.isStandby === true)
  }

  /** The error for a refusal by the configured primary: when it is in recovery, no other server takes the write. */
  errorAtPrimary({ frame }: RoutedQuery, { client }: Connection, refusal: Refusal, error: unknown): unknown {
    if (refusal !== 'refused' || client.isStandby !== true) return error
    const { isAtHome } = this.#fleet.topology
    return refusedIn(
      frame,
      isAtHome ? new ReplayImpossible('at-home', { cause: error }) : new PrimaryUnavailable(error),
    )
  }

  /** The error for a primary that gave no connection. */
  errorWithoutPrimary({ frame }: RoutedQuery, error: unknown): unknown {
    return error instanceof PrimaryUnavailable ? refusedIn(frame, error) : error
  }

  /**
   * The error for a replica's error when the statement cannot go elsewhere: in a transaction, from a cursor, or inside
   * `withReplica`. The statement's own errors stay as they are.
   */
  errorInPlace(query: RoutedQuery, connection: Connection, error: unknown): unknown {
    if (connection.role === 'primary') return error
    const refusal = this.refusalOn(query, connection, error)
    if (refusal === undefined) return error
    if (refusal === 'refused') this.learn(query, error)
    if (query.frame?.forced === 'replica') {
      return refusal === 'refused' ? this.errorOf(REFUSED_IN_WITH_REPLICA, query.frame, error) : error
    }
    const decision = this.#decisions.decideAgain(refusal, query)
    if (decision.route === 'replay') return this.errorOf(decision, query.frame, error)
    if (refusal !== 'refused') return error
    if (decision.route === 'impossible') return this.errorOf(decision, query.frame, error)
    return query.holder.transaction.phase === 'open' ? this.errorOf(REFUSED_IN_TRANSACTION, query.frame, error) : error
  }

  /** Remembers a statement that a standby refused, so that next time it is a known write. */
  learn(query: RoutedQuery, error: unknown): void {
    this.#verdicts.learn(query, error)
  }
}

/** The scope remembers it, because a wrapper may leave nothing of it (P10). */
function refusedIn(frame: Frame | undefined, error: ReplayImpossible | PrimaryUnavailable): Error {
  return frame?.scope?.refuse(error) ?? error
}

const REFUSALS: Readonly<Record<RefusalReason, string>> = {
  'write-in-with-replica':
    'a statement that needs the primary was run inside withReplica(). Move it out, or run it inside withPrimary().',
  'transaction-on-replica':
    'a statement that needs the primary was run in a transaction on a replica. Start that transaction inside withPrimary(), or as READ WRITE.',
}

const REFUSED_IN_WITH_REPLICA: Decision = Object.freeze({ route: 'refuse', reason: 'write-in-with-replica' })
const REFUSED_IN_TRANSACTION: Decision = Object.freeze({ route: 'refuse', reason: 'transaction-on-replica' })

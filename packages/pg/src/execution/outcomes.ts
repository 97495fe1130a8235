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

/** What an answer means: for where a query goes next, and for the error that its caller gets. */
export class Outcomes {
  readonly #fleet: Fleet
  readonly #decisions: Decisions
  readonly #verdicts: Verdicts

  constructor(fleet: Fleet, decisions: Decisions, verdicts: Verdicts) {
    this.#fleet = fleet
    this.#decisions = decisions
    this.#verdicts = verdicts
  }

  /** The error that a decision to not run the statement here becomes. */
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

  /** What an error on `connection` means for routing; `undefined` when it is the statement's own. */
  refusalOn({ holder }: RoutedQuery, { node, client }: Connection, error: unknown): Refusal | undefined {
    const { transaction } = holder
    const isReadOnly = transaction.phase === 'open' && transaction.isReadOnly
    // The app itself asked for READ ONLY.
    if (isReadOnly && databaseErrorIn(error)?.routine === 'PreventCommandIfReadOnly') return undefined
    // Every session on a replica is read-only by our own doing, so a refusal there is the replica's even after a promotion.
    return classifyRefusal(error, node.kind === 'replica' || client.isStandby === true)
  }

  /** What a refusal by the configured primary becomes: when it is in recovery, nobody else takes the write. */
  errorAtPrimary({ client }: Connection, refusal: Refusal, error: unknown): unknown {
    if (refusal !== 'refused' || client.isStandby !== true) return error
    return this.#fleet.topology.isAtHome
      ? new ReplayImpossible('at-home', { cause: error })
      : new PrimaryUnavailable(error)
  }

  /**
   * What a replica's error becomes where its statement cannot be sent elsewhere: in a transaction, from a cursor, inside
   * withReplica. An error that is the statement's own stays as it is.
   */
  errorInPlace(query: RoutedQuery, connection: Connection, error: unknown): unknown {
    if (connection.node.kind === 'primary') return error
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

  /** Remembers what a standby refused, so that next time it is a known write. */
  learn(query: RoutedQuery, error: unknown): void {
    this.#verdicts.learn(query, error)
  }
}

const REFUSALS: Readonly<Record<RefusalReason, string>> = {
  'write-in-with-replica':
    'a statement that needs the primary was kept from a replica: it ran inside withReplica(). Move it out, or use withPrimary().',
  'transaction-on-replica':
    'a statement that needs the primary came in a transaction that runs on a replica. Start that transaction inside withPrimary(), or as READ WRITE.',
}

const REFUSED_IN_WITH_REPLICA: Decision = Object.freeze({ route: 'refuse', reason: 'write-in-with-replica' })
const REFUSED_IN_TRANSACTION: Decision = Object.freeze({ route: 'refuse', reason: 'transaction-on-replica' })

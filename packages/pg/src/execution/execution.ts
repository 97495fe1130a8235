import { accessIn, type Decision, type Position, type PrimaryReason } from '@headwater/core'
import { isReadTimeout, isServerError } from '../driver/pg-errors.ts'
import type { Fleet } from '../fleet/fleet.ts'
import type { Connection } from '../pool-node.ts'
import { isAbandoned, sendQuery, translateErrors } from '../query-call.ts'
import type { ReplicaConnector } from '../replica-connector.ts'
import type { Decisions } from './decisions.ts'
import type { Outcomes } from './outcomes.ts'
import type { RoutedQuery } from './routed-query.ts'
import { mayBringPosition, sendWithPosition } from './send-with-position.ts'

/** What an execution stands on. */
export interface ExecutionParts {
  readonly fleet: Fleet
  readonly reads: ReplicaConnector
  readonly decisions: Decisions
  readonly outcomes: Outcomes
}

/**
 * The one way of a query: decide, connect, send, interpret the answer, and go elsewhere when it says so. Of a lone query
 * and of a leased client's alike; what the two keep is their holder's.
 */
export class Execution {
  readonly #fleet: Fleet
  readonly #reads: ReplicaConnector
  readonly #decisions: Decisions
  readonly #outcomes: Outcomes

  constructor({ fleet, reads, decisions, outcomes }: ExecutionParts) {
    this.#fleet = fleet
    this.#reads = reads
    this.#decisions = decisions
    this.#outcomes = outcomes
  }

  /** Takes a query from its caller to its holder's `finish`, which is called once. */
  run(query: RoutedQuery): void {
    const { holder, statement } = query
    const spentBy = query.frame?.scope?.replay
    // P3; only the end of a transaction still passes: it undoes, and spares the connection.
    if (spentBy !== undefined && !(statement.control?.kind === 'rollback' && holder.transaction.phase !== 'none')) {
      return this.#finishLater(query, spentBy)
    }
    const answer = holder.hold(query)
    if (answer !== undefined) {
      const refusal = this.#refusalOfHeld(query)
      if (refusal !== undefined) holder.forgetHeld()
      return this.#finishLater(query, refusal, answer)
    }
    this.#follow(query, this.#decisions.decide(query))
  }

  /** A transaction that no replica can run is replayed at its BEGIN, before any work. */
  #refusalOfHeld(query: RoutedQuery): Error | undefined {
    const decision = this.#decisions.decideAtBegin(query)
    const isOut = decision?.route === 'replay' || decision?.route === 'impossible'
    return isOut ? this.#outcomes.errorOf(decision, query.frame) : undefined
  }

  #follow(query: RoutedQuery, decision: Decision): void {
    switch (decision.route) {
      case 'replica':
        return this.#onReplica(query)
      case 'primary':
      case 'direct':
        return this.#onPrimary(query)
      case 'replay':
      case 'impossible':
      case 'refuse':
        return this.#finishLater(query, this.#outcomes.errorOf(decision, query.frame))
    }
  }

  #onPrimary(query: RoutedQuery): void {
    const { holder, statement } = query
    if (accessIn(statement, holder.transaction) !== 'read') holder.pin()
    const held = holder.connectionTo('primary')
    if (held !== undefined) return this.#begin(query, held)
    this.#fleet.connectToPrimary((error, connection) => {
      if (connection === undefined) {
        query.notSent()
        return holder.finish(query, error)
      }
      holder.take(connection)
      this.#begin(query, connection)
    })
  }

  #onReplica(query: RoutedQuery): void {
    const { holder } = query
    const situation = this.#decisions.situationOf(query)
    const held = holder.connectionTo('replica')
    if (held !== undefined) {
      // A transaction lives on one node; a statement outside one may ask for more than the last.
      if (holder.transaction.phase === 'open' || this.#reads.isFit(held, query, situation)) {
        query.noteTried(held.node)
        return this.#begin(query, held)
      }
      holder.giveUp(held)
    }
    this.#reads.connect(query, situation, (error, connection, why = 'replica-lost') => {
      if (error) return holder.finish(query, error)
      if (connection === undefined) return this.#elsewhere(query, why, query.lostTo)
      holder.take(connection)
      this.#begin(query, connection)
    })
  }

  /** Goes to the primary with what a replica could not do. */
  #elsewhere(query: RoutedQuery, reason: PrimaryReason, cause: unknown): void {
    const decision = this.#decisions.decideAgain(reason, query)
    if (decision.route === 'primary' || decision.route === 'direct') return this.#onPrimary(query)
    // A missing object may simply be missing: its own error says more than that no replay was possible.
    const isOwnError = decision.route === 'impossible' && reason !== 'refused' && cause !== undefined
    query.holder.finish(query, isOwnError ? cause : this.#outcomes.errorOf(decision, query.frame, cause))
  }

  #begin(query: RoutedQuery, connection: Connection): void {
    query.holder.begin(connection, (error) => {
      if (error) this.#answered(query, connection, error)
      else this.#send(query, connection)
    })
  }

  #send(query: RoutedQuery, connection: Connection): void {
    const { call, holder } = query
    const { client } = connection
    if (isAbandoned(call)) return this.#end(query, connection)
    const answered = (error: unknown, result?: unknown, position?: Position): void =>
      this.#answered(query, connection, error, result, position)
    try {
      if (call.submittable !== undefined) {
        translateErrors(call.submittable, (error) => this.#outcomes.errorInPlace(query, connection, error))
        client.query(call.submittable)
        client.whenSettled(() => this.#end(query, connection))
      } else if (holder.isWriting && mayBringPosition(query, connection)) {
        sendWithPosition(query, client, answered)
      } else {
        sendQuery(client, call, answered)
      }
    } catch (error) {
      holder.answered(connection, true)
      holder.finish(query, error)
    }
  }

  /** A stream, a cursor: it has told its reader everything itself. */
  #end(query: RoutedQuery, connection: Connection): void {
    query.holder.answered(connection, false)
    query.holder.finish(query, undefined)
  }

  #answered(query: RoutedQuery, connection: Connection, error: unknown, result?: unknown, position?: Position): void {
    const { holder } = query
    const { client } = connection
    if (!error) {
      holder.answered(connection, false)
      holder.finish(query, undefined, result, position)
    } else if (isServerError(error) && !client.isLost) {
      // ReadyForQuery follows a server's error; only then is the state of the session known, and the connection at rest.
      client.whenSettled(() => {
        holder.answered(connection, false)
        this.#failed(query, connection, error)
      })
    } else {
      // A time-out of pg's own leaves the query running: nobody may have this connection after us.
      holder.answered(connection, client.isLost || isReadTimeout(error))
      this.#failed(query, connection, error)
    }
  }

  #failed(query: RoutedQuery, connection: Connection, error: unknown): void {
    const { holder } = query
    const refusal = this.#outcomes.refusalOn(query, connection, error)
    if (refusal === undefined) return holder.finish(query, error)
    if (connection.node.kind === 'primary') {
      return holder.finish(query, this.#outcomes.errorAtPrimary(connection, refusal, error))
    }
    const isForced = query.frame?.forced === 'replica'
    if (holder.transaction.phase === 'open' || (isForced && refusal !== 'replica-lost')) {
      return holder.finish(query, this.#outcomes.errorInPlace(query, connection, error))
    }
    if (refusal === 'replica-lost') {
      query.lostTo = error
      holder.giveUp(connection)
      return this.#onReplica(query)
    }
    if (refusal === 'refused') this.#outcomes.learn(query, error)
    this.#elsewhere(query, refusal, error)
  }

  /** Settles on a later turn, so that a caller sees one order of things whatever the answer. */
  #finishLater(query: RoutedQuery, error: unknown, result?: unknown): void {
    process.nextTick(() => query.holder.finish(query, error, result))
  }
}

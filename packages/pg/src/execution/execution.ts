import { OutcomeUnknown } from '@headwater/core'
import { accessIn, type Decision, type Position, type PrimaryReason } from '@headwater/core/internal'
import { boundHere } from '../driver/bound-here.ts'
import { isStatementLost } from '../driver/named-statement.ts'
import { isReadTimeout } from '../driver/pg-errors.ts'
import { sendQuery } from '../driver/send.ts'
import { isAbandoned, sendSubmittable } from '../driver/submittable.ts'
import type { Fleet } from '../fleet/fleet.ts'
import type { Connection } from '../node/pool-node.ts'
import type { Reads } from '../reads/reads.ts'
import type { Decisions } from './decisions.ts'
import type { Losses } from './losses.ts'
import type { Outcomes } from './outcomes.ts'
import { traceServer } from './query-trace.ts'
import type { RoutedQuery } from './routed-query.ts'
import { mayBringPosition, sendWithPosition } from './send-with-position.ts'

/**
 * The one way that every query goes: decide, connect, send, interpret the answer, and go elsewhere if need be. It is the same
 * for a lone query and for a leased client's; what they keep between queries is in their holder.
 */
export class Execution {
  readonly #fleet: Fleet
  readonly #reads: Reads
  readonly #decisions: Decisions
  readonly #outcomes: Outcomes
  readonly #losses: Losses

  constructor(fleet: Fleet, reads: Reads, decisions: Decisions, outcomes: Outcomes, losses: Losses) {
    this.#fleet = fleet
    this.#reads = reads
    this.#decisions = decisions
    this.#outcomes = outcomes
    this.#losses = losses
  }

  /** Runs a query until its holder's `finish`, which is called once. */
  run(query: RoutedQuery): void {
    const { holder, statement } = query
    const spentBy = query.frame?.scope?.replay
    // P3. Only a ROLLBACK still passes: it undoes the transaction, and saves its connection.
    if (spentBy !== undefined && !(statement.control?.kind === 'rollback' && holder.transaction.phase !== 'none')) {
      return this.#finishLater(query, spentBy)
    }
    const reason = holder.reasonToRefuse(query)
    if (reason !== undefined) return this.#finishLater(query, reason)
    const answer = holder.hold(query)
    if (answer !== undefined) {
      const refusal = this.#refusalOfHeld(query)
      if (refusal !== undefined) holder.forgetHeld()
      return this.#finishLater(query, refusal, answer)
    }
    this.#follow(query, this.#decisions.decide(query))
  }

  /** The error of a transaction that no replica can run: its request is replayed at BEGIN, before any work. */
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
    holder.awaits(query)
    // An older state is there already: nobody waits for the primary to come back.
    const deadline = this.#decisions.mayTakeOlder(query) ? 0 : undefined
    this.#fleet.connectToPrimary((error, connection) => {
      if (!holder.receives(query, connection)) return
      if (connection !== undefined) return this.#begin(query, connection)
      query.notSent()
      const situation = this.#decisions.decideForOlder(query, error)
      if (situation !== undefined) this.#onReplica(query, situation)
      else this.#cannotBegin(query, this.#outcomes.errorWithoutPrimary(query, error))
    }, deadline)
  }

  #onReplica(query: RoutedQuery, situation = this.#decisions.situationOf(query)): void {
    const { holder } = query
    const held = holder.connectionTo('replica')
    if (held !== undefined) {
      // A transaction lives on one node; a statement outside one may ask for more than the last.
      if (holder.transaction.phase === 'open' || this.#reads.isFit(held, query, situation)) {
        query.noteTried(held.node)
        return this.#begin(query, held)
      }
      holder.giveUp(held)
    }
    holder.awaits(query)
    this.#reads.connect(query, situation, (error, connection, why = 'replica-lost') => {
      if (!holder.receives(query, connection)) return
      if (error) this.#cannotBegin(query, error)
      else if (connection === undefined) this.#elsewhere(query, why, query.lostTo)
      else this.#begin(query, connection)
    })
  }

  #cannotBegin(query: RoutedQuery, error: unknown): void {
    query.holder.cannotBegin(error)
    query.holder.finish(query, error)
  }

  /** Goes to the primary with a query that a replica could not run. */
  #elsewhere(query: RoutedQuery, reason: PrimaryReason, cause: unknown): void {
    const decision = this.#decisions.decideAgain(reason, query)
    if (decision.route === 'primary' || decision.route === 'direct') return this.#onPrimary(query)
    // An object may simply not exist: the replica's error says more than that no replay was possible.
    const isOwnError = decision.route === 'impossible' && reason === 'unknown-object'
    query.holder.finish(query, isOwnError ? cause : this.#outcomes.errorOf(decision, query.frame, cause))
  }

  #begin(query: RoutedQuery, connection: Connection): void {
    const { holder } = query
    if (query.trace !== undefined) traceServer(query, connection, query.trace)
    holder.use(connection, query)
    if (holder.transaction.phase !== 'held') return this.#sendNext(query, connection)
    holder.begin(connection, (error) => {
      if (error) this.#answered(query, connection, error)
      else this.#send(query, connection)
    })
  }

  #sendNext(query: RoutedQuery, connection: Connection): void {
    const { holder, statement } = query
    const { control } = statement
    if (!holder.isWriting || (control?.kind !== 'commit' && control?.kind !== 'two-phase')) {
      return this.#send(query, connection)
    }
    holder.identify(connection, (error) => {
      if (error) this.#answered(query, connection, error)
      else this.#send(query, connection)
    })
  }

  #send(query: RoutedQuery, connection: Connection): void {
    const { call, holder } = query
    const { client } = connection
    if (isAbandoned(call)) return this.#end(query, connection)
    query.sentIn = holder.transaction.phase
    let isAnswered = false
    const answered = (error: unknown, result?: unknown, position?: Position): void => {
      if (isAnswered) return
      isAnswered = true
      this.#answered(query, connection, error, result, position)
    }
    if (call.submittable !== undefined) {
      sendSubmittable(client, call.submittable, (error) => {
        if (isStatementLost(call, error)) connection.mustClose = true
        const told = this.#losses.errorOf(query, connection, error)
        return holder.isLost ? told : this.#outcomes.errorInPlace(query, connection, told)
      })
      client.whenSettled(() => this.#end(query, connection))
    } else if (holder.isWriting && mayBringPosition(query, connection)) {
      sendWithPosition(query, connection, answered)
    } else {
      sendQuery(client, call, answered)
    }
  }

  /** A stream or a cursor has ended: it has told its reader everything itself. */
  #end(query: RoutedQuery, connection: Connection): void {
    const { holder } = query
    // It may have been a cursor, which exists on this connection only.
    const { lostTo } = connection.client
    if (lostTo !== undefined) {
      const error = this.#losses.errorOf(query, connection, lostTo)
      if (error instanceof OutcomeUnknown) query.writeEnded(true)
      holder.lose(error)
    }
    holder.answered(connection)
    holder.finish(query, undefined)
  }

  #answered(query: RoutedQuery, connection: Connection, error: unknown, result?: unknown, position?: Position): void {
    const { holder } = query
    if (!error) {
      holder.answered(connection)
      return holder.finish(query, undefined, result, position)
    }
    // A time-out of pg's own leaves the query running: this connection must not be used again.
    const isRunning = isReadTimeout(error)
    if (isRunning || isStatementLost(query.call, error)) connection.mustClose = true
    const failed = (): void => {
      holder.answered(connection)
      this.#failed(query, connection, error)
    }
    // ReadyForQuery follows an error, or the connection's end; only then is the state of the transaction known.
    if (isRunning) failed()
    else connection.client.whenSettled(boundHere(failed))
  }

  #failed(query: RoutedQuery, connection: Connection, cause: unknown): void {
    const { holder } = query
    const error = this.#losses.errorOf(query, connection, cause)
    // The app has closed it, so it goes nowhere else.
    if (holder.isLost) return holder.finish(query, error)
    const { transaction } = holder
    const refusal = this.#outcomes.refusalOn(query, connection, error)
    holder.noticeLoss(error)
    if (refusal === undefined) return holder.finish(query, error)
    if (connection.role === 'primary') {
      if (refusal === 'refused' && connection.client.isStandby === true && transaction.phase === 'none') {
        // It was demoted, and has done nothing: the query waits for the new primary (X9).
        connection.mustClose = true
        holder.giveUp(connection)
        return this.#onPrimary(query)
      }
      return holder.finish(query, this.#outcomes.errorAtPrimary(query, connection, refusal, error))
    }
    const isForced = query.frame?.forced === 'replica'
    if (transaction.phase === 'open' || (isForced && refusal !== 'replica-lost')) {
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

  /** Settles in a later turn of the event loop, so that a caller sees the same order whatever the answer. */
  #finishLater(query: RoutedQuery, error: unknown, result?: unknown): void {
    process.nextTick(() => query.holder.finish(query, error, result))
  }
}

import { OutcomeUnknown, PrimaryUnavailable } from '@headwater/core'
import { isOutOfService, type Position, type Refusal } from '@headwater/core/internal'
import { boundHere } from '../driver/bound-here.ts'
import { isStatementLost } from '../driver/named-statement.ts'
import { isNeverSent, isNotForTransactions, isReadTimeout, isServerError, isSessionEnded } from '../driver/pg-errors.ts'
import { sendQuestion } from '../driver/send.ts'
import type { Fleet } from '../fleet/fleet.ts'
import { readServerSample, SERVER_SAMPLE } from '../fleet/server-sample.ts'
import type { Connection } from '../node/pool-node.ts'
import type { Connecting } from './connecting.ts'
import type { Decisions } from './decisions.ts'
import type { Losses } from './losses.ts'
import type { Outcomes } from './outcomes.ts'
import type { RoutedQuery } from './routed-query.ts'

/** Interprets what a server answered: the query is over, or it goes elsewhere (X2, X9, P2). */
export class Answers {
  readonly #fleet: Fleet
  readonly #decisions: Decisions
  readonly #outcomes: Outcomes
  readonly #losses: Losses
  readonly #connecting: Connecting

  constructor(fleet: Fleet, decisions: Decisions, outcomes: Outcomes, losses: Losses, connecting: Connecting) {
    this.#fleet = fleet
    this.#decisions = decisions
    this.#outcomes = outcomes
    this.#losses = losses
    this.#connecting = connecting
  }

  /** Takes the answer of a query that was sent. */
  take(query: RoutedQuery, connection: Connection, error: unknown, result?: unknown, position?: Position): void {
    const { holder, statement } = query
    if (statement.reason === 'schema-change' || (statement.count > 1 && statement.access === 'write')) {
      // What other sessions have prepared may be of an older schema.
      for (const { statements } of this.#fleet.nodes) statements?.forgetAll()
    }
    if (!error) {
      connection.node.health.gaveAnswer()
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
    if (query.mayHaveMetStandby(connection, error)) {
      return connection.client.whenSettled(boundHere(() => this.#askRole(query, connection, error, failed)))
    }
    // ReadyForQuery follows an error, or the connection's end; only then is the state of the transaction known.
    // On a shared one they belong to other reads, too, which are in no transaction.
    if (isRunning || connection.isShared) failed()
    else connection.client.whenSettled(boundHere(failed))
  }

  /** A stream or a cursor has ended: it has told its reader everything itself. */
  end(query: RoutedQuery, connection: Connection): void {
    const { holder } = query
    // It may have been a cursor, which exists on this connection only.
    const { lostTo } = connection.client
    if (lostTo !== undefined) {
      const error = this.#losses.errorOf(query, connection, lostTo)
      if (error instanceof OutcomeUnknown) query.writeEnded('unknown')
      holder.lose(error)
    }
    holder.answered(connection)
    holder.finish(query, undefined)
  }

  /**
   * A pooler hides the role of its server, so a server that refuses to write is asked (X4). One that is a standby has done nothing: the
   * query waits for the new primary (X9), once.
   */
  #askRole(query: RoutedQuery, connection: Connection, error: unknown, failed: () => void): void {
    const { node, client } = connection
    const { holder } = query
    const sentAt = performance.now()
    sendQuestion(client, SERVER_SAMPLE, (failure, rows) => {
      const sample = failure ? undefined : readServerSample(rows[0] ?? [], sentAt)
      client.whenSettled(
        boundHere(() => {
          if (sample?.isStandby !== true) return failed()
          node.learnRole(true)
          const isAskedAgain = this.#fleet.monitor.asks(node) && !query.hasMetStandby
          if (isAskedAgain) this.#fleet.report(node, sample)
          query.hasMetStandby = true
          // In session mode it would stay at the standby for as long as it lasts.
          connection.mustClose = true
          holder.answered(connection)
          holder.giveUp(connection)
          if (isAskedAgain) return this.#connecting.toPrimary(query, 'refused')
          holder.finish(query, this.#outcomes.errorWithoutPrimary(query, new PrimaryUnavailable(error)))
        }),
      )
    })
  }

  /** The pooler gave it no server, so nothing was sent: it waits for the primary as if there was no connection (X9). */
  #notSent(query: RoutedQuery, connection: Connection, cause: unknown): void {
    const { holder } = query
    query.deadline ??= this.#fleet.access.deadline
    connection.node.learn({ kind: 'failed', error: cause })
    holder.noticeLoss(cause)
    if (!holder.isLost && performance.now() < query.deadline) return this.#connecting.toPrimary(query, 'write')
    query.notSent()
    holder.finish(query, this.#outcomes.errorWithoutPrimary(query, new PrimaryUnavailable(cause)))
  }

  #failed(query: RoutedQuery, connection: Connection, cause: unknown): void {
    const { holder } = query
    const wasWaiting = connection.role === 'primary' && query.sentIn !== 'open' && isNeverSent(cause)
    if (wasWaiting && query.call.submittable === undefined) return this.#notSent(query, connection, cause)
    const error = this.#losses.errorOf(query, connection, cause)
    // The app has closed it, so it goes nowhere else.
    if (holder.isLost) return holder.finish(query, error)
    const { transaction } = holder
    const refusal = this.#outcomes.refusalOn(query, connection, error)
    holder.noticeLoss(error)
    if (refusal === undefined) {
      const cannotBeGuarded = connection.role === 'replica' && query.isGuarded && isNotForTransactions(error)
      return cannotBeGuarded ? this.#connecting.elsewhere(query, 'unknown', error) : holder.finish(query, error)
    }
    if (connection.role === 'primary') {
      if (refusal === 'refused' && connection.client.isStandby === true && transaction.phase === 'none') {
        // It was demoted, and has done nothing: the query waits for the new primary (X9).
        connection.mustClose = true
        holder.giveUp(connection)
        return this.#connecting.toPrimary(query, 'refused')
      }
      if (refusal === 'replica-lost' && query.sentIn === 'none' && this.#leavePrimary(query, connection, error)) return
      if (isLostWithLane(query, connection, refusal, cause)) return this.#leaveLane(query, connection, error)
      if (mayWaitForNext(query, connection, error)) return this.#onceStopped(query, connection, error)
      return holder.finish(query, this.#outcomes.errorAtPrimary(query, connection, refusal, error))
    }
    const isForced = query.frame?.forced === 'replica'
    if (transaction.phase === 'open' || (isForced && refusal !== 'replica-lost')) {
      return holder.finish(query, this.#outcomes.errorInPlace(query, connection, error))
    }
    if (isLostWithLane(query, connection, refusal, cause)) return this.#leaveLane(query, connection, error)
    if (refusal === 'replica-lost') {
      query.lostTo = error
      holder.giveUp(connection)
      return this.#connecting.toReplica(query, query.hasTriedFar ? 'far' : 'next-door')
    }
    if (refusal === 'refused') this.#outcomes.learn(query, error)
    this.#connecting.elsewhere(query, refusal, error)
  }

  /** Sends a read again whose shared connection was lost, perhaps through another's fault: on one of its own. */
  #leaveLane(query: RoutedQuery, connection: Connection, error: unknown): void {
    const { node, role } = connection
    query.leaveLane(node)
    query.lostTo = error
    this.#fleet.access.doubt(connection)
    if (role === 'primary') this.#connecting.toPrimary(query, 'write')
    else this.#connecting.toReplica(query, query.hasTriedFar ? 'far' : 'next-door')
  }

  /** Has a replica answer a read that the primary has not (X2, X10). `false` when none may. */
  #leavePrimary(query: RoutedQuery, connection: Connection, error: unknown): boolean {
    const decision = query.hasLeftPrimary ? undefined : this.#decisions.decideAfterPrimary(query)
    if (decision === undefined) return false
    query.hasLeftPrimary = true
    query.notSent()
    query.lostTo = error
    query.holder.giveUp(connection)
    this.#connecting.follow(query, decision)
    return true
  }

  /**
   * A server that stops ends its sessions and rolls back: a lone statement waits for the next primary, like one that was not sent
   * (X9), and so does a lone read, whatever became of it (X2). Who ends one session of a server that goes on meant it.
   */
  #onceStopped(query: RoutedQuery, connection: Connection, error: unknown): void {
    query.deadline ??= this.#fleet.access.deadline
    query.hasLeftPrimary = true
    connection.mustClose = true
    const decided = boundHere((hasStopped: boolean): void => {
      if (hasStopped) this.#connecting.toPrimary(query, 'write')
      else query.holder.finish(query, error)
    })
    void this.#fleet.access.hasStopped(connection, !isSessionEnded(error)).then(decided)
  }
}

/** Whether a read has no answer because the connection that it shared is gone. */
function isLostWithLane(query: RoutedQuery, { isShared }: Connection, refusal: Refusal, cause: unknown): boolean {
  if (!isShared || refusal !== 'replica-lost' || query.hasLeftLane || isReadTimeout(cause)) return false
  return !isServerError(cause) || isSessionEnded(cause)
}

/**
 * Whether a query stands alone, and nothing of it was done: it only reads, or its server has ended the session in which it ran. A server
 * that stops may end the next session too, so it counts how long the query has waited, and not how often.
 */
function mayWaitForNext(query: RoutedQuery, { role }: Connection, error: unknown): boolean {
  const { holder, statement, deadline, hasLeftPrimary } = query
  if (role !== 'primary' || holder.isPinned || holder.isLost || holder.transaction.phase !== 'none') return false
  if (statement.count !== 1 || query.call.submittable !== undefined) return false
  if (deadline !== undefined && performance.now() >= deadline) return false
  const isRead = statement.reason === 'reads-only'
  if (isSessionEnded(error)) return isRead || statement.reason === 'data-modification'
  // A read may be what the server crashed of: once is enough.
  return isRead && !hasLeftPrimary && isOutOfService(error)
}

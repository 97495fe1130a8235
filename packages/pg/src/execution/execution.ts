import { OptionsInvalid, OutcomeUnknown, PrimaryUnavailable } from '@headwater/core'
import {
  accessIn,
  type Decision,
  isShared,
  type Position,
  type PrimaryReason,
  type Situation,
} from '@headwater/core/internal'
import type { Submittable } from 'pg'
import { boundHere } from '../driver/bound-here.ts'
import { isStatementLost } from '../driver/named-statement.ts'
import {
  isNeverSent,
  isNotForTransactions,
  isReadTimeout,
  isSessionEnded,
  isTransactionRefusal,
} from '../driver/pg-errors.ts'
import { submittableInternalsOf } from '../driver/pg-internals.ts'
import { sendStatement } from '../driver/prepare/send-statement.ts'
import { sendQuery, sendQuestion, sendText } from '../driver/send.ts'
import { rollBack, sendGuarded } from '../driver/send-guarded.ts'
import type { Settle } from '../driver/settle.ts'
import { isAbandoned, sendSubmittable } from '../driver/submittable.ts'
import type { Fleet } from '../fleet/fleet.ts'
import { readServerSample, SERVER_SAMPLE } from '../fleet/server-sample.ts'
import type { Connected, Connection } from '../node/pool-node.ts'
import type { ConnectedToReplica, NoReplica } from '../reads/read-in-search.ts'
import type { Reads } from '../reads/reads.ts'
import type { Reach } from '../reads/replica-order.ts'
import type { Decisions } from './decisions.ts'
import type { Losses } from './losses.ts'
import { whenNameIsSettled } from './named-statements.ts'
import type { Outcomes } from './outcomes.ts'
import { type OwnSession, sessionNeedAt, sessionUnavailable } from './own-session.ts'
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
    if (this.#fleet.firstNews.isAwaited) return this.#runLater(query)
    const { holder, statement } = query
    const spentBy = query.frame?.scope?.replay
    // P3. Only a ROLLBACK still passes: it undoes the transaction, and saves its connection.
    if (spentBy !== undefined && !(statement.control?.kind === 'rollback' && holder.transaction.phase !== 'none')) {
      return this.#finishLater(query, spentBy)
    }
    const reason = holder.reasonToRefuse(query) ?? this.#unknownGroup(query)
    if (reason !== undefined) return this.#finishLater(query, reason)
    const answer = holder.hold(query)
    if (answer !== undefined) {
      const refusal = this.#refusalOfHeld(query)
      if (refusal !== undefined) holder.forgetHeld()
      return this.#finishLater(query, refusal, answer)
    }
    this.#follow(query, this.#decisions.decide(query))
  }

  #unknownGroup({ frame }: RoutedQuery): OptionsInvalid | undefined {
    const group = frame?.group
    if (group === undefined || this.#fleet.groups.has(group)) return undefined
    const known = [...this.#fleet.groups].map((name) => JSON.stringify(name)).join(', ')
    const expected = known === '' ? 'no replica names one; give a replica the option `group`' : `expected ${known}`
    return new OptionsInvalid('group', `${JSON.stringify(group)} is not a group of this pool's replicas; ${expected}`)
  }

  #runLater(query: RoutedQuery): void {
    this.#fleet.begin()
    this.#fleet.firstNews.wait(() => this.run(query))
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
        return this.#onReplica(query, decision.reason === 'far-replica' ? 'far' : 'next-door')
      case 'primary':
      case 'direct':
        return this.#onPrimary(query, decision.reason)
      case 'replay':
      case 'impossible':
      case 'refuse':
        return this.#finishLater(query, this.#outcomes.errorOf(decision, query.frame))
    }
  }

  #onPrimary(query: RoutedQuery, reason: Decision['reason']): void {
    const { holder, statement } = query
    if (accessIn(statement, holder.transaction) !== 'read') holder.pin()
    const own = sessionNeedAt(this.#fleet.primary, query)
    if (own !== undefined) return this.#onOwnSession(query, own, reason)
    const held = holder.connectionTo('primary')
    if (held !== undefined) return this.#begin(query, held)
    this.#connectToPrimary(query, reason, false)
  }

  /** A query that leaves something in its session, or relies on it (B2): never on a session that others get. */
  #onOwnSession(query: RoutedQuery, own: OwnSession, reason: Decision['reason']): void {
    const { holder } = query
    const { primary } = this.#fleet
    const held = holder.connectionTo('primary')
    const isOpen = holder.transaction.phase === 'open'
    if (held !== undefined) {
      const { node, client } = held
      if (node.traits.pooling === undefined && primary.direct === undefined) {
        return node.whenPoolingIsKnown(client, () => this.#onHeldSession(query, own, held))
      }
      if (!isShared(node.traits) && node !== primary) return this.#begin(query, held)
      if (isOpen || primary.direct === undefined) return this.#onHeldSession(query, own, held)
      // Behind the pooler nothing of this client's is on that session.
      holder.giveUp(held)
    }
    if (primary.direct === undefined && isShared(primary.traits)) {
      query.notSent()
      return this.#cannotBegin(query, sessionUnavailable(own, primary, false))
    }
    this.#connectToPrimary(query, reason, primary.direct !== undefined, (connection) => {
      connection.node.whenPoolingIsKnown(connection.client, () => this.#onHeldSession(query, own, connection))
    })
  }

  #onHeldSession(query: RoutedQuery, own: OwnSession, held: Connection): void {
    const { holder } = query
    if (!own.isRequired || !isShared(held.node.traits)) return this.#begin(query, held)
    query.notSent()
    const isOpen = holder.transaction.phase === 'open'
    if (!isOpen) {
      holder.answered(held)
      holder.giveUp(held)
    }
    this.#cannotBegin(query, sessionUnavailable(own, held.node, isOpen && this.#fleet.primary.direct !== undefined))
  }

  #connectToPrimary(
    query: RoutedQuery,
    reason: Decision['reason'],
    isDirect: boolean,
    taken = (connection: Connection) => this.#begin(query, connection),
  ): void {
    const { holder } = query
    const isLimited = this.#decisions.isLimited(reason)
    const mayReadFar = this.#decisions.mayReadFar(reason, query)
    if (mayReadFar && isLimited && !this.#fleet.places.hasFree) {
      query.notSent()
      return this.#onReplica(query, 'far', this.#decisions.decideForFar(query))
    }
    holder.awaits(query)
    // Another answer is there already: nobody waits for the primary to come back.
    const deadline = mayReadFar || this.#decisions.mayTakeOlder(query) ? 0 : query.deadline
    const connected: Connected = (error, connection) => {
      if (!holder.receives(query, connection)) return
      if (connection !== undefined) return taken(connection)
      query.notSent()
      // Nothing was sent, so it does not matter why there is no session.
      if (mayReadFar && !this.#fleet.primary.hasEnded) {
        return this.#onReplica(query, 'far', this.#decisions.decideForFar(query))
      }
      const situation = this.#decisions.decideForOlder(query, error)
      if (situation !== undefined) this.#onReplica(query, 'next-door', situation)
      else this.#cannotBegin(query, this.#outcomes.errorWithoutPrimary(query, error))
    }
    if (isLimited && !isDirect) this.#fleet.places.connect(connected, deadline)
    else this.#fleet.connectToPrimary(connected, deadline, isDirect)
  }

  #onReplica(
    query: RoutedQuery,
    reach: Reach,
    situation = this.#decisions.situationOf(query),
    whyNotTheLast?: NoReplica,
  ): void {
    const { holder } = query
    query.requirement = undefined
    if (reach === 'far') query.hasTriedFar = true
    const held = holder.connectionTo('replica')
    if (held !== undefined) {
      // A transaction lives on one node; a statement outside one may ask for more than the last.
      if (holder.transaction.phase === 'open' || this.#isFit(held, query, reach, situation)) {
        query.noteTried(held.node)
        return this.#begin(query, held)
      }
      holder.giveUp(held)
    }
    holder.awaits(query)
    const connected: ConnectedToReplica = (error, connection, why = 'replica-lost') => {
      if (!holder.receives(query, connection)) return
      if (error) this.#cannotBegin(query, error)
      else if (connection === undefined) this.#elsewhere(query, why, query.lostTo)
      else this.#begin(query, connection)
    }
    this.#reads.connect(query, situation, reach, connected, whyNotTheLast)
  }

  /** What a lease holds far away, or of another group, is left for a replica that it should read from now. */
  #isFit(held: Connection, query: RoutedQuery, reach: Reach, situation: Situation): boolean {
    const { local, far } = this.#fleet.replicasOf(query.frame?.group)
    const nodes = reach === 'far' ? far : local
    return nodes.includes(held.node) && this.#reads.isFit(held, query, situation)
  }

  #cannotBegin(query: RoutedQuery, error: unknown): void {
    query.holder.cannotBegin(error)
    query.holder.finish(query, error)
  }

  /** Goes to the primary with a query that a replica could not run. */
  #elsewhere(query: RoutedQuery, reason: PrimaryReason, cause: unknown): void {
    const decision = this.#decisions.decideAgain(reason, query)
    if (decision.route === 'primary' || decision.route === 'direct') return this.#onPrimary(query, reason)
    if (decision.route === 'replica') return this.#onReplica(query, 'far')
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
    if (connection.role === 'replica' && query.mustBeGuarded(client)) {
      return this.#sendGuarded(query, connection, (error, own) => answered(error, own))
    }
    if (call.submittable !== undefined) {
      this.#sendSubmittable(query, connection, call.submittable, () => this.#end(query, connection))
    } else if (holder.isWriting && mayBringPosition(query, connection)) {
      sendWithPosition(query, connection, answered)
    } else if (connection.node.traits.pooling === 'none' || typeof call.config === 'string') {
      sendStatement(client, call, query.statement, answered)
    } else {
      const isInTransaction = client.sessionStatus !== 'I'
      whenNameIsSettled(call, connection, isInTransaction, (settled) =>
        sendStatement(client, settled, query.statement, answered),
      )
    }
  }

  #sendSubmittable(query: RoutedQuery, connection: Connection, submittable: Submittable, ended: () => void): void {
    const { call, holder } = query
    const { client } = connection
    sendSubmittable(client, submittable, (error) => {
      if (isStatementLost(call, error)) connection.mustClose = true
      const told = this.#losses.errorOf(query, connection, error)
      return holder.isLost ? told : this.#outcomes.errorInPlace(query, connection, told)
    })
    client.whenSettled(ended)
  }

  /** Sends what could write, or must show how far its server is, behind a pooler: in a transaction that cannot write (X1). */
  #sendGuarded(query: RoutedQuery, connection: Connection, answered: Settle): void {
    const { call, requirement } = query
    const { client } = connection
    if (query.isOnePacket(client)) {
      const question = requirement === undefined ? undefined : SERVER_SAMPLE
      const sentAt = performance.now()
      return sendGuarded(client, call, question, (error, result, answer) => {
        if (isTransactionRefusal(error)) connection.node.find({ takesTransactions: false })
        const why =
          error || requirement === undefined ? undefined : this.#reads.whyStaleBy(query, connection, answer, sentAt)
        if (why === undefined) return answered(error, result)
        // What it read is older than what its client has seen.
        query.holder.answered(connection)
        query.holder.giveUp(connection)
        this.#onReplica(query, query.hasTriedFar ? 'far' : 'next-door', undefined, why)
      })
    }
    sendText(client, 'BEGIN READ ONLY', (error) => {
      if (isTransactionRefusal(error)) connection.node.find({ takesTransactions: false })
      if (error && call.submittable === undefined) return answered(error)
      if (error) {
        submittableInternalsOf(call.submittable as Submittable).handleError?.(error, client.connection)
        return client.whenSettled(() => this.#end(query, connection))
      }
      if (call.submittable !== undefined) {
        const ended = (): void => rollBack(client, () => this.#end(query, connection))
        return this.#sendSubmittable(query, connection, call.submittable, ended)
      }
      sendQuery(client, call, (failure, result) => rollBack(client, () => answered(failure, result)))
    })
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
    const { holder, statement } = query
    if (statement.reason === 'schema-change' || (statement.count > 1 && statement.access === 'write')) {
      // What other sessions have prepared may be of an older schema.
      for (const { statements } of this.#fleet.nodes) statements?.forgetAll()
    }
    if (!error) {
      connection.node.gaveAnswer()
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
    if (isRunning) failed()
    else connection.client.whenSettled(boundHere(failed))
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
          holder.answered(connection)
          holder.giveUp(connection)
          if (isAskedAgain) return this.#onPrimary(query, 'refused')
          holder.finish(query, this.#outcomes.errorWithoutPrimary(query, new PrimaryUnavailable(error)))
        }),
      )
    })
  }

  /** The pooler gave it no server, so nothing was sent: it waits for the primary as if there was no connection (X9). */
  #notSent(query: RoutedQuery, connection: Connection, cause: unknown): void {
    const { holder } = query
    query.deadline ??= this.#fleet.primaryDeadline
    connection.node.learn({ kind: 'failed', error: cause })
    holder.noticeLoss(cause)
    if (!holder.isLost && performance.now() < query.deadline) return this.#onPrimary(query, 'write')
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
      return cannotBeGuarded ? this.#elsewhere(query, 'unknown', error) : holder.finish(query, error)
    }
    if (connection.role === 'primary') {
      if (refusal === 'refused' && connection.client.isStandby === true && transaction.phase === 'none') {
        // It was demoted, and has done nothing: the query waits for the new primary (X9).
        connection.mustClose = true
        holder.giveUp(connection)
        return this.#onPrimary(query, 'refused')
      }
      if (refusal === 'replica-lost' && query.sentIn === 'none' && this.#leavePrimary(query, connection, error)) return
      if (mayWaitForNext(query, connection, error)) return this.#onceStopped(query, connection, error)
      return holder.finish(query, this.#outcomes.errorAtPrimary(query, connection, refusal, error))
    }
    const isForced = query.frame?.forced === 'replica'
    if (transaction.phase === 'open' || (isForced && refusal !== 'replica-lost')) {
      return holder.finish(query, this.#outcomes.errorInPlace(query, connection, error))
    }
    if (refusal === 'replica-lost') {
      query.lostTo = error
      holder.giveUp(connection)
      return this.#onReplica(query, query.hasTriedFar ? 'far' : 'next-door')
    }
    if (refusal === 'refused') this.#outcomes.learn(query, error)
    this.#elsewhere(query, refusal, error)
  }

  /** Has a replica answer a read that the primary has not (X2, X10). `false` when none may. */
  #leavePrimary(query: RoutedQuery, connection: Connection, error: unknown): boolean {
    const decision = query.hasLeftPrimary ? undefined : this.#decisions.decideAfterPrimary(query)
    if (decision === undefined) return false
    query.hasLeftPrimary = true
    query.notSent()
    query.lostTo = error
    query.holder.giveUp(connection)
    this.#follow(query, decision)
    return true
  }

  /**
   * A server that stops ends its sessions and rolls back: a lone statement waits for the next primary, like one that was not sent
   * (X9). Who ends one session of a server that goes on meant it.
   */
  #onceStopped(query: RoutedQuery, connection: Connection, error: unknown): void {
    query.wasEnded = true
    connection.mustClose = true
    const decided = boundHere((hasStopped: boolean): void => {
      if (hasStopped) this.#onPrimary(query, 'write')
      else query.holder.finish(query, error)
    })
    void this.#fleet.hasStopped(connection.node).then(decided)
  }

  /** Settles in a later turn of the event loop, so that a caller sees the same order whatever the answer. */
  #finishLater(query: RoutedQuery, error: unknown, result?: unknown): void {
    process.nextTick(() => query.holder.finish(query, error, result))
  }
}

/** Whether a query stands alone, and its server has ended the session in which it ran: then nothing of it was done. */
function mayWaitForNext(query: RoutedQuery, { role }: Connection, error: unknown): boolean {
  const { holder, statement, wasEnded } = query
  if (role !== 'primary' || wasEnded || holder.isPinned || holder.isLost || holder.transaction.phase !== 'none')
    return false
  const isPlain = statement.reason === 'reads-only' || statement.reason === 'data-modification'
  return isPlain && statement.count === 1 && query.call.submittable === undefined && isSessionEnded(error)
}

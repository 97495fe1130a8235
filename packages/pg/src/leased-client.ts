import {
  accessIn,
  currentFrame,
  type Decision,
  type Position,
  type PrimaryReason,
  type Situation,
  type TransactionState,
} from '@headwater/core'
import pg from 'pg'
import { ConnectionSet } from './connection-set.ts'
import { type Committed, mayBringPosition, sendWithPosition } from './freshness/send-with-position.ts'
import { HeldTransaction } from './held-transaction.ts'
import { LazyEmitter } from './lazy-emitter.ts'
import type { Connection } from './pool-node.ts'
import {
  isAbandoned,
  isStatementLost,
  nameOf,
  promiseOf,
  type QueryCall,
  queryCallOf,
  type Settle,
  sendQuery,
  sendSubmittable,
  sendText,
  settleSubmittable,
} from './query-call.ts'
import type { ConnectedToReplica } from './replica-connector.ts'
import { RoutedQuery, STANDS_ALONE } from './routed-query.ts'
import type { Router } from './router.ts'
import { type AppConfig, copyOf } from './sent-query.ts'

/**
 * What `RoutedPool.connect()` gives: a pg client that has no connection until its first statement shows where it belongs (R3).
 *
 * Outside a transaction each statement goes its own way; session state or a write keeps it with the primary from then
 * on. A transaction lives on one node. Queries run in the order in which they were asked for, one at a time. A client that
 * lost the connection of its transaction or session is lost: every query rejects until its release (X11).
 */
export class LeasedClient extends LazyEmitter {
  readonly #router: Router
  readonly #connections: ConnectionSet = new ConnectionSet(this)
  readonly #waiting: RoutedQuery[] = []
  #transaction: TransactionState = STANDS_ALONE
  #held: HeldTransaction | undefined
  #isBusy = false
  #isPinned = false
  #isReleased = false
  /** What every query rejects with, once this client has lost or closed what its queries build on. */
  #lostTo: unknown
  /** The query that waits for a connection. */
  #connecting: RoutedQuery | undefined
  /** The writes of the transaction that is open. */
  readonly #underway: RoutedQuery[] = []
  /** The texts of the names that statements were given: pg's client asks for each only once. */
  #texts: Map<string, string> | undefined
  #onEnd: (() => void) | undefined

  /** `onEnd` is told once that it is released, or lost, and holds nothing any more. */
  constructor(router: Router, onEnd: () => void) {
    super()
    this.#router = router
    this.#onEnd = onEnd
  }

  /** Every form that pg takes; see https://node-postgres.com/apis/client#clientquery. */
  query(first: unknown, second?: unknown, third?: unknown): unknown {
    return this.#query(queryCallOf(first, second, third), false)
  }

  /** For the ORM adapters: see `OrmClient`. */
  queryWrite(first: unknown, second?: unknown): unknown {
    return this.#query(queryCallOf(first, second, undefined), true)
  }

  #query(given: QueryCall, isWrite: boolean): unknown {
    const call = this.#withText(given)
    const { callback, submittable } = call
    if (submittable !== undefined) {
      this.#enqueue(call, settleSubmittable(submittable), isWrite)
      return submittable
    }
    if (callback !== undefined) {
      this.#enqueue(call, callback, isWrite)
      return undefined
    }
    return promiseOf((settle) => this.#enqueue(call, settle, isWrite))
  }

  /** With the name of a statement alone, the text that it was given before. */
  #withText(call: QueryCall): QueryCall {
    const name = call.submittable === undefined ? nameOf(call) : undefined
    if (name === undefined) return call
    if (call.text !== undefined) {
      this.#texts ??= new Map()
      this.#texts.set(name, call.text)
      return call
    }
    const text = this.#texts?.get(name)
    return text === undefined ? call : { ...call, text, config: { ...copyOf(call.config as AppConfig), text } }
  }

  /**
   * Gives the connections back, once what was asked for is done; `destroy` closes them at once, and what runs rejects. Throws
   * when called twice. All as pg does.
   */
  release = (destroy?: Error | boolean): void => {
    if (this.#isReleased) throw new Error('Release called on client which has already been released to the pool.')
    this.#isReleased = true
    if (destroy) this.#close(destroy, new Error('Connection terminated'))
    else if (!this.#isBusy) this.#letGo()
  }

  /** Closes what this client holds, at once; what runs rejects. The pool makes new connections when it needs them. */
  end(callback?: (error?: Error) => void): Promise<void> | undefined {
    const ended = this.#connections.end()
    if (!this.#isReleased) this.#close(true, new Error('Client was closed and is not queryable'))
    if (callback === undefined) return ended
    ended.then(
      () => callback(),
      (error: Error) => callback(error),
    )
    return undefined
  }

  #close(how: Error | true, error: Error): void {
    this.#lose(error)
    this.#connections.dropAll(how)
    const waiting = this.#connecting
    this.#connecting = undefined
    if (waiting !== undefined) {
      waiting.notSent()
      this.#finishLater(waiting, error)
    }
    if (!this.#isBusy) this.#letGo()
  }

  /** As pg: a leased client is connected, and says so. */
  connect(callback?: (error: Error) => void): Promise<never> | undefined {
    const error = new Error('Client has already been connected. You cannot reuse a client.')
    if (callback === undefined) return Promise.reject(error)
    process.nextTick(callback, error)
    return undefined
  }

  getTransactionStatus(): 'I' | 'T' | 'E' | null {
    if (this.#lostTo !== undefined) return null
    if (this.#held !== undefined) return 'T'
    return this.#connections.latest === undefined ? 'I' : (this.#connections.latest.client.sessionStatus ?? null)
  }

  setTypeParser(...parser: Parameters<pg.Client['setTypeParser']>): void {
    this.#connections.setTypeParser(parser)
  }

  getTypeParser(...wanted: Parameters<pg.Client['getTypeParser']>): unknown {
    return this.#connections.latest === undefined
      ? pg.types.getTypeParser(...wanted)
      : this.#connections.latest.client.getTypeParser(...wanted)
  }

  escapeIdentifier(text: string): string {
    return pg.escapeIdentifier(text)
  }

  escapeLiteral(text: string): string {
    return pg.escapeLiteral(text)
  }

  ref(): void {
    for (const client of this.#connections.clients) Reflect.apply(Reflect.get(client, 'ref'), client, [])
  }

  unref(): void {
    for (const client of this.#connections.clients) Reflect.apply(Reflect.get(client, 'unref'), client, [])
  }

  /** The backend that answered last; `null` before the first statement. */
  get processID(): number | null {
    return this.#connections.latest === undefined ? null : Reflect.get(this.#connections.latest.client, 'processID')
  }

  /** pg's own connection of the backend that answered last. */
  get connection(): pg.Connection | undefined {
    return this.#connections.latest?.client.connection
  }

  /** pg's own client of that backend, for the ORM adapters: see `OrmClient`. */
  get current(): pg.PoolClient | undefined {
    return this.#connections.latest?.client
  }

  get host(): string | undefined {
    return this.#connections.latest?.client.host
  }

  get port(): number | undefined {
    return this.#connections.latest?.client.port
  }

  get database(): string | undefined {
    return this.#connections.latest?.client.database
  }

  get user(): string | undefined {
    return this.#connections.latest?.client.user
  }

  #enqueue(call: QueryCall, settle: Settle, isWrite: boolean): void {
    if (this.#isReleased) {
      process.nextTick(settle, new Error('Client was released to the pool and is not queryable'))
      return
    }
    const statement = isWrite ? this.#router.knownWrite() : this.#router.statementOf(call.text)
    const query = new RoutedQuery(call, currentFrame(), settle, statement)
    if (this.#isBusy) {
      this.#waiting.push(query)
    } else {
      this.#isBusy = true
      this.#start(query)
    }
  }

  #next(): void {
    const query = this.#waiting.length === 0 ? undefined : this.#waiting.shift()
    this.#isBusy = query !== undefined
    if (query !== undefined) this.#start(query)
    else if (this.#isReleased || this.#lostTo !== undefined) this.#letGo()
  }

  #letGo(): void {
    this.#endWrites()
    this.#connections.dropAll(false)
    this.#onEnd?.()
    this.#onEnd = undefined
  }

  /** From here on every query rejects with `error`: none may run on another connection as if nothing had happened. */
  #lose(error: unknown): void {
    this.#lostTo ??= error
    this.#held = undefined
    this.#transaction = STANDS_ALONE
  }

  /** Lets go of connections that are gone. With that of an open transaction, or of its own session, this client is lost itself. */
  #noticeLoss(cause?: unknown): void {
    const { onPrimary, onReplica } = this.#connections
    if (onPrimary?.client.lostTo !== undefined) this.#dropLost(onPrimary, cause ?? onPrimary.client.lostTo)
    if (onReplica?.client.lostTo !== undefined) this.#dropLost(onReplica, cause ?? onReplica.client.lostTo)
  }

  #dropLost(connection: Connection, cause: unknown): void {
    const hasTransaction = this.#transaction.phase === 'open' && connection === this.#connections.latest
    const hasSession = this.#isPinned && connection.node.kind === 'primary'
    this.#connections.drop(connection, true)
    if (hasTransaction || hasSession) this.#lose(cause)
  }

  #finish(query: RoutedQuery, error: unknown, result?: unknown, position?: Position): void {
    this.#noticeLoss()
    this.#syncTransaction()
    if (query.isUnderway) this.#underway.push(query)
    if (this.#transaction.phase !== 'open') this.#endWrites()
    if (position !== undefined) query.frame?.scope?.trail.committedAt(position)
    query.settle(error, result)
    this.#next()
  }

  /** Committed, rolled back, or lost: nothing of it is underway any more. */
  #endWrites(): void {
    if (this.#underway.length > 0) for (const write of this.#underway.splice(0)) write.writeEnded()
  }

  /** Settles on a later turn, so that a caller sees one order of things whatever the answer. */
  #finishLater(query: RoutedQuery, error: unknown, result?: unknown): void {
    process.nextTick(() => this.#finish(query, error, result))
  }

  #start(query: RoutedQuery): void {
    const spentBy = query.frame?.scope?.replay
    // P3; only a ROLLBACK still passes: it undoes, and spares the connection.
    const isRollback = query.statement.control?.kind === 'rollback'
    if (spentBy !== undefined && !isRollback) return this.#finishLater(query, spentBy)
    this.#noticeLoss()
    if (this.#lostTo !== undefined) return this.#finishLater(query, this.#lostTo)
    const failure = this.#held?.failure
    if (failure !== undefined && !isRollback) return this.#finishLater(query, failure)
    if (this.#transaction.phase !== 'open' && this.#hold(query)) return
    this.#follow(query, this.#router.decide(query, this.#situationOf(query)))
  }

  #situationOf(query: RoutedQuery): Situation {
    return this.#router.situationOf(query, this.#transaction, this.#isPinned)
  }

  /** Holds BEGIN and what steers the transaction back until its first statement (R3). Says whether it did. */
  #hold(query: RoutedQuery): boolean {
    const { call, statement } = query
    const { control } = statement
    if (control === undefined || call.text === undefined || call.submittable !== undefined) return false
    let held = this.#held
    if (held === undefined) {
      if (control.kind !== 'begin') return false
      held = new HeldTransaction(call.text, control.modes)
    } else if (!held.add(call.text, control)) {
      return false
    }
    this.#keepHeld(held.isOver ? undefined : held)
    const refusal = this.#refusalOfHeld(query)
    if (refusal !== undefined) this.#keepHeld(undefined)
    this.#finishLater(query, refusal, HeldTransaction.resultOf(held.command))
    return true
  }

  #keepHeld(held: HeldTransaction | undefined): void {
    this.#held = held
    this.#transaction = held === undefined ? STANDS_ALONE : { phase: 'held', modes: held.modes }
  }

  /** A transaction that no replica can run is replayed at its BEGIN, before any work. */
  #refusalOfHeld(query: RoutedQuery): Error | undefined {
    if (this.#held === undefined) return undefined
    const situation = this.#situationOf(query)
    const { isReadOnly, isolation } = this.#held.modes
    const isKnownNow = isReadOnly === false || isolation === 'serializable' || situation.forced === 'primary'
    if (!isKnownNow || situation.topology.isAtHome) return undefined
    const decision = this.#router.decide({ statement: this.#router.statementOf(''), frame: query.frame }, situation)
    const isOut = decision.route === 'replay' || decision.route === 'impossible'
    return isOut ? this.#router.errorOf(decision, query.frame) : undefined
  }

  #follow(query: RoutedQuery, decision: Decision): void {
    switch (decision.route) {
      case 'replica':
        return this.#runOnReplica(query)
      case 'primary':
      case 'direct':
        return this.#runOnPrimary(query)
      case 'replay':
      case 'impossible':
      case 'refuse':
        return this.#finishLater(query, this.#router.errorOf(decision, query.frame))
    }
  }

  #runOnPrimary(query: RoutedQuery): void {
    if (accessIn(query.statement, this.#transaction) !== 'read') this.#isPinned = true
    const { onPrimary, onReplica } = this.#connections
    if (onPrimary !== undefined) return this.#run(query, onPrimary)
    const take = this.#whenConnected(query, onReplica, (error, connection) => {
      if (connection !== undefined) return this.#run(query, connection)
      query.notSent()
      this.#cannotBegin(query, error)
    })
    this.#router.connectToPrimary(take)
  }

  /**
   * Waits for a connection with none in hand: two clients that hold what the other waits for would wait for ever. `other` holds
   * nothing of this client's; else the query would go there.
   */
  #whenConnected(query: RoutedQuery, other: Connection | undefined, take: ConnectedToReplica): ConnectedToReplica {
    if (other !== undefined) this.#connections.drop(other, false)
    this.#connecting = query
    return (error, connection, why) => {
      // Closed meanwhile: the query has its answer.
      if (this.#connecting !== query) return connection?.release()
      this.#connecting = undefined
      if (connection !== undefined) this.#connections.add(connection)
      take(error, connection, why)
    }
  }

  /** A transaction of which nothing was sent must not begin with its second statement (X11). */
  #cannotBegin(query: RoutedQuery, error: unknown): void {
    if (this.#held !== undefined) this.#held.failure = error
    this.#finish(query, error)
  }

  #runOnReplica(query: RoutedQuery): void {
    const { onReplica } = this.#connections
    const situation = this.#situationOf(query)
    if (onReplica !== undefined) {
      // A transaction lives on one node; a statement outside one may ask for more than the last.
      if (situation.transaction.phase === 'open' || this.#router.reads.isFit(onReplica, query, situation)) {
        query.noteTried(onReplica.node)
        return this.#run(query, onReplica)
      }
      this.#connections.drop(onReplica, false)
    }
    const { onPrimary } = this.#connections
    const take = this.#whenConnected(query, onPrimary, (error, connection, why = 'replica-lost') => {
      if (error) this.#cannotBegin(query, error)
      else if (connection === undefined) this.#elsewhere(query, why, query.lostTo)
      else this.#run(query, connection)
    })
    this.#router.reads.connect(query, situation, take)
  }

  /** Goes to the primary with what a replica could not do. */
  #elsewhere(query: RoutedQuery, reason: PrimaryReason, cause: unknown): void {
    const decision = this.#router.decideAgain(reason, query, this.#situationOf(query))
    if (decision.route === 'primary' || decision.route === 'direct') return this.#runOnPrimary(query)
    // A missing object may simply be missing: its own error says more than that no replay was possible.
    const isOwnError = decision.route === 'impossible' && reason !== 'refused' && cause !== undefined
    this.#finish(query, isOwnError ? cause : this.#router.errorOf(decision, query.frame, cause))
  }

  /** Sends what was held back, then the statement itself. */
  #run(query: RoutedQuery, connection: Connection): void {
    this.#connections.latest = connection
    const held = this.#held
    if (held === undefined) return this.#send(query, connection)
    this.#sendHeld(connection, held.texts, 0, (error) => {
      if (error) {
        held.failure = error
        return this.#answered(query, connection, error)
      }
      this.#held = undefined
      this.#transaction = { phase: 'open', on: connection.node.kind, isReadOnly: held.modes.isReadOnly === true }
      this.#send(query, connection)
    })
  }

  #sendHeld(connection: Connection, texts: readonly string[], index: number, done: (error?: unknown) => void): void {
    const text = texts[index]
    if (text === undefined) return done()
    sendText(connection.client, text, (error) =>
      error ? done(error) : this.#sendHeld(connection, texts, index + 1, done),
    )
  }

  #send(query: RoutedQuery, connection: Connection): void {
    const { call } = query
    const { client } = connection
    if (isAbandoned(call)) return this.#finish(query, undefined)
    if (call.submittable === undefined) {
      const answered: Committed = (error, result, position) =>
        this.#answered(query, connection, error, result, position)
      const bringsPosition = this.#underway.length > 0 && mayBringPosition(query, connection)
      return bringsPosition ? sendWithPosition(query, connection, answered) : sendQuery(client, call, answered)
    }
    sendSubmittable(client, call.submittable, (error) => {
      if (isStatementLost(call, error)) connection.mustClose = true
      if (this.#lostTo !== undefined) return error
      return this.#router.errorInPlace(query, connection, this.#situationOf(query), error)
    })
    client.whenSettled(() => {
      // It may have been a cursor, which no other connection has.
      if (client.lostTo !== undefined) this.#lose(client.lostTo)
      this.#finish(query, undefined)
    })
  }

  #answered(query: RoutedQuery, connection: Connection, error: unknown, result?: unknown, position?: Position): void {
    if (!error) {
      this.#noteReadOnly(query)
      return this.#finish(query, undefined, result, position)
    }
    // A time-out of pg's own leaves the query running: nobody may have this connection after us.
    if (isReadTimeout(error)) {
      connection.mustClose = true
      return this.#failed(query, connection, error)
    }
    if (isStatementLost(query.call, error)) connection.mustClose = true
    // ReadyForQuery follows an error, or the connection's end; only then is the state of the transaction known.
    connection.client.whenSettled(() => this.#failed(query, connection, error))
  }

  #failed(query: RoutedQuery, connection: Connection, error: unknown): void {
    // Closed by the app, it goes nowhere else.
    if (this.#lostTo !== undefined) return this.#finish(query, error)
    const situation = this.#situationOf(query)
    const { transaction } = situation
    this.#noticeLoss(error)
    const isReadOnly = transaction.phase === 'open' && transaction.isReadOnly
    const refusal = this.#router.refusalOn(connection, error, isReadOnly)
    if (refusal === undefined) return this.#finish(query, error)
    if (connection.node.kind === 'primary') {
      const isInRecovery = refusal === 'refused' && connection.client.isStandby === true
      return this.#finish(query, isInRecovery ? this.#router.primaryRefused(error) : error)
    }
    if (transaction.phase === 'open' || situation.forced === 'replica') {
      return this.#finish(query, this.#router.errorInPlace(query, connection, situation, error))
    }
    if (refusal === 'refused') this.#router.learn(query, error)
    if (refusal !== 'replica-lost') return this.#elsewhere(query, refusal, error)
    query.lostTo = error
    this.#connections.drop(connection, false)
    this.#runOnReplica(query)
  }

  #noteReadOnly({ statement }: RoutedQuery): void {
    if (this.#transaction.phase !== 'open' || statement.control?.kind !== 'set-transaction') return
    const { isReadOnly } = statement.control.modes
    if (isReadOnly !== undefined) this.#transaction = { ...this.#transaction, isReadOnly }
  }

  /** The server's word is the truth: a transaction ends, or began inside a text, when ReadyForQuery says so. */
  #syncTransaction(): void {
    const { latest } = this.#connections
    if (latest === undefined) return
    const { sessionStatus } = latest.client
    const isInside = sessionStatus === 'T' || sessionStatus === 'E'
    // Of what was held back, BEGIN was taken and something behind it refused.
    if (isInside) this.#held = undefined
    else if (this.#held !== undefined) return
    if (!isInside) this.#transaction = STANDS_ALONE
    else if (this.#transaction.phase !== 'open') {
      this.#transaction = { phase: 'open', on: latest.node.kind, isReadOnly: false }
    }
  }
}

function isReadTimeout(error: unknown): boolean {
  return error instanceof Error && error.message === 'Query read timeout'
}

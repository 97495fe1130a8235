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
  promiseOf,
  type QueryCall,
  queryCallOf,
  type Settle,
  sendQuery,
  sendText,
  settleSubmittable,
  translateErrors,
} from './query-call.ts'
import { RoutedQuery, STANDS_ALONE } from './routed-query.ts'
import type { Router } from './router.ts'

/**
 * What `RoutedPool.connect()` gives: a pg client that has no connection until its first statement shows where it belongs (R3).
 *
 * Outside a transaction each statement goes its own way; session state or a write keeps it with the primary from then
 * on. A transaction lives on one node. Queries run in the order in which they were asked for, one at a time.
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
  #mustDestroy: Error | boolean = false
  /** The writes of the transaction that is open. */
  readonly #underway: RoutedQuery[] = []

  constructor(router: Router) {
    super()
    this.#router = router
  }

  /** Every form that pg takes; see https://node-postgres.com/apis/client#clientquery. */
  query(first: unknown, second?: unknown, third?: unknown): unknown {
    return this.#query(queryCallOf(first, second, third), false)
  }

  /** For the ORM adapters: see `OrmClient`. */
  queryWrite(first: unknown, second?: unknown): unknown {
    return this.#query(queryCallOf(first, second, undefined), true)
  }

  #query(call: QueryCall, isWrite: boolean): unknown {
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

  /** Gives the connections back; `destroy` closes them instead. Throws when called twice, as pg does. */
  release = (destroy?: Error | boolean): void => {
    if (this.#isReleased) throw new Error('Release called on client which has already been released to the pool.')
    this.#isReleased = true
    this.#mustDestroy = destroy ?? false
    if (!this.#isBusy) this.#letGo()
  }

  /** Closes what this client holds. The pool makes new connections when it needs them. */
  end(callback?: (error?: Error) => void): Promise<void> | undefined {
    if (!this.#isReleased) this.release(true)
    if (callback === undefined) return Promise.resolve()
    process.nextTick(callback)
    return undefined
  }

  /** As pg: a leased client is connected, and says so. */
  connect(callback?: (error: Error) => void): Promise<never> | undefined {
    const error = new Error('Client has already been connected. You cannot reuse a client.')
    if (callback === undefined) return Promise.reject(error)
    process.nextTick(callback, error)
    return undefined
  }

  getTransactionStatus(): 'I' | 'T' | 'E' | null {
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
    const statement = isWrite ? this.#router.knownWrite(call.text) : this.#router.statementOf(call.text)
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
    else if (this.#isReleased) this.#letGo()
  }

  #letGo(): void {
    this.#endWrites()
    this.#connections.dropAll(this.#mustDestroy)
  }

  #finish(query: RoutedQuery, error: unknown, result?: unknown, position?: Position): void {
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
    if (spentBy !== undefined && query.statement.control?.kind !== 'rollback') return this.#finishLater(query, spentBy)
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
    const { onPrimary } = this.#connections
    if (onPrimary !== undefined) return this.#run(query, onPrimary)
    this.#router.connectToPrimary((error, connection) => {
      if (connection === undefined) {
        query.notSent()
        return this.#finish(query, error)
      }
      this.#connections.add(connection)
      this.#run(query, connection)
    })
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
    this.#router.reads.connect(query, situation, (error, connection, why = 'replica-lost') => {
      if (error) return this.#finish(query, error)
      if (connection === undefined) return this.#elsewhere(query, why, query.lostTo)
      this.#connections.add(connection)
      this.#run(query, connection)
    })
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
      if (error) return this.#answered(query, connection, error)
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
      return bringsPosition ? sendWithPosition(query, client, answered) : sendQuery(client, call, answered)
    }
    translateErrors(call.submittable, (error) =>
      this.#router.errorInPlace(query, connection, this.#situationOf(query), error),
    )
    client.query(call.submittable)
    client.whenSettled(() => this.#finish(query, undefined))
  }

  #answered(query: RoutedQuery, connection: Connection, error: unknown, result?: unknown, position?: Position): void {
    if (!error) {
      this.#noteReadOnly(query)
      return this.#finish(query, undefined, result, position)
    }
    // ReadyForQuery follows a server's error; only then is the state of the transaction known.
    if (Reflect.has(Object(error), 'severity')) {
      return connection.client.whenSettled(() => this.#failed(query, connection, error))
    }
    // A time-out of pg's own leaves the query running: nobody may have this connection after us.
    if (connection.client.isLost || isReadTimeout(error)) this.#mustDestroy ||= true
    this.#failed(query, connection, error)
  }

  #failed(query: RoutedQuery, connection: Connection, error: unknown): void {
    const situation = this.#situationOf(query)
    const { transaction } = situation
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
    if (latest === undefined || this.#held !== undefined) return
    const { sessionStatus, isLost } = latest.client
    const isInside = sessionStatus === 'T' || sessionStatus === 'E'
    if (!isInside) this.#transaction = STANDS_ALONE
    else if (this.#transaction.phase !== 'open') {
      this.#transaction = { phase: 'open', on: latest.node.kind, isReadOnly: false }
    }
    if (isLost) this.#connections.drop(latest, true)
  }
}

function isReadTimeout(error: unknown): boolean {
  return error instanceof Error && error.message === 'Query read timeout'
}

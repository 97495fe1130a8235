import { EventEmitter } from 'node:events'
import {
  currentFrame,
  type Decision,
  type Frame,
  type PrimaryReason,
  type Statement,
  type TransactionState,
} from '@headwater/core'
import pg from 'pg'
import { HeldTransaction } from './held-transaction.ts'
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
import { type Connection, type Router, STANDS_ALONE } from './router.ts'

interface Job {
  readonly call: QueryCall
  readonly frame: Frame | undefined
  readonly settle: Settle
}

/** The events of a pg client that come from its connection. */
const FORWARDED = ['notification', 'notice', 'drain', 'end'] as const

/**
 * What `RoutedPool.connect()` gives: a pg client that has no connection until its first statement shows where it belongs (R3).
 *
 * Outside a transaction each statement goes its own way; session state or a write keeps it with the primary from then
 * on. A transaction lives on one node. Queries run in the order in which they were asked for, one at a time.
 */
export class LeasedClient extends EventEmitter {
  readonly #router: Router
  readonly #jobs: Job[] = []
  readonly #connections = new Map<Connection, () => void>()
  readonly #typeParsers: Parameters<pg.Client['setTypeParser']>[] = []
  #onPrimary: Connection | undefined
  #onReplica: Connection | undefined
  #latest: Connection | undefined
  #transaction: TransactionState = STANDS_ALONE
  #held: HeldTransaction | undefined
  #isBusy = false
  #isPinned = false
  #isReleased = false
  #mustDestroy: Error | boolean = false

  constructor(router: Router) {
    super()
    this.#router = router
  }

  /** Every form that pg takes; see https://node-postgres.com/apis/client#clientquery. */
  query(first: unknown, second?: unknown, third?: unknown): unknown {
    const call = queryCallOf(first, second, third)
    const { callback, submittable } = call
    if (submittable !== undefined) {
      this.#enqueue(call, settleSubmittable(submittable))
      return submittable
    }
    if (callback !== undefined) {
      this.#enqueue(call, callback)
      return undefined
    }
    return promiseOf((settle) => this.#enqueue(call, settle))
  }

  /** Gives the connections back; `destroy` closes them instead. Throws when called twice, as pg does. */
  release = (destroy?: Error | boolean): void => {
    if (this.#isReleased) throw new Error('Release called on client which has already been released to the pool.')
    this.#isReleased = true
    this.#mustDestroy = destroy ?? false
    if (!this.#isBusy) this.#giveBack()
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
    return this.#latest === undefined ? 'I' : (this.#latest.client.sessionStatus ?? null)
  }

  setTypeParser(...parser: Parameters<pg.Client['setTypeParser']>): void {
    this.#typeParsers.push(parser)
    for (const { client } of this.#connections.keys()) client.setTypeParser(...parser)
  }

  getTypeParser(...wanted: Parameters<pg.Client['getTypeParser']>): unknown {
    return this.#latest === undefined ? pg.types.getTypeParser(...wanted) : this.#latest.client.getTypeParser(...wanted)
  }

  escapeIdentifier(text: string): string {
    return pg.escapeIdentifier(text)
  }

  escapeLiteral(text: string): string {
    return pg.escapeLiteral(text)
  }

  ref(): void {
    for (const { client } of this.#connections.keys()) Reflect.apply(Reflect.get(client, 'ref'), client, [])
  }

  unref(): void {
    for (const { client } of this.#connections.keys()) Reflect.apply(Reflect.get(client, 'unref'), client, [])
  }

  /** The backend that answered last; `null` before the first statement. */
  get processID(): number | null {
    return this.#latest === undefined ? null : Reflect.get(this.#latest.client, 'processID')
  }

  /** pg's own connection of the backend that answered last. */
  get connection(): pg.Connection | undefined {
    return this.#latest?.client.connection
  }

  get host(): string | undefined {
    return this.#latest?.client.host
  }

  get port(): number | undefined {
    return this.#latest?.client.port
  }

  get database(): string | undefined {
    return this.#latest?.client.database
  }

  get user(): string | undefined {
    return this.#latest?.client.user
  }

  #enqueue(call: QueryCall, settle: Settle): void {
    if (this.#isReleased) {
      process.nextTick(settle, new Error('Client was released to the pool and is not queryable'))
      return
    }
    this.#jobs.push({ call, settle, frame: currentFrame() })
    if (!this.#isBusy) this.#next()
  }

  #next(): void {
    const job = this.#jobs.shift()
    this.#isBusy = job !== undefined
    if (job !== undefined) this.#start(job)
    else if (this.#isReleased) this.#giveBack()
  }

  #finish(job: Job, error: unknown, result?: unknown): void {
    this.#syncTransaction()
    job.settle(error, result)
    this.#next()
  }

  #start(job: Job): void {
    const { call, frame } = job
    const statement = this.#router.statementOf(call.text)
    const isWayOut = statement.control?.kind === 'rollback'
    const spentBy = frame?.scope?.replay
    // P3; only a ROLLBACK still passes: it undoes, and spares the connection.
    if (spentBy !== undefined && !isWayOut) return this.#later(job, spentBy)
    if (this.#transaction.phase !== 'open' && this.#hold(job, statement)) return
    const situation = this.#router.situationOf(frame, this.#transaction, this.#isPinned)
    const decision = this.#router.decide(this.#inTransaction(statement), frame, situation)
    this.#follow(job, statement, decision, new Set())
  }

  /** Settles on a later turn, so that a caller sees one order of things whatever the answer. */
  #later(job: Job, error: unknown, result?: unknown): void {
    process.nextTick(() => this.#finish(job, error, result))
  }

  /** What a statement needs inside an open transaction: what ends with it is at home in it, wherever it runs. */
  #inTransaction(statement: Statement): Statement {
    const { control } = statement
    if (this.#transaction.phase !== 'open') return statement
    if (control === undefined) {
      return statement.isTransactionLocal && statement.access === 'session'
        ? { ...statement, access: 'read' }
        : statement
    }
    if (control.kind === 'two-phase') return { ...statement, access: 'write' }
    // No standby has these modes.
    const needsPrimary =
      control.kind === 'set-transaction' &&
      (control.modes.isReadOnly === false || control.modes.isolation === 'serializable')
    return { ...statement, access: needsPrimary ? 'write' : 'read' }
  }

  /** Holds BEGIN and what steers the transaction back until its first statement (R3). Says whether it did. */
  #hold(job: Job, statement: Statement): boolean {
    const { control } = statement
    if (control === undefined || job.call.text === undefined || job.call.submittable !== undefined) return false
    if (this.#held === undefined) {
      if (control.kind !== 'begin') return false
      this.#held = new HeldTransaction(job.call.text, control.modes)
    } else if (!this.#held.add(job.call.text, control)) {
      return false
    }
    this.#transaction = this.#held.isOver ? STANDS_ALONE : { phase: 'held', modes: this.#held.modes }
    const command = this.#held.command
    if (this.#held.isOver) this.#held = undefined
    const refusal = this.#refusalOfHeld(job)
    if (refusal === undefined) this.#later(job, undefined, HeldTransaction.resultOf(command))
    else {
      this.#held = undefined
      this.#transaction = STANDS_ALONE
      this.#later(job, refusal)
    }
    return true
  }

  /** A transaction that no replica can run is refused or replayed at its BEGIN, before any work. */
  #refusalOfHeld(job: Job): Error | undefined {
    if (this.#held === undefined || this.#held.modes.isReadOnly === true) return undefined
    const read = this.#router.statementOf('select 1')
    const situation = this.#router.situationOf(job.frame, this.#transaction, this.#isPinned)
    const { modes } = this.#held
    const isKnownNow =
      modes.isReadOnly === false || modes.isolation === 'serializable' || situation.forced === 'primary'
    if (!isKnownNow || situation.topology.isAtHome) return undefined
    const decision = this.#router.decide(read, job.frame, situation)
    return decision.route === 'replay' || decision.route === 'impossible'
      ? this.#router.errorOf(decision, job.frame)
      : undefined
  }

  #follow(job: Job, statement: Statement, decision: Decision, tried: Set<Connection['node']>): void {
    switch (decision.route) {
      case 'replica':
        return this.#onReplicaConnection(job, statement, tried)
      case 'primary':
      case 'direct':
        return this.#onPrimaryConnection(job, statement)
      case 'replay':
      case 'impossible':
      case 'refuse':
        return this.#later(job, this.#router.errorOf(decision, job.frame))
    }
  }

  #onPrimaryConnection(job: Job, statement: Statement): void {
    if (statement.access !== 'read') this.#isPinned = true
    if (this.#onPrimary !== undefined) return this.#run(job, statement, this.#onPrimary, new Set())
    this.#router.connectToPrimary((error, connection) => {
      if (connection === undefined) return this.#finish(job, error)
      this.#onPrimary = connection
      this.#attach(connection)
      this.#run(job, statement, connection, new Set())
    })
  }

  #onReplicaConnection(job: Job, statement: Statement, tried: Set<Connection['node']>): void {
    if (this.#onReplica !== undefined) {
      tried.add(this.#onReplica.node)
      return this.#run(job, statement, this.#onReplica, tried)
    }
    this.#router.connectToReplica(job.frame, tried, (error, connection) => {
      if (error) return this.#finish(job, error)
      if (connection === undefined) return this.#elsewhere(job, statement, 'replica-lost', undefined)
      this.#onReplica = connection
      this.#attach(connection)
      this.#run(job, statement, connection, tried)
    })
  }

  /** Goes to the primary with what a replica could not do. */
  #elsewhere(job: Job, statement: Statement, reason: PrimaryReason, cause: unknown): void {
    const situation = this.#router.situationOf(job.frame, this.#transaction, this.#isPinned)
    const decision = this.#router.decideAgain(reason, statement, job.frame, situation)
    if (decision.route === 'primary' || decision.route === 'direct') return this.#onPrimaryConnection(job, statement)
    // A missing object may simply be missing: its own error says more than that no replay was possible.
    const isOwnError = decision.route === 'impossible' && reason !== 'refused' && cause !== undefined
    this.#finish(job, isOwnError ? cause : this.#router.errorOf(decision, job.frame, cause))
  }

  /** Sends what was held back, then the statement itself. */
  #run(job: Job, statement: Statement, connection: Connection, tried: Set<Connection['node']>): void {
    this.#latest = connection
    const held = this.#held
    if (held === undefined) return this.#send(job, statement, connection, tried)
    this.#sendHeld(connection, held.texts, 0, (error) => {
      if (error) return this.#answered(job, statement, connection, tried, error)
      this.#held = undefined
      this.#transaction = { phase: 'open', on: connection.node.kind, isReadOnly: held.modes.isReadOnly === true }
      this.#send(job, statement, connection, tried)
    })
  }

  #sendHeld(connection: Connection, texts: readonly string[], index: number, done: (error?: unknown) => void): void {
    const text = texts[index]
    if (text === undefined) return done()
    sendText(connection.client, text, (error) =>
      error ? done(error) : this.#sendHeld(connection, texts, index + 1, done),
    )
  }

  #send(job: Job, statement: Statement, connection: Connection, tried: Set<Connection['node']>): void {
    const { call } = job
    const { client } = connection
    if (isAbandoned(call)) return this.#finish(job, undefined)
    client.markBusy()
    if (call.submittable !== undefined) {
      translateErrors(call.submittable, (error) => this.#translate(job, statement, connection, error))
      client.query(call.submittable)
      client.whenSettled(() => this.#finish(job, undefined))
      return
    }
    sendQuery(client, call, (error, result) => this.#answered(job, statement, connection, tried, error, result))
  }

  #answered(
    job: Job,
    statement: Statement,
    connection: Connection,
    tried: Set<Connection['node']>,
    error: unknown,
    result?: unknown,
  ): void {
    if (!error) {
      if (
        this.#transaction.phase === 'open' &&
        statement.control?.kind === 'set-transaction' &&
        statement.control.modes.isReadOnly === true
      ) {
        this.#transaction = { ...this.#transaction, isReadOnly: true }
      }
      return this.#finish(job, undefined, result)
    }
    const isServerError = error instanceof Error && Reflect.has(error, 'severity')
    // A time-out of pg's own leaves the query running: nobody may have this connection after us.
    if (!isServerError) this.#mustDestroy = this.#mustDestroy || connection.client.isLost || isReadTimeout(error)
    // ReadyForQuery follows the error; only then is the state of the transaction known.
    if (isServerError) connection.client.whenSettled(() => this.#failed(job, statement, connection, tried, error))
    else this.#failed(job, statement, connection, tried, error)
  }

  #failed(
    job: Job,
    statement: Statement,
    connection: Connection,
    tried: Set<Connection['node']>,
    error: unknown,
  ): void {
    const transaction = this.#transaction
    const isReadOnly = transaction.phase === 'open' && transaction.isReadOnly
    const refusal = this.#router.refusalOn(connection, error, isReadOnly)
    if (refusal === undefined || this.#isFailedAlready(connection, error)) return this.#finish(job, error)
    if (connection.node.kind === 'primary') {
      return this.#finish(
        job,
        refusal === 'refused' && connection.client.isStandby === true ? this.#router.primaryRefused(error) : error,
      )
    }
    if (refusal === 'refused') this.#router.learn(job.call.text, statement, error)
    if (transaction.phase === 'open') return this.#finish(job, this.#translate(job, statement, connection, error))
    if (job.frame?.forced === 'replica') return this.#finish(job, this.#translate(job, statement, connection, error))
    if (refusal !== 'replica-lost') return this.#elsewhere(job, statement, refusal, error)
    this.#drop(connection)
    this.#onReplicaConnection(job, statement, tried)
  }

  /** 25P02 and the like: the transaction had failed before, and its first error said what there is to say. */
  #isFailedAlready(connection: Connection, error: unknown): boolean {
    return connection.client.sessionStatus === 'E' && error instanceof Error && Reflect.get(error, 'code') === '25P02'
  }

  /** What a replica's error becomes where the statement cannot simply be sent elsewhere: in a transaction, from a cursor, inside withReplica. */
  #translate(job: Job, statement: Statement, connection: Connection, error: unknown): unknown {
    const transaction = this.#transaction
    const isReadOnly = transaction.phase === 'open' && transaction.isReadOnly
    const refusal =
      connection.node.kind === 'replica' ? this.#router.refusalOn(connection, error, isReadOnly) : undefined
    if (refusal === undefined) return error
    if (job.frame?.forced === 'replica') {
      return refusal === 'refused'
        ? this.#router.errorOf({ route: 'refuse', reason: 'write-in-with-replica' }, job.frame, error)
        : error
    }
    const situation = this.#router.situationOf(job.frame, transaction, this.#isPinned)
    const decision = this.#router.decideAgain(refusal, statement, job.frame, situation)
    if (decision.route === 'replay') return this.#router.errorOf(decision, job.frame, error)
    if (refusal !== 'refused') return error
    return decision.route === 'impossible'
      ? this.#router.errorOf(decision, job.frame, error)
      : this.#router.errorOf({ route: 'refuse', reason: 'transaction-on-replica' }, job.frame, error)
  }

  /** The server's word is the truth: a transaction ends, or began inside a text, when ReadyForQuery says so. */
  #syncTransaction(): void {
    const status = this.#latest?.client.sessionStatus
    if (this.#latest === undefined || this.#held !== undefined) return
    if (this.#transaction.phase === 'open') {
      if (status === 'I' || status === undefined) this.#transaction = STANDS_ALONE
    } else if (status === 'T' || status === 'E') {
      this.#transaction = { phase: 'open', on: this.#latest.node.kind, isReadOnly: false }
    }
  }

  #attach(connection: Connection): void {
    const { client } = connection
    const forwarders = FORWARDED.map((event) => [event, (...args: unknown[]) => this.emit(event, ...args)] as const)
    // Without a listener of its own, a checked-out client that loses its connection ends the process.
    const onError = (error: Error) => {
      connection.node.publish('connection-error', error)
      if (this.listenerCount('error') > 0) this.emit('error', error)
    }
    for (const [event, forward] of forwarders) Reflect.apply(client.on, client, [event, forward])
    client.on('error', onError)
    this.#connections.set(connection, () => {
      for (const [event, forward] of forwarders) client.removeListener(event, forward)
      client.removeListener('error', onError)
    })
    for (const parser of this.#typeParsers) client.setTypeParser(...parser)
  }

  /** Lets go of a connection that is lost. */
  #drop(connection: Connection): void {
    this.#connections.get(connection)?.()
    this.#connections.delete(connection)
    if (this.#onReplica === connection) this.#onReplica = undefined
    if (this.#onPrimary === connection) this.#onPrimary = undefined
    if (this.#latest === connection) this.#latest = undefined
    connection.release(true)
  }

  #giveBack(): void {
    this.#held = undefined
    for (const [connection, detach] of this.#connections) giveBack(connection, this.#mustDestroy, detach)
    this.#connections.clear()
  }
}

function isReadTimeout(error: unknown): boolean {
  return error instanceof Error && error.message === 'Query read timeout'
}

/** A connection goes back at rest or not at all: an open transaction is rolled back, an unfinished answer closes it. */
function giveBack(connection: Connection, destroy: Error | boolean, detach: () => void): void {
  const { client } = connection
  const leave = (how: Error | boolean) => {
    detach()
    connection.release(how || undefined)
  }
  if (destroy || client.isLost || !client.isSettled) return leave(destroy || true)
  if (client.sessionStatus === 'I') return leave(false)
  sendText(client, 'ROLLBACK', (error) => leave(Boolean(error) || client.sessionStatus !== 'I'))
}

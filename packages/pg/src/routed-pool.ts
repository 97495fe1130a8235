import {
  currentFrame,
  currentScope,
  type Decision,
  type Frame,
  type PrimaryReason,
  type Statement,
  type Topology,
} from '@headwater/core'
import pg from 'pg'
import { LeasedClient } from './leased-client.ts'
import { type RoutedPoolOptions, resolveOptions } from './options.ts'
import type { PoolNode } from './pool-node.ts'
import {
  isAbandoned,
  promiseOf,
  type QueryCall,
  queryCallOf,
  type Settle,
  sendQuery,
  settleSubmittable,
  translateErrors,
} from './query-call.ts'
import { type Connection, Router, STANDS_ALONE } from './router.ts'

/**
 * A `pg.Pool` that reads next door and writes at the source.
 *
 * A drop-in: every form of `query` and `connect`, the events and the counts are pg's own. A leased client has no
 * connection until its first statement. What a statement that needs the primary does depends on where this process
 * runs: at home it goes there; away, inside a request, it throws `ReplayToPrimary`.
 */
export interface RoutedPool extends pg.Pool {
  /** Where this process stands, as of now. */
  readonly topology: Topology
}

interface RoutedPoolClass {
  /** @throws {OptionsInvalid} naming the option, what was expected, and what to do. */
  new (options?: RoutedPoolOptions): RoutedPool
  readonly prototype: RoutedPool
}

/** pg declares its overloads one by one; an implementation that takes them all is declared here as `unknown`. */
const PgPool = pg.Pool as unknown as new (
  config: pg.PoolConfig,
) => Omit<pg.Pool, 'query' | 'connect' | 'end' | 'totalCount' | 'idleCount' | 'waitingCount' | 'expiredCount'>

const FORWARDED = ['connect', 'acquire', 'release', 'remove'] as const

class RoutedPoolImplementation extends PgPool {
  readonly #router: Router

  constructor(options: RoutedPoolOptions = {}) {
    const resolved = resolveOptions(options, process.env)
    super(resolved.primary.config)
    this.#router = new Router(resolved)
    for (const node of this.#router.nodes) this.#forwardEvents(node)
  }

  get topology(): Topology {
    return this.#router.topology
  }

  get totalCount(): number {
    return this.#sum((pool) => pool.totalCount)
  }

  get idleCount(): number {
    return this.#sum((pool) => pool.idleCount)
  }

  get waitingCount(): number {
    return this.#sum((pool) => pool.waitingCount)
  }

  get expiredCount(): number {
    return this.#sum((pool) => pool.expiredCount)
  }

  query(first: unknown, second?: unknown, third?: unknown): unknown {
    if (typeof first === 'function') return refuseFunction(first)
    const call = queryCallOf(first, second, third)
    const { callback, submittable } = call
    if (submittable !== undefined) {
      this.#dispatch(call, settleSubmittable(submittable))
      return submittable
    }
    if (callback !== undefined) {
      this.#dispatch(call, callback)
      return undefined
    }
    return promiseOf((settle) => this.#dispatch(call, settle))
  }

  connect(callback?: (error: unknown, client?: LeasedClient, release?: LeasedClient['release']) => void): unknown {
    const error = this.ending ? new Error('Cannot use a pool after calling end on the pool') : currentScope()?.replay
    const client = error === undefined ? new LeasedClient(this.#router) : undefined
    if (callback === undefined) return client === undefined ? Promise.reject(error) : Promise.resolve(client)
    const bound = queryCallOf('', callback, undefined).callback
    process.nextTick(() => {
      if (client === undefined) Reflect.apply(bound ?? callback, undefined, [error, undefined, () => undefined])
      else Reflect.apply(bound ?? callback, undefined, [undefined, client, client.release])
    })
    return undefined
  }

  end(callback?: (error?: unknown) => void): unknown {
    if (this.ending) {
      const error = new Error('Called end on pool more than once')
      return callback === undefined ? Promise.reject(error) : callback(error)
    }
    Reflect.set(this, 'ending', true)
    const done = this.#endAll()
    if (callback === undefined) return done
    done.then(
      () => callback(),
      (error: unknown) => callback(error),
    )
    return undefined
  }

  async #endAll(): Promise<void> {
    const { nodes } = this.#router
    const outcomes = await Promise.allSettled(nodes.map((node) => node.pool.end()))
    Reflect.set(this, 'ended', true)
    const errors = outcomes.flatMap((outcome, index) =>
      outcome.status === 'rejected'
        ? [new Error(`${nodes[index]?.name}: could not be closed`, { cause: outcome.reason })]
        : [],
    )
    if (errors.length > 0) throw new AggregateError(errors, 'some pools could not be closed')
  }

  #dispatch(call: QueryCall, settle: Settle): void {
    if (this.ending) return later(settle, new Error('Cannot use a pool after calling end on the pool'))
    const frame = currentFrame()
    const spentBy = frame?.scope?.replay
    if (spentBy !== undefined) return later(settle, spentBy)
    const statement = this.#router.statementOf(call.text)
    const decision = this.#router.decide(statement, frame, this.#router.situationOf(frame, STANDS_ALONE, false))
    this.#follow(new Attempt(call, frame, statement, settle), decision)
  }

  #follow(attempt: Attempt, decision: Decision): void {
    switch (decision.route) {
      case 'replica':
        return this.#onReplica(attempt)
      case 'primary':
      case 'direct':
        return this.#router.connectToPrimary((error, connection) => {
          if (connection === undefined) attempt.settle(error)
          else this.#send(attempt, connection)
        })
      case 'replay':
      case 'impossible':
      case 'refuse':
        return later(attempt.settle, this.#router.errorOf(decision, attempt.frame))
    }
  }

  #onReplica(attempt: Attempt): void {
    attempt.tried ??= new Set()
    this.#router.connectToReplica(attempt.frame, attempt.tried, (error, connection) => {
      if (error) attempt.settle(error)
      else if (connection === undefined) this.#elsewhere(attempt, 'replica-lost', attempt.lostTo)
      else this.#send(attempt, connection)
    })
  }

  /** Goes to the primary with what a replica could not do. */
  #elsewhere(attempt: Attempt, reason: PrimaryReason, cause: unknown): void {
    const { frame, statement } = attempt
    const decision = this.#router.decideAgain(
      reason,
      statement,
      frame,
      this.#router.situationOf(frame, STANDS_ALONE, false),
    )
    const isOwnError = decision.route === 'impossible' && reason !== 'refused' && cause !== undefined
    if (isOwnError) return attempt.settle(cause)
    if (decision.route === 'primary' || decision.route === 'direct') return this.#follow(attempt, decision)
    attempt.settle(this.#router.errorOf(decision, frame, cause))
  }

  #send(attempt: Attempt, connection: Connection): void {
    const { call } = attempt
    const { client } = connection
    // pg-pool leaves a checked-out client without a listener, and an 'error' nobody hears ends the process.
    const onError = (error: Error) => connection.node.publish('connection-error', error)
    client.on('error', onError)
    const giveBack = (destroy: boolean) => {
      client.removeListener('error', onError)
      connection.release(destroy || undefined)
    }
    if (isAbandoned(call)) return giveBack(false)
    client.markBusy()
    if (call.submittable !== undefined) {
      translateErrors(call.submittable, (error) => this.#translate(attempt, connection, error))
      client.query(call.submittable)
      client.whenSettled(() => giveBack(client.sessionStatus !== 'I'))
      return
    }
    try {
      sendQuery(client, call, (error, result) => {
        if (!error) {
          // BEGIN through the pool: whoever came next would be inside that transaction.
          giveBack(client.sessionStatus !== 'I')
          attempt.settle(undefined, result)
        } else if (Reflect.has(Object(error), 'severity') && !client.isLost) {
          // ReadyForQuery follows the error: then the connection is as good as before, and stays.
          client.whenSettled(() => {
            giveBack(client.sessionStatus !== 'I')
            this.#failed(attempt, connection, error)
          })
        } else {
          giveBack(true)
          this.#failed(attempt, connection, error)
        }
      })
    } catch (error) {
      giveBack(true)
      attempt.settle(error)
    }
  }

  #failed(attempt: Attempt, connection: Connection, error: unknown): void {
    const refusal = this.#router.refusalOn(connection, error, false)
    if (refusal === undefined) return attempt.settle(error)
    if (connection.node.kind === 'primary') {
      const isInRecovery = refusal === 'refused' && connection.client.isStandby === true
      return attempt.settle(isInRecovery ? this.#router.primaryRefused(error) : error)
    }
    if (refusal === 'replica-lost') {
      attempt.lostTo = error
      return this.#onReplica(attempt)
    }
    if (refusal === 'refused') this.#router.learn(attempt.call.text, attempt.statement, error)
    if (attempt.frame?.forced === 'replica') return attempt.settle(this.#translate(attempt, connection, error))
    this.#elsewhere(attempt, refusal, error)
  }

  /** What a replica's error becomes where the statement cannot be sent again: from a cursor, inside withReplica. */
  #translate(attempt: Attempt, connection: Connection, error: unknown): unknown {
    const { frame, statement } = attempt
    const refusal = connection.node.kind === 'replica' ? this.#router.refusalOn(connection, error, false) : undefined
    if (refusal === undefined) return error
    if (refusal === 'refused') this.#router.learn(attempt.call.text, statement, error)
    if (frame?.forced === 'replica') {
      return refusal === 'refused'
        ? this.#router.errorOf({ route: 'refuse', reason: 'write-in-with-replica' }, frame, error)
        : error
    }
    const decision = this.#router.decideAgain(
      refusal,
      statement,
      frame,
      this.#router.situationOf(frame, STANDS_ALONE, false),
    )
    if (decision.route === 'replay') return this.#router.errorOf(decision, frame, error)
    return decision.route === 'impossible' && refusal === 'refused'
      ? this.#router.errorOf(decision, frame, error)
      : error
  }

  #forwardEvents(node: PoolNode): void {
    for (const event of FORWARDED)
      Reflect.apply(node.pool.on, node.pool, [event, (...args: unknown[]) => this.emit(event, ...args)])
    node.pool.on('error', (error: Error, client: pg.PoolClient) => {
      node.publish('connection-error', error)
      // An idle connection that dies is no reason to end the process: the pool makes another.
      if (this.listenerCount('error') > 0) this.emit('error', error, client)
    })
  }

  #sum(count: (pool: pg.Pool) => number): number {
    return this.#router.nodes.reduce((sum, node) => sum + count(node.pool), 0)
  }
}

/** One query on its way: what it is, who waits for it, and which replicas it has been to. */
class Attempt {
  readonly call: QueryCall
  readonly frame: Frame | undefined
  readonly statement: Statement
  readonly settle: Settle
  tried: Set<PoolNode> | undefined
  /** The error with which the last replica was lost. */
  lostTo: unknown

  constructor(call: QueryCall, frame: Frame | undefined, statement: Statement, settle: Settle) {
    this.call = call
    this.frame = frame
    this.statement = statement
    this.settle = settle
  }
}

function later(settle: Settle, error: unknown): void {
  process.nextTick(settle, error)
}

/** pg's own answer to a function in the place of the query. */
function refuseFunction(callback: unknown): unknown {
  const error = new Error('Passing a function as the first parameter to pool.query is not supported')
  setImmediate(() => Reflect.apply(callback as Settle, undefined, [error]))
  return undefined
}

// Drizzle looks for "Pool" in the class name.
Object.defineProperty(RoutedPoolImplementation, 'name', { value: 'RoutedPool' })

export const RoutedPool: RoutedPoolClass = RoutedPoolImplementation as unknown as RoutedPoolClass

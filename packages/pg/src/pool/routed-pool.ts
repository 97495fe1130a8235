import { currentScope, type Logger, OptionsInvalid, type Topology } from '@headwater/core'
import {
  currentFrame,
  noteCopy,
  type ReadPosition,
  runOutside,
  type Statement,
  theBackground,
} from '@headwater/core/internal'
import type pg from 'pg'
import { cancelQuery } from '../driver/cancel-query.ts'
import { emitterOf, PgPool, poolInternalsOf } from '../driver/pg-internals.ts'
import { boundToCaller, type QueryCall, toQueryCall } from '../driver/query-call.ts'
import { runAppCode } from '../driver/run-app-code.ts'
import { type Settle, toPromise } from '../driver/settle.ts'
import { settleSubmittable } from '../driver/submittable.ts'
import { Engine } from '../execution/engine.ts'
import { LONE_QUERIES } from '../execution/lone-queries.ts'
import { RoutedQuery } from '../execution/routed-query.ts'
import { type PoolStatus, statusOf } from '../fleet/pool-status.ts'
import { type RoutedPoolOptions, resolveOptions, type ServerPoolOptions } from '../options/options.ts'
import { LeasedClient } from './leased-client.ts'
import { OpenLeases } from './open-leases.ts'
import { type PoolWiring, wiringOf } from './wiring.ts'

/**
 * A `pg.Pool` that reads from a local replica and writes at the primary.
 *
 * It replaces `pg.Pool` as it is: every form of `query` and `connect`, the events and the counts work as in pg. A leased client
 * has no connection until its first statement, unless `connect` is `eager`. A statement that needs the primary goes there from a process in the primary's
 * region. In another region, inside a request, it rejects with `ReplayToPrimary`, and the request is replayed in the
 * primary's region; outside a request `writesOutsideRequest` says what happens.
 *
 * @example
 * ```ts
 * const pool = new RoutedPool({
 *   region: 'nrt',
 *   primary: { region: 'ams', connectionString: 'postgres://primary.internal/app' },
 *   replicas: [{ region: 'nrt', connectionString: 'postgres://replica.internal/app' }],
 * })
 * const { rows } = await pool.query('select * from post where id = $1', [1])
 * ```
 */
export interface RoutedPool extends pg.Pool {
  /** Where this process stands, as of now: its region, the primary's, and whether it has a replica. */
  readonly topology: Topology
  /** Who is told what this pool has to say: its option, which `headwater()` follows. */
  readonly logger: Logger | false | undefined
  /**
   * What the pool knows of itself and of each server, as of now: for health checks and pages of operators (O4).
   *
   * Sends no query and waits for nothing. Like `topology`, it keeps the pool's watch of its servers going, so the next call knows.
   */
  status(): PoolStatus
  /** Whether every replica of the app is known to have replayed all that was seen; `false` unless `replicasComplete`. */
  hasEveryReplica(seen: ReadPosition): boolean
  /**
   * Waits until a replica next door has all that the current scope has written and seen, or outside any scope this pool. Then reads
   * outside requests run there again.
   *
   * `true`: one has, or there is nothing to wait for (nothing was written, or there is no replica). `false`: none had in time, or nobody
   * knows what it would have to have (a write that is under way or whose answer was lost, two databases in one scope, a primary
   * that does not answer, replicas behind a load balancer): the next read runs at the primary. Never rejects for these.
   *
   * @default timeoutMillis: 5_000; 0 to 2147483647
   * @throws {OptionsInvalid} for another `timeoutMillis`.
   *
   * @example
   * await pool.query('insert into message …')
   * if (await pool.caughtUp()) socket.send(await newMessages()) // read next door
   */
  caughtUp(options?: { readonly timeoutMillis?: number | undefined }): Promise<boolean>
}

interface RoutedPoolClass {
  /**
   * Makes the pool; it connects to nothing before the first query.
   *
   * @throws {OptionsInvalid} naming the option, what was expected, and what to do.
   */
  new (options?: RoutedPoolOptions | ServerPoolOptions): RoutedPool
  readonly prototype: RoutedPool
}

const FORWARDED: ReadonlySet<string> = new Set(['connect', 'acquire', 'release', 'remove'])

class RoutedPoolImplementation extends PgPool {
  readonly #engine: Engine
  readonly #openLeases = new OpenLeases()
  readonly #isEager: boolean
  readonly logger: Logger | false | undefined
  readonly #suspectAfterMillis: number
  #isAwaitingBackground = false

  constructor(options: RoutedPoolOptions | ServerPoolOptions = {}) {
    noteCopy('@headwater/pg', import.meta.url)
    const resolved = resolveOptions(options, process.env)
    super(resolved.primary.config)
    this.#engine = new Engine(resolved)
    this.#isEager = resolved.connect === 'eager'
    this.logger = resolved.logger
    this.#suspectAfterMillis = resolved.suspectAfterMillis
    this.#forwardEvents()
  }

  get topology(): Topology {
    return this.#engine.fleet.topology
  }

  status(): PoolStatus {
    return statusOf(this.#engine.fleet, this.#suspectAfterMillis)
  }

  hasEveryReplica(seen: ReadPosition): boolean {
    return this.#engine.reads.hasEveryReplica(seen)
  }

  async caughtUp({ timeoutMillis = 5_000 }: { readonly timeoutMillis?: number | undefined } = {}): Promise<boolean> {
    if (Number.isInteger(timeoutMillis) && timeoutMillis >= 0 && timeoutMillis <= 0x7fff_ffff) {
      return this.#engine.reads.caughtUp(currentFrame(), timeoutMillis)
    }
    throw new OptionsInvalid(
      'timeoutMillis',
      `${String(timeoutMillis)} is not a valid time; expected 0 to 2147483647 milliseconds, no fraction`,
    )
  }

  positionSince(time: number): ReadPosition | undefined {
    return this.#engine.fleet.lastPosition.since(time)
  }

  hear({ cluster, timeline }: { readonly cluster: string | undefined; readonly timeline: number }): void {
    if (cluster !== undefined) this.#engine.fleet.hear({ cluster: BigInt(cluster), timeline })
  }

  /** Resolves once a server is known to be the primary, after `promotionWaitMillis` at the latest (X9). Never rejects. */
  untilPrimaryIsKnown(): Promise<void> {
    return new Promise((resolve) => this.#engine.fleet.access.whenKnown(resolve))
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
    let call: QueryCall
    try {
      call = toQueryCall(first, second, third)
    } catch (error) {
      return this.#refuse(error, typeof second === 'function' ? second : third)
    }
    const { callback, submittable } = call
    if (submittable !== undefined) {
      this.#dispatch(call, settleSubmittable(submittable))
      return submittable
    }
    if (callback !== undefined) {
      this.#dispatch(call, callback)
      return undefined
    }
    return toPromise((settle) => this.#dispatch(call, settle), this.Promise)
  }

  /** As in pg, the pool throws nothing: what no query can be made of rejects, or goes to the callback. */
  #refuse(error: unknown, callback: unknown): unknown {
    if (typeof callback !== 'function') return this.Promise.reject(error)
    process.nextTick(boundToCaller(callback as Settle), error)
    return undefined
  }

  /** For the ORM adapters: see `OrmPool`. */
  queryPlainRead(text: string, values: unknown[]): unknown {
    const statement = this.#engine.verdicts.of(text)
    if (statement.reason !== 'reads-only' || statement.count !== 1) return undefined
    const call: QueryCall = { text, config: text, values, callback: undefined, submittable: undefined }
    return toPromise((settle) => this.#dispatch(call, settle, statement))
  }

  /** For the ORM adapters: see `OrmPool`. */
  lease(): LeasedClient {
    const error = this.#reasonToRefuse()
    if (error !== undefined) throw error
    return this.#newLease()
  }

  #newLease(): LeasedClient {
    return new LeasedClient(this.#engine, this.#openLeases, this.Promise)
  }

  /** For the ORM adapters: see `OrmPool`. */
  cancelQuery(client: pg.PoolClient, isStillThere: () => boolean): Promise<void> {
    return cancelQuery(client, isStillThere)
  }

  /** For `headwater doctor`: see `PoolWiring`. */
  wiring(): PoolWiring {
    return wiringOf(this.#engine.fleet)
  }

  /** Why this pool takes no query, here and now; `undefined` when it does. */
  #reasonToRefuse(): Error | undefined {
    return this.#isClosed ? new Error('Cannot use a pool after calling end on the pool') : currentScope()?.replay
  }

  /** Whether `end()` was called, except for the background work that it waits for (P12). */
  get #isClosed(): boolean {
    return this.ending && !(this.#isAwaitingBackground && theBackground().isScope(currentScope()))
  }

  connect(callback?: (error: unknown, client?: LeasedClient, release?: LeasedClient['release']) => void): unknown {
    const error = this.#reasonToRefuse()
    const client = error === undefined ? this.#newLease() : undefined
    if (callback === undefined) {
      if (client === undefined) return this.Promise.reject(error)
      return this.#isEager ? toPromise((settle) => client.open(settle), this.Promise) : this.Promise.resolve(client)
    }
    const bound = boundToCaller(callback as (...given: unknown[]) => void)
    const settle: Settle = (failure) => {
      if (failure) bound(failure, undefined, () => undefined)
      else bound(undefined, client, client?.release)
    }
    if (client !== undefined && this.#isEager) client.open(settle)
    else process.nextTick(settle, error)
    return undefined
  }

  end(callback?: (error?: unknown) => void): unknown {
    if (this.ending) {
      const error = new Error('Called end on pool more than once')
      return callback === undefined ? this.Promise.reject(error) : callback(error)
    }
    poolInternalsOf(this).ending = true
    const done = this.#endAll()
    if (callback === undefined) return this.Promise.resolve(done)
    done.then(
      () => callback(),
      (error: unknown) => callback(error),
    )
    return undefined
  }

  /** As in pg, the pool ends only after all leased clients were released; and after the background work that was begun. */
  async #endAll(): Promise<void> {
    const background = theBackground()
    // Work that ends its own pool would wait for itself.
    if (background.isBusy && !background.isScope(currentScope())) {
      this.#isAwaitingBackground = true
      await background.settled()
      this.#isAwaitingBackground = false
    }
    await this.#openLeases.none()
    await this.#engine.end().finally(() => {
      poolInternalsOf(this).ended = true
    })
  }

  #dispatch(call: QueryCall, settle: Settle, known?: Statement): void {
    if (this.ending && this.#isClosed)
      return later(settle, new Error('Cannot use a pool after calling end on the pool'))
    // P3, before the text is read.
    const frame = currentFrame()
    const spentBy = frame?.scope?.replay
    if (spentBy !== undefined) return later(settle, spentBy)
    const { verdicts, execution } = this.#engine
    const statement = known ?? verdicts.of(call.text)
    execution.run(new RoutedQuery(call, frame, settle, statement, LONE_QUERIES, verdicts.generation))
  }

  /**
   * Passes on an event of the nodes' pools once something listens for it: two are emitted for every query. A connection is nobody's
   * own, so its events belong to no scope.
   */
  #forwardEvents(): void {
    const forwarded = new Set<string>()
    const forward = (event: string): void => {
      if (!FORWARDED.has(event) || forwarded.has(event)) return
      forwarded.add(event)
      this.#engine.fleet.members.each((node) => {
        node.eachPool((pool) =>
          emitterOf(pool).on(event, (...args: unknown[]) =>
            runOutside(() => runAppCode(() => this.emit(event, ...args))),
          ),
        )
      })
    }
    emitterOf(this).on('newListener', forward)
    this.#engine.fleet.members.each((node) => {
      node.eachPool((pool) =>
        pool.on('error', (error: Error, client: pg.PoolClient) => {
          // Without this check an idle connection that dies would end the process; the pool makes another.
          if (this.listenerCount('error') > 0) runOutside(() => runAppCode(() => this.emit('error', error, client)))
        }),
      )
    })
  }

  #sum(count: (pool: pg.Pool) => number): number {
    return this.#engine.fleet.poolNodes.reduce((sum, node) => sum + count(node.pool), 0)
  }
}

function later(settle: Settle, error: unknown): void {
  process.nextTick(settle, error)
}

/** pg's own answer to a function instead of a query. */
function refuseFunction(callback: unknown): unknown {
  const error = new Error('Passing a function as the first parameter to pool.query is not supported')
  setImmediate(() => (callback as Settle)(error))
  return undefined
}

// Libraries ask for the name of pg's own class, or for "Pool" in it; logs still show which pool it is.
Object.defineProperty(RoutedPoolImplementation, 'name', { value: 'BoundPool' })
Object.defineProperty(RoutedPoolImplementation.prototype, Symbol.toStringTag, {
  value: 'RoutedPool',
  configurable: true,
})

export const RoutedPool: RoutedPoolClass = RoutedPoolImplementation as unknown as RoutedPoolClass

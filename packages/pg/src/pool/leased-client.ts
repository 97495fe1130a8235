import { currentFrame } from '@headwater/core/internal'
import pg from 'pg'
import { boundHere } from '../driver/bound-here.ts'
import { LazyEmitter } from '../driver/lazy-emitter.ts'
import { findStatementName } from '../driver/named-statement.ts'
import { internalsOf } from '../driver/pg-internals.ts'
import { type QueryCall, toQueryCall } from '../driver/query-call.ts'
import { type AppConfig, copyConfig } from '../driver/sent-query.ts'
import { type Settle, toPromise } from '../driver/settle.ts'
import { settleSubmittable } from '../driver/submittable.ts'
import type { Engine } from '../execution/engine.ts'
import { RoutedQuery } from '../execution/routed-query.ts'
import { ConnectionSet } from './connection-set.ts'
import { Lease } from './lease.ts'
import type { OpenLeases } from './open-leases.ts'

/**
 * The pg client that `RoutedPool.connect()` gives. It has no connection until its first statement shows where it belongs (R3).
 *
 * Outside a transaction each statement is routed by itself; after session state or a write the client stays with the primary.
 * A transaction stays on one node. Queries run one at a time, in the order of the calls. A client that lost the connection
 * of its transaction or session rejects every query until its release (X11).
 */
export class LeasedClient extends LazyEmitter {
  readonly #engine: Engine
  readonly #connections: ConnectionSet = new ConnectionSet(this)
  readonly #lease: Lease
  /** Runs the queries that wait, each where it was asked for. */
  #waiting: (() => void)[] | undefined
  #isBusy = false
  #isReleased = false
  /** The texts of prepared statements by name: as in pg, the app need give each text only once. */
  #texts: Map<string, string> | undefined
  readonly #open: OpenLeases
  readonly #Promise: PromiseConstructor
  #isOpen = false

  /** `Promise` is the class of the promises that it gives. */
  constructor(engine: Engine, open: OpenLeases, Own: PromiseConstructor = Promise) {
    super()
    this.#engine = engine
    this.#lease = new Lease(this.#connections, engine.tracksCommits, () => this.#next())
    this.#open = open
    this.#Promise = Own
    this.#setOpen(true)
  }

  /** Whether the pool serves it before it ends. */
  #setOpen(isOpen: boolean): void {
    if (this.#isOpen === isOpen) return
    this.#isOpen = isOpen
    if (isOpen) this.#open.opened()
    else this.#open.closed()
  }

  /** Takes a connection before the first statement, and calls back with this client; without a connection it is released. */
  open(opened: Settle): void {
    this.#engine.connectEarly(currentFrame(), (error, connection) => {
      if (connection === undefined) {
        this.release()
        return opened(error)
      }
      this.#lease.takes(connection)
      opened(undefined, this)
    })
  }

  /** Every form that pg takes; see https://node-postgres.com/apis/client#clientquery. */
  query(first: unknown, second?: unknown, third?: unknown): unknown {
    return this.#query(toQueryCall(first, second, third), false)
  }

  /** For the ORM adapters: see `OrmClient`. */
  queryWrite(first: unknown, second?: unknown): unknown {
    return this.#query(toQueryCall(first, second, undefined), true)
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
    return toPromise((settle) => this.#enqueue(call, settle, isWrite), this.#Promise)
  }

  /** Adds the text that was given before to a call with only the name of a prepared statement. */
  #withText(call: QueryCall): QueryCall {
    const name = call.submittable === undefined ? findStatementName(call) : undefined
    if (name === undefined) return call
    if (call.text !== undefined) {
      this.#texts ??= new Map()
      this.#texts.set(name, call.text)
      return call
    }
    const text = this.#texts?.get(name)
    return text === undefined ? call : { ...call, text, config: copyConfig(call.config as AppConfig, text) }
  }

  /**
   * Gives the connections back once all queries are done. With `destroy` it closes them at once, and open queries reject. Throws
   * when called twice. All as in pg.
   */
  release = (destroy?: Error | boolean): void => {
    if (this.#isReleased) throw new Error('Release called on client which has already been released to the pool.')
    this.#isReleased = true
    if (destroy) this.#close(destroy, new Error('Connection terminated'))
    else if (!this.#isBusy) this.#letGo()
  }

  /** Closes this client's connections at once; open queries reject. The pool makes new connections when it needs them. */
  end(callback?: (error?: Error) => void): Promise<void> | undefined {
    const wasLost = this.#lease.isLost
    const ended = this.#connections.end().finally(() => {
      // One that was lost has said so.
      if (!wasLost) this.emit('end')
    })
    if (!this.#isReleased) this.#close(true, new Error('Client was closed and is not queryable'))
    if (callback === undefined) return ended
    ended.then(
      () => callback(),
      (error: Error) => callback(error),
    )
    return undefined
  }

  #close(how: Error | true, error: Error): void {
    this.#lease.close(how, error)
    if (!this.#isBusy) this.#letGo()
  }

  /** As in pg: a leased client counts as connected, so connecting it again is an error. */
  connect(callback?: (error: Error) => void): Promise<never> | undefined {
    const error = new Error('Client has already been connected. You cannot reuse a client.')
    if (callback === undefined) return Promise.reject(error)
    process.nextTick(callback, error)
    return undefined
  }

  getTransactionStatus(): 'I' | 'T' | 'E' | null {
    return this.#lease.status
  }

  setTypeParser(...parser: Parameters<pg.Client['setTypeParser']>): void {
    this.#connections.setTypeParser(parser)
  }

  getTypeParser(...wanted: Parameters<pg.Client['getTypeParser']>): unknown {
    return this.#connections.getTypeParser(wanted) ?? this.#face.getTypeParser(...wanted)
  }

  escapeIdentifier(text: string): string {
    return pg.escapeIdentifier(text)
  }

  escapeLiteral(text: string): string {
    return pg.escapeLiteral(text)
  }

  ref(): void {
    for (const client of this.#connections.clients) internalsOf(client).ref()
  }

  unref(): void {
    for (const client of this.#connections.clients) internalsOf(client).unref()
  }

  /** The process id of the backend that was used last; `null` before the first statement. */
  get processID(): number | null {
    const { latest } = this.#connections
    return latest === undefined ? null : internalsOf(latest.client).processID
  }

  /** pg's own connection to the backend that was used last. */
  get connection(): pg.Connection | undefined {
    return this.#connections.latest?.client.connection
  }

  /** pg's own client for that backend, for the ORM adapters: see `OrmClient`. */
  get current(): pg.PoolClient | undefined {
    return this.#connections.latest?.client
  }

  /** What says where it leads: its connection, and before that what one to the primary will say. */
  get #face(): pg.Client {
    return this.#connections.latest?.client ?? this.#engine.fleet.primary.address.unconnected
  }

  /** What a request to cancel its query must say; `null` before the first statement. */
  get secretKey(): number | null {
    const { latest } = this.#connections
    return latest === undefined ? null : internalsOf(latest.client).secretKey
  }

  get host(): string {
    return this.#face.host
  }

  get port(): number {
    return this.#face.port
  }

  get database(): string | undefined {
    return this.#face.database
  }

  get user(): string | undefined {
    return this.#face.user
  }

  get password(): string | undefined {
    return this.#face.password
  }

  get ssl(): boolean {
    return this.#face.ssl
  }

  get connectionParameters(): unknown {
    return internalsOf(this.#face).connectionParameters
  }

  #enqueue(call: QueryCall, settle: Settle, isWrite: boolean): void {
    if (this.#isReleased) {
      process.nextTick(settle, new Error('Client was released to the pool and is not queryable'))
      return
    }
    const { verdicts } = this.#engine
    const statement = isWrite ? verdicts.ofWrite(call.text) : verdicts.of(call.text)
    const query = new RoutedQuery(call, currentFrame(), settle, statement, this.#lease, verdicts.generation)
    if (this.#isBusy) {
      this.#waiting ??= []
      this.#waiting.push(boundHere(() => this.#engine.execution.run(query)))
    } else {
      this.#isBusy = true
      if (this.#lease.wasRefused) this.#setOpen(true)
      this.#engine.execution.run(query)
    }
  }

  #next(): void {
    const run = this.#waiting?.shift()
    this.#isBusy = run !== undefined
    if (run !== undefined) run()
    else if (this.#isReleased || this.#lease.isLost) this.#letGo()
    // Drizzle 0.45 never releases a client whose BEGIN was refused, and this one holds nothing that `end()` must wait for.
    else if (this.#lease.wasRefused) this.#setOpen(false)
  }

  #letGo(): void {
    this.#lease.letGo()
    this.#setOpen(false)
  }
}

// Libraries ask for this name.
Object.defineProperty(LeasedClient, 'name', { value: 'Client' })

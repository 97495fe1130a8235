import { diagnostics, type NodeEvent } from '@headwater/core'
import { databaseErrorIn, type Evidence, HEALTHY, type Health, isEjected, nextHealth } from '@headwater/core/internal'
import pg from 'pg'
import { clientClassOf, forgetPending } from '../driver/pg-internals.ts'
import { isOptionsRefusal, type TrackedClient, trackedClientClass } from '../driver/tracked-client.ts'
import type { ResolvedNode } from '../options/options.ts'
import { forceReadOnlySession } from './read-only-session.ts'

export type NodeKind = 'primary' | 'replica'

/** A connection in use: its node, its client, and how to give it back. */
export interface Connection {
  readonly node: PoolNode
  readonly client: TrackedClient
  /** Whether it must be closed when it is given back; until then it can be used. */
  mustClose: boolean
  release(destroy?: Error | boolean): void
}

/** Gives a connection, or an error. */
export type Connected = (error: unknown, connection?: Connection) => void

/** A caller that waits for a connection. */
interface Waiting {
  readonly connected: Connected
  readonly failed: (error: unknown) => void
}

/** One Postgres server: its connections, the role that it reports, and whether it gives sessions. */
export class PoolNode {
  readonly name: string
  readonly kind: NodeKind
  readonly region: string | undefined
  readonly pool: pg.Pool
  /** Whether each connection may lead to another server. */
  readonly isBalanced: boolean
  /** The role that the server last reported; `undefined` before the first connection. */
  isStandby: boolean | undefined
  #isReadOnlyForced = true
  #areOptionsRefused = false
  #hasWarned = false
  readonly #waiting = new Set<Waiting>()
  /** Whether it has refused to report its position in the WAL: then it is not asked again, and clients that wrote read here. */
  refusesPosition = false
  #health: Health = HEALTHY

  constructor(node: ResolvedNode, kind: NodeKind) {
    this.name = node.name
    this.kind = kind
    this.region = node.region
    this.isBalanced = node.isBalanced
    const Client = trackedClientClass(clientClassOf(node.config), {
      asksForReadOnly: () => kind === 'replica' && !this.#areOptionsRefused,
      onOptionsRefused: () => {
        this.#areOptionsRefused = true
      },
      onRole: (isStandby) => this.#observeRole(isStandby),
      onError: (error) => this.publish('connection-error', error),
    })
    const config: pg.PoolConfig = { ...node.config, Client }
    // A spread loses what pg hides.
    if (node.config.password !== undefined) config.password = node.config.password
    if (kind === 'replica') config.verify = this.#verifyReadOnly(node.config.verify)
    this.pool = new pg.Pool(config)
  }

  /** Whether its sessions are forced read-only (X1), as far as is known. */
  get isReadOnlyForced(): boolean {
    return this.#isReadOnlyForced
  }

  /** Whether it gave no session lately, so that no query is sent here for a while (X3). */
  get isEjected(): boolean {
    return isEjected(this.#health, performance.now())
  }

  /** Whether a query may be sent here. After a failure and its pause, only the first to ask is told `true`: it is the probe. */
  tryProbe(): boolean {
    if (this.#health.failures === 0) return true
    // A caller that waits here already is the probe.
    if (this.isEjected || this.#waiting.size > 0) return false
    this.#learn({ kind: 'probed' })
    return true
  }

  /**
   * Takes a connection, and learns from the outcome whether this server gives sessions. When a replica proves to give none,
   * all callers that wait for one fail at once, to go elsewhere.
   */
  connect(connected: Connected, failed: (error: unknown) => void): void {
    // One that is free comes at once: nobody waits.
    if (this.pool.idleCount > this.pool.waitingCount) return this.#takeIdle(connected, failed)
    const waiting: Waiting = { connected, failed }
    this.#waiting.add(waiting)
    try {
      this.#ask(waiting, true)
    } catch (error) {
      this.#waiting.delete(waiting)
      throw error
    }
  }

  #takeIdle(connected: Connected, failed: (error: unknown) => void): void {
    this.pool.connect((error, client, release) => {
      if (client === undefined) return this.#learnWhy(error, failed)
      this.markUp()
      connected(undefined, this.#connectionOf(client, release))
    })
  }

  /** The pool makes the class that it was given. */
  #connectionOf(client: pg.PoolClient, release: Connection['release']): Connection {
    return { node: this, client: client as TrackedClient, mustClose: false, release }
  }

  /** No session was to be had; a full pool says nothing about its server. */
  #learnWhy(error: unknown, failed: ((error: unknown) => void) | undefined): void {
    if (!isFullPool(error) && !this.pool.ending) {
      this.markDown(error)
      failed?.(error)
    } else {
      // Whoever waited in vain behind others that got no session was kept waiting by the server.
      failed?.(this.#health.failures > 0 && !this.pool.ending ? this.#health.error : error)
    }
  }

  #ask(waiting: Waiting, mayAskAgain: boolean): void {
    this.pool.connect((error, client, release) => {
      if (error && mayAskAgain && isOptionsRefusal(error) && this.#waiting.has(waiting))
        return this.#ask(waiting, false)
      const isStillWaiting = this.#waiting.delete(waiting)
      if (client === undefined) return this.#learnWhy(error, isStillWaiting ? waiting.failed : undefined)
      this.markUp()
      if (isStillWaiting) waiting.connected(undefined, this.#connectionOf(client, release))
      else release()
    })
  }

  markDown(error: unknown): void {
    const { failures } = this.#health
    this.#learn({ kind: 'failed', error })
    if (failures === 0) this.publish('down', error)
    // A caller that waits for the primary has nowhere else to go.
    if (this.kind === 'replica') this.#sendAway(error)
  }

  markUp(): void {
    if (this.#health.failures === 0) return
    this.#learn({ kind: 'answered' })
    this.publish('up', undefined)
  }

  /** Its watcher was answered: the server can be reached. That does not say whether it takes new sessions. */
  markReachable(): void {
    const { failures, error } = this.#health
    if (failures > 0 && databaseErrorIn(error) === undefined) this.markUp()
  }

  positionRefused(error: unknown): void {
    if (this.refusesPosition) return
    this.refusesPosition = true
    this.publish('connection-error', error)
  }

  publish(change: NodeEvent['change'], error: unknown): void {
    if (!diagnostics.node.hasSubscribers) return
    diagnostics.node.publish({ node: this.name, region: this.region, change, error } satisfies NodeEvent)
  }

  /** Fails all callers that wait. A connection that still comes for one of them goes back at once. */
  #sendAway(error: unknown): void {
    if (this.#waiting.size === 0) return
    const all = [...this.#waiting]
    this.#waiting.clear()
    // pg-pool would try to connect for each of them in turn, and the next caller would wait behind them.
    forgetPending(this.pool)
    for (const { failed } of all) failed(error)
  }

  #learn(evidence: Evidence): void {
    this.#health = nextHealth(this.#health, evidence, performance.now(), Math.random())
  }

  #observeRole(isStandby: boolean): void {
    if (this.isStandby === isStandby) return
    const isChange = this.isStandby !== undefined || isStandby !== (this.kind === 'replica')
    this.isStandby = isStandby
    if (isChange) this.publish(isStandby ? 'became-standby' : 'became-primary', undefined)
  }

  /** Checks each new session before a caller gets it; `next` is the app's own check. */
  #verifyReadOnly(next: Verify | undefined): Verify {
    return (client, done) => {
      const tracked = client as TrackedClient
      forceReadOnlySession(tracked, (error, isForced) => {
        if (error !== undefined) return done(error)
        tracked.isForcedReadOnly = isForced
        this.#isReadOnlyForced = isForced
        if (!isForced) this.#warnOfPooler()
        if (next === undefined) done()
        else next(client, done)
      })
    }
  }

  #warnOfPooler(): void {
    if (this.#hasWarned) return
    this.#hasWarned = true
    process.emitWarning(
      `${this.name} is behind a pooler that shares its sessions, so they cannot be forced read-only: only statements that are ` +
        'proven to read run there, and all others need the primary. Give the URL of the replica itself. Shown once for each replica.',
      { type: 'HeadwaterWarning', code: 'HEADWATER_POOLED_REPLICA' },
    )
  }
}

type Verify = NonNullable<pg.PoolConfig['verify']>

/** Whether the pool had no free place. Source: pg-pool 3.14; its other two messages (and pg's `timeout expired`) mean the server. */
function isFullPool(error: unknown): boolean {
  return error instanceof Error && error.message === 'timeout exceeded when trying to connect'
}

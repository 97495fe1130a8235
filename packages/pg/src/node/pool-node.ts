import { diagnostics, type NodeEvent } from '@headwater/core'
import {
  databaseErrorIn,
  type EndpointTraits,
  type Evidence,
  HEALTHY,
  type Health,
  isEjected,
  nextHealth,
  withFound,
} from '@headwater/core/internal'
import pg from 'pg'
import { clientClassOf, forgetPending } from '../driver/pg-internals.ts'
import { isOptionsRefusal, type TrackedClient, trackedClientClass } from '../driver/tracked-client.ts'
import { unconnectedClient } from '../driver/unconnected-client.ts'
import type { ResolvedNode } from '../options/options.ts'
import { forceReadOnlySession } from './read-only-session.ts'

export type NodeRole = 'primary' | 'replica'

/** A connection in use: its node, its client, and how to give it back. */
export interface Connection {
  readonly node: PoolNode
  readonly client: TrackedClient
  /** What its node was when it was taken. */
  readonly role: NodeRole
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
  readonly role: NodeRole
  readonly region: string | undefined
  readonly pool: pg.Pool
  /** The role that the server last reported; `undefined` before the first connection. */
  isStandby: boolean | undefined
  #traits: EndpointTraits
  #hasWarned = false
  readonly #waiting = new Set<Waiting>()
  /** Whether it has refused to report its position in the WAL: then it is not asked again, and clients that wrote read here. */
  refusesPosition = false
  #health: Health = HEALTHY
  #unconnected: pg.Client | undefined

  constructor(node: ResolvedNode, role: NodeRole) {
    this.name = node.name
    this.role = role
    this.region = node.region
    this.#traits = node.traits
    const Client = trackedClientClass(clientClassOf(node.config), {
      asksForReadOnly: () => role === 'replica' && this.#traits.takesStartupOptions,
      onOptionsRefused: () => this.find({ takesStartupOptions: false }),
      onRole: (isStandby) => this.#observeRole(isStandby),
      onError: (error) => this.learn({ kind: 'connection-error', error }),
    })
    const config: pg.PoolConfig = { ...node.config, Client }
    // A spread loses what pg hides.
    if (node.config.password !== undefined) config.password = node.config.password
    const { verify } = node.config
    if (verify !== undefined) config.verify = guarded(verify)
    if (role === 'replica') config.verify = this.#verifyReadOnly(config.verify)
    this.pool = new pg.Pool(config)
  }

  /** A client to it that never connects, for what one says of itself. */
  get unconnected(): pg.Client {
    this.#unconnected ??= unconnectedClient(this.pool.options)
    return this.#unconnected
  }

  /** What its address gives, as far as is known. */
  get traits(): EndpointTraits {
    return this.#traits
  }

  /** Notes what its address proved to give. */
  find(found: Partial<EndpointTraits>): void {
    this.#traits = withFound(this.#traits, found)
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
    this.learn({ kind: 'probed' })
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
      // The app's own class of client can throw.
      this.#waiting.delete(waiting)
      process.nextTick(failed, error)
    }
  }

  #takeIdle(connected: Connected, failed: (error: unknown) => void): void {
    this.pool.connect((error, client, release) => {
      if (client === undefined) return this.#learnWhy(error, failed)
      this.learn({ kind: 'answered' })
      connected(undefined, this.#connectionOf(client, release))
    })
  }

  /** The pool makes the class that it was given. */
  #connectionOf(client: pg.PoolClient, release: Connection['release']): Connection {
    return { node: this, client: client as TrackedClient, role: this.role, mustClose: false, release }
  }

  /** No session was to be had; a full pool says nothing about its server. */
  #learnWhy(error: unknown, failed: ((error: unknown) => void) | undefined): void {
    if (!isFullPool(error) && !this.pool.ending) {
      this.learn({ kind: 'failed', error })
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
      this.learn({ kind: 'answered' })
      if (isStillWaiting) waiting.connected(undefined, this.#connectionOf(client, release))
      else release()
    })
  }

  /** Takes what was learned about its server into the verdict, and tells of it. */
  learn(evidence: Evidence): void {
    const { failures } = this.#health
    if (evidence.kind === 'answered' && failures === 0) return
    this.#health = nextHealth(this.#health, evidence, performance.now(), Math.random())
    switch (evidence.kind) {
      case 'probed':
        return
      case 'answered':
        return this.#publish('up', undefined)
      case 'connection-error':
        return this.#publish('connection-error', evidence.error)
      case 'failed':
        if (failures === 0) this.#publish('down', evidence.error)
        // A caller that waits for the primary has nowhere else to go.
        if (this.role === 'replica') this.#sendAway(evidence.error)
    }
  }

  /** Its watcher was answered: the server can be reached. That does not say whether it takes new sessions. */
  markReachable(): void {
    const { failures, error } = this.#health
    if (failures > 0 && databaseErrorIn(error) === undefined) this.learn({ kind: 'answered' })
  }

  positionRefused(error: unknown): void {
    if (this.refusesPosition) return
    this.refusesPosition = true
    this.learn({ kind: 'connection-error', error })
  }

  #publish(change: NodeEvent['change'], error: unknown): void {
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

  #observeRole(isStandby: boolean): void {
    if (this.isStandby === isStandby) return
    const isChange = this.isStandby !== undefined || isStandby !== (this.role === 'replica')
    this.isStandby = isStandby
    if (isChange) this.#publish(isStandby ? 'became-standby' : 'became-primary', undefined)
  }

  /** Checks each new session before a caller gets it; `next` is the app's own check. */
  #verifyReadOnly(next: Verify | undefined): Verify {
    return (client, done) => {
      const tracked = client as TrackedClient
      forceReadOnlySession(tracked, (error, isForced) => {
        if (error !== undefined) return done(error)
        tracked.isForcedReadOnly = isForced
        this.find({ keepsReadOnly: isForced })
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

/** pg-pool calls it from a socket event: a throw there would end the process, and cost the connection's place. */
function guarded(verify: Verify): Verify {
  return (client, done) => {
    try {
      verify(client, done)
    } catch (error) {
      done(error as Error)
    }
  }
}

/** Whether the pool had no free place. Source: pg-pool 3.14; its other two messages (and pg's `timeout expired`) mean the server. */
function isFullPool(error: unknown): boolean {
  return error instanceof Error && error.message === 'timeout exceeded when trying to connect'
}

import { diagnostics, isConnectionLoss, type NodeEvent } from '@headwater/core'
import pg from 'pg'
import type { ResolvedNode } from './options.ts'
import { type TrackedClient, trackedClientClass } from './tracked-client.ts'

/** How long a server that could not be reached is left alone, in ms: the first time, and at most. */
const BACKOFF = { first: 250, most: 30_000 } as const

export type NodeKind = 'primary' | 'replica'

/** A connection in use: whose it is, and how it goes back. */
export interface Connection {
  readonly node: PoolNode
  readonly client: TrackedClient
  /** Whether nobody may have it next, though it can still be used. */
  mustClose: boolean
  release(destroy?: Error | boolean): void
}

/** Gives a connection, or an error. */
export type Connected = (error: unknown, connection?: Connection) => void

/** One Postgres server: its connections, its role as it says itself, and whether it can be reached. */
export class PoolNode {
  readonly name: string
  readonly kind: NodeKind
  readonly region: string | undefined
  readonly pool: pg.Pool
  /** Whether each of its connections may lead to another server. */
  readonly isBalanced: boolean
  /** The role that the server last reported; `undefined` before the first connection. */
  isStandby: boolean | undefined
  /** Whether it has refused to say where it is in its log: it is not asked again, and the reads of those who wrote stay with it. */
  refusesPosition = false
  #failures = 0
  #downUntil = 0

  constructor(node: ResolvedNode, kind: NodeKind) {
    this.name = node.name
    this.kind = kind
    this.region = node.region
    this.isBalanced = node.isBalanced
    const Base = (node.config.Client as typeof pg.Client | undefined) ?? pg.Client
    const Client = trackedClientClass(Base, {
      isForcedReadOnly: kind === 'replica',
      onRole: (isStandby) => this.#observeRole(isStandby),
      onError: (error) => this.publish('connection-error', error),
    })
    const config: pg.PoolConfig = { ...node.config, Client }
    // A spread loses what pg hides.
    if (node.config.password !== undefined) config.password = node.config.password
    if (kind === 'replica') config.verify = verifyReadOnly(node.config.verify)
    this.pool = new pg.Pool(config)
  }

  /** Whether it could not be reached lately. The first to ask after the pause is told `false`: it is the probe. */
  isDown(): boolean {
    if (this.#failures === 0) return false
    const now = performance.now()
    if (now < this.#downUntil) return true
    this.#downUntil = now + this.#pause()
    return false
  }

  /** Whether it could not be reached lately, without becoming the probe. */
  isResting(): boolean {
    return this.#failures > 0 && performance.now() < this.#downUntil
  }

  /** Takes a connection, and learns from the outcome whether the server can be reached. */
  connect(connected: Connected, failed: (error: unknown) => void): void {
    this.pool.connect((error, client, release) => {
      if (client !== undefined) {
        this.markUp()
        // The pool makes the class that it was given.
        connected(undefined, { node: this, client: client as TrackedClient, mustClose: false, release })
        return
      }
      // A full pool says nothing about the server.
      if (isConnectionLoss(error) && this.pool.waitingCount === 0) this.markDown(error)
      failed(error)
    })
  }

  markDown(error: unknown): void {
    // Many that ask at once fail together: that is one failure, not a reason to wait for minutes.
    if (this.isResting()) return
    this.#failures += 1
    this.#downUntil = performance.now() + this.#pause()
    if (this.#failures === 1) this.publish('down', error)
  }

  markUp(): void {
    if (this.#failures === 0) return
    this.#failures = 0
    this.publish('up', undefined)
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

  /** Doubles with each failure, and is spread by a half so that a fleet does not knock all at once. */
  #pause(): number {
    const pause = Math.min(BACKOFF.most, BACKOFF.first * 2 ** (this.#failures - 1))
    return pause * (0.75 + Math.random() / 2)
  }

  #observeRole(isStandby: boolean): void {
    if (this.isStandby === isStandby) return
    const isChange = this.isStandby !== undefined || isStandby !== (this.kind === 'replica')
    this.isStandby = isStandby
    if (isChange) this.publish(isStandby ? 'became-standby' : 'became-primary', undefined)
  }
}

type Verify = NonNullable<pg.PoolConfig['verify']>

/** A pooler between us and the server may drop the startup setting that keeps the session read-only (X1): say it again. */
function verifyReadOnly(next: Verify | undefined): Verify {
  return (client, done) => {
    const proceed = (error?: Error) => (error || next === undefined ? done(error) : next(client, done))
    if ((client as TrackedClient).isReadOnlyByDefault === true) return proceed()
    client.query('SET default_transaction_read_only = on').then(
      () => proceed(),
      (error: Error) => proceed(error),
    )
  }
}

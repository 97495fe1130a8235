import { diagnostics, type NodeEvent } from '@headwater/core'
import {
  databaseErrorIn,
  type EndpointTraits,
  type Evidence,
  HEALTHY,
  type Health,
  isDirect,
  isEjected,
  nextHealth,
  PRIMARY_BACKOFF,
  REPLICA_BACKOFF,
  runOutside,
  withFound,
} from '@headwater/core/internal'
import pg from 'pg'
import { boundHere } from '../driver/bound-here.ts'
import { isNotRunning } from '../driver/pg-errors.ts'
import { clientClassOf, clientsOf, forgetPending } from '../driver/pg-internals.ts'
import { ServerStatements } from '../driver/prepare/server-statements.ts'
import { isOptionsRefusal, type TrackedClient, trackedClientClass } from '../driver/tracked-client.ts'
import { unconnectedClient } from '../driver/unconnected-client.ts'
import type { ResolvedPrepare } from '../options/prepare-options.ts'
import type { ResolvedShare } from '../options/read-options.ts'
import type { ResolvedNode } from '../options/resolve-servers.ts'
import { mayKeepStatements } from './may-keep-statements.ts'
import { askWhetherOwn, type OpenedSession, openReadOnly } from './read-only-session.ts'
import { StatementInquiry } from './statement-inquiry.ts'
import { guardedVerify, type VerifySession, verifyAfter, verifyReadOnly } from './verify-session.ts'
import { WrongServer } from './wrong-server.ts'

/** How much of a slower answer counts for the round trip. */
const SLOWER_SHARE = 0.3
const ENOUGH_MEASURES = 3

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
  /** When it began to, by a monotonic clock in ms. */
  readonly since: number
}

/** What went wrong with a server last, and when, in ms of the wall clock. */
export interface NodeProblem {
  readonly error: unknown
  readonly at: number
}

/** One Postgres server: its connections, the role that it reports, and whether it gives sessions. */
export class PoolNode {
  readonly name: string
  /** What configures it: an option or a variable. */
  readonly origin: string
  /** Which reads it gets while it is a replica. */
  readonly share: ResolvedShare
  /** The regions that stand in for its own while it is the primary. */
  readonly standIns: readonly string[]
  /** Whether the monitor asks it by itself, so that no read has to find out whether it answers again. */
  isWatched = false
  /** Whether the monitor's question has been open for too long: new reads go elsewhere. */
  isSuspect = false
  /** How long it takes to answer, in ms, without its slow answers; `undefined` before the first. */
  #roundTripMillis: number | undefined
  #measures = 0
  /** As configured, or as the server itself says where that counts. */
  region: string | undefined
  readonly asksRegion: boolean
  readonly regionOf: ResolvedNode['regionOf']
  /** The settings of a connection of our own: the app's, without what the pool adds. */
  readonly config: pg.PoolConfig
  /** The same server past its pooler; `undefined` where no other address is known (B2). */
  readonly direct: PoolNode | undefined
  /** What its sessions are made for: those of a replica are read-only (X1). */
  role: NodeRole
  /** Its connections for that role; another pool after each change of it. */
  pool: pg.Pool
  /** Whether it may get queries: a server that is fenced or foreign may not (X7). */
  isInService = true
  #hasEnded = false
  readonly #poolListeners: ((pool: pg.Pool) => void)[] = []
  /** Pools of earlier roles whose connections are still in use. */
  readonly #leaving = new Set<Promise<void>>()
  readonly #Client: typeof pg.Client
  /** What its sessions prepare by themselves (S1); `undefined` where that is off. */
  readonly statements: ServerStatements | undefined
  readonly #inquiry: StatementInquiry | undefined
  readonly #onNews: () => void
  readonly #admit: VerifySession | undefined
  /** The role that the server last reported; `undefined` before the first connection. */
  isStandby: boolean | undefined
  #traits: EndpointTraits
  /** Whether the app has said what stands in front of it. */
  readonly #isPoolingTold: boolean
  readonly #waiting = new Set<Waiting>()
  /** Called when more is known of it: of its reachability, its traits or what went wrong. */
  changed: () => void = () => undefined
  /** Whether it has refused to report its position in the WAL: then it is not asked again, and clients that wrote read here. */
  refusesPosition = false
  #health: Health = HEALTHY
  /** When the monitor last had an answer, and when a session was last refused, by a monotonic clock in ms. */
  #answeredAt = Number.NEGATIVE_INFINITY
  #failedAt = Number.NEGATIVE_INFINITY
  /** Whether it gave its last session, or answered its last question; `undefined` before the first. */
  #isReachable: boolean | undefined
  #reachableSince = 0
  #lastProblem: NodeProblem | undefined
  #unconnected: pg.Client | undefined

  /**
   * `onNews` is called when the server reports another role than its own; `admit` says of each new session whether its server is the
   * one that is wanted.
   */
  constructor(
    node: ResolvedNode,
    role: NodeRole,
    onNews: () => void = () => undefined,
    admit?: VerifySession,
    prepare?: ResolvedPrepare,
  ) {
    this.name = node.name
    this.origin = node.origin
    this.role = role
    this.region = node.region
    this.asksRegion = node.asksRegion
    this.regionOf = node.regionOf
    this.#admit = admit
    this.config = node.config
    this.share = node.share
    this.standIns = node.standIns
    this.#traits = node.traits
    this.#isPoolingTold = node.pooler.pooling !== undefined
    this.#onNews = onNews
    this.direct = directNodeOf(node, role, onNews)
    if (prepare !== undefined) {
      this.statements = new ServerStatements({
        ...prepare,
        onWanted: () => this.#inquiry?.schedule(),
        onSlower: () => this.changed(),
      })
      this.#inquiry = new StatementInquiry(
        () => this.pool,
        this.statements,
        () => mayKeepStatements(this.#traits),
      )
    }
    this.#Client = trackedClientClass(clientClassOf(node.config), {
      asksForReadOnly: () => this.role === 'replica' && this.#traits.takesStartupOptions && isDirect(this.#traits),
      isReportBelieved: () => isDirect(this.#traits),
      onOptionsRefused: () => this.find({ takesStartupOptions: false }),
      onRole: (isStandby) => {
        if (this.#admit === undefined) this.#observeRole(isStandby)
      },
      onError: (error) => this.learn({ kind: 'connection-error', error }),
      statements: this.statements,
    })
    this.pool = this.#makePool()
  }

  #makePool(): pg.Pool {
    const config: pg.PoolConfig = { ...this.config, Client: this.#Client }
    // A spread loses what pg hides.
    if (this.config.password !== undefined) config.password = this.config.password
    const { onConnect, verify } = this.config
    if (onConnect !== undefined) config.onConnect = (client) => runOutside(() => onConnect(client))
    if (verify !== undefined) config.verify = guardedVerify(verify)
    if (this.#admit !== undefined) config.verify = verifyAfter(this.#admit, config.verify)
    if (this.role === 'replica') {
      config.verify = verifyReadOnly(config.verify, (client, opened) => this.#openReadOnly(client, opened))
    }
    return new pg.Pool(config)
  }

  /** Calls back with its pool, that past its pooler, and each later one. */
  eachPool(listener: (pool: pg.Pool) => void): void {
    this.#poolListeners.push(listener)
    listener(this.pool)
    this.direct?.eachPool(listener)
  }

  /** Takes another role: sessions that were made for the old one end when they are given back, and no caller gets one any more. */
  become(role: NodeRole): void {
    this.direct?.become(role)
    this.isInService = true
    if (role === this.role) return
    this.role = role
    this.#leave(new Error(`[headwater] ${this.name} became a ${role}`), false)
  }

  /** Takes it out of service, and closes its connections: it is not what the pool writes to or reads from any more (X7). */
  retire(): void {
    if (!this.isInService) return
    this.direct?.retire()
    this.isInService = false
    this.cut(new Error(`[headwater] ${this.name} is not a server of this pool's timeline any more`))
  }

  /** Closes all its connections at once: what hangs on them rejects (X2), and callers that wait for one go elsewhere. */
  cut(error: unknown): void {
    this.#leave(error, true)
    this.direct?.cut(error)
  }

  /** Closes at once those of its connections that lead to another server than the one that is wanted. */
  cutThose(isElsewhere: (client: object) => boolean): void {
    for (const client of clientsOf(this.pool)) if (isElsewhere(client)) client.connection.stream.destroy()
  }

  #leave(error: unknown, isCut: boolean): void {
    if (this.#hasEnded) return
    const old = this.pool
    this.statements?.doubt()
    const clients = clientsOf(old)
    this.pool = this.#makePool()
    for (const listener of this.#poolListeners) listener(this.pool)
    const waiting = this.#takeWaiting(old)
    const left = old.end().catch(() => undefined)
    this.#leaving.add(left)
    void left.finally(() => this.#leaving.delete(left))
    if (isCut) for (const client of clients) client.connection.stream.destroy()
    for (const { failed } of waiting) failed(error)
  }

  /** Ends its connections, after those in use were given back. */
  async end(): Promise<void> {
    this.#hasEnded = true
    await this.#inquiry?.end()
    await Promise.all([this.pool.end(), this.direct?.end(), ...this.#leaving])
  }

  /** The error of its last failure. */
  get lastError(): unknown {
    return this.#health.error
  }

  /** What went wrong last, also when all is well again. */
  get lastProblem(): NodeProblem | undefined {
    return this.#lastProblem
  }

  /** Whether it can be reached, and since when, by a monotonic clock in ms. */
  get reachability(): { readonly isReachable: boolean | undefined; readonly since: number } {
    return { isReachable: this.#isReachable, since: this.#reachableSince }
  }

  /** Whether it was ended with its fleet. */
  get hasEnded(): boolean {
    return this.#hasEnded
  }

  /** A client to it that never connects, for what one says of itself. */
  get unconnected(): pg.Client {
    this.#unconnected ??= unconnectedClient(this.pool.options)
    return this.#unconnected
  }

  /** Where it is, as pg reads its configuration; `undefined` when pg cannot read it: then so says the error of each query, too. */
  get address(): { readonly host: string; readonly port: number } | undefined {
    try {
      const { host, port } = this.unconnected
      return { host, port }
    } catch {
      return undefined
    }
  }

  /** What must not be shown of it. */
  get secrets(): readonly string[] {
    const inUrl = PASSWORD_IN_URL.exec(this.config.connectionString ?? '')?.[1] ?? ''
    try {
      const { password } = this.unconnected
      return typeof password === 'string' ? [password, inUrl] : [inUrl]
    } catch {
      return [inUrl]
    }
  }

  /** How a message names it: what configures it, and where it is, as `DATABASE_URL (db.ams.internal:5432)`. */
  get label(): string {
    const { address } = this
    return address === undefined ? this.origin : `${this.origin} (${addressText(address)})`
  }

  /** What its address gives, as far as is known. */
  get traits(): EndpointTraits {
    return this.#traits
  }

  /** Notes what its address proved to give. */
  find(found: Partial<EndpointTraits>): void {
    const before = this.#traits
    this.#traits = withFound(before, found)
    if (this.#traits !== before) this.changed()
    if (this.statements !== undefined && !mayKeepStatements(this.#traits)) this.statements.keepsStatements = false
  }

  /** Whether a pooler was found that the options do not speak of. */
  get isPoolerUnsaid(): boolean {
    return !this.#isPoolingTold && this.direct === undefined && !isDirect(this.#traits)
  }

  /** Notes whether the process behind a connection was its own: a pooler answers with an id that is not the server's (B1). */
  findPooler(isOwn: boolean): void {
    if (this.#isPoolingTold || this.#traits.pooling === (isOwn ? 'none' : 'transaction')) return
    this.find({ pooling: isOwn ? 'none' : 'transaction' })
    if (isOwn) return
    // What the startup reported was the pooler's memory of some server.
    this.isStandby = undefined
  }

  /** Calls back once it is known what stands in front of it; asks on `client` if need be. */
  whenPoolingIsKnown(client: TrackedClient, goOn: () => void): void {
    if (this.#traits.pooling !== undefined) return goOn()
    askWhetherOwn(client, (isOwn) => {
      if (isOwn !== undefined) this.findPooler(isOwn)
      goOn()
    })
  }

  /** Takes in the role that a question found. Where no pooler stands between, the server reports it unasked. */
  learnRole(isStandby: boolean): void {
    if (!isDirect(this.#traits)) this.#observeRole(isStandby)
  }

  /** Whether it gave no session lately, or owes an answer, so that no read is sent here for a while (X3). */
  get isEjected(): boolean {
    if (this.isSuspect) return true
    return this.#health.failures > 0 && (isEjected(this.#health, performance.now()) || this.#isLeftToMonitor)
  }

  /** Whether it has failed in a way that the monitor finds the end of: who asked it meanwhile could hang there. */
  get #isLeftToMonitor(): boolean {
    return this.isWatched && this.role === 'replica' && isClearedByAnswer(this.#health.error)
  }

  /** Whether reads that may go elsewhere should: it does not answer, or did not when it was asked last. */
  get isDown(): boolean {
    if (this.isEjected) return true
    return this.#health.failures > 0 && this.isWatched && isClearedByAnswer(this.#health.error)
  }

  get roundTripMillis(): number | undefined {
    return this.#roundTripMillis
  }

  /** Whether its round trip is known well enough to be compared: the first answers may have come in a busy moment. */
  get isMeasured(): boolean {
    return this.#measures >= ENOUGH_MEASURES
  }

  /** Follows a faster answer at once, and a slower one little by little: it may be a busy moment. */
  measure(tookMillis: number): void {
    this.#measures += 1
    const before = this.#roundTripMillis ?? tookMillis
    this.#roundTripMillis = Math.min(tookMillis, before + (tookMillis - before) * SLOWER_SHARE)
  }

  /** How many queries it has, and callers that wait. */
  get busy(): number {
    const { totalCount, idleCount, waitingCount } = this.pool
    return totalCount - idleCount + waitingCount
  }

  /** Whether a query may be sent here. After a failure and its pause, only the first to ask is told `true`: it is the probe. */
  tryProbe(): boolean {
    if (this.isSuspect && this.role === 'replica') return false
    if (this.#health.failures === 0) return true
    if (this.isWatched && !isDirect(this.#traits)) return false
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
    // Whoever gives a connection back or opens one calls back: the caller goes on where it began.
    const waiting: Waiting = {
      connected: boundHere(connected),
      failed: boundHere(failed),
      since: performance.now(),
    }
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
    const { role } = this
    this.pool.connect((error, client, release) => {
      if (client === undefined) return this.#learnWhy(error, failed, Number.POSITIVE_INFINITY)
      this.#gaveSession()
      this.#give(client as TrackedClient, role, release, connected, failed)
    })
  }

  /** Gives a session to a caller; not one whose server reports by itself that it is in recovery, to one that wants the primary. */
  #give(
    client: TrackedClient,
    role: NodeRole,
    release: Connection['release'],
    connected: Connected,
    failed: (error: unknown) => void,
  ): void {
    // Where sessions are asked, that counts: pgpool-II passes on what another of its servers reports.
    if (role === 'primary' && client.isStandby === true && this.#admit === undefined) {
      release(true)
      this.#onNews()
      return failed(new WrongServer(this.name, 'in recovery'))
    }
    connected(undefined, { node: this, client, role, mustClose: false, release })
  }

  /** No session was to be had; a full pool says nothing about its server. */
  #learnWhy(error: unknown, failed: ((error: unknown) => void) | undefined, since: number): void {
    if (!isFullPool(error) && !this.#hasEnded) {
      // An attempt from before the server's last answer is no news: it was made while the server was gone.
      if (since >= this.#answeredAt && !(error instanceof WrongServer)) this.learn({ kind: 'failed', error })
      failed?.(error)
    } else {
      // Whoever waited in vain behind others that got no session was kept waiting by the server.
      failed?.(this.#health.failures > 0 && !this.#hasEnded ? this.#health.error : error)
    }
  }

  #ask(waiting: Waiting, mayAskAgain: boolean): void {
    const { role } = this
    this.pool.connect((error, client, release) => {
      if (error && mayAskAgain && isOptionsRefusal(error) && this.#waiting.has(waiting))
        return this.#ask(waiting, false)
      const isStillWaiting = this.#waiting.delete(waiting)
      if (client === undefined) return this.#learnWhy(error, isStillWaiting ? waiting.failed : undefined, waiting.since)
      this.#gaveSession()
      if (isStillWaiting) this.#give(client as TrackedClient, role, release, waiting.connected, waiting.failed)
      else release()
    })
  }

  /** A session says that the server is there; a pooler gives one without. */
  #gaveSession(): void {
    if (isDirect(this.#traits)) this.learn({ kind: 'answered' })
  }

  /** A query was answered: behind a pooler that is the first sign of its server. */
  gaveAnswer(): void {
    if (this.#health.failures > 0 || this.#isReachable !== true) this.learn({ kind: 'answered' })
  }

  /** Takes what was learned about its server into the verdict, and tells of it. */
  learn(evidence: Evidence): void {
    const { failures } = this.#health
    if (evidence.kind === 'answered') this.#noteReachable(true)
    if (evidence.kind === 'answered' && failures === 0) return
    const backoff = this.role === 'primary' ? PRIMARY_BACKOFF : REPLICA_BACKOFF
    this.#health = nextHealth(this.#health, evidence, performance.now(), Math.random(), backoff)
    switch (evidence.kind) {
      case 'probed':
        return
      case 'answered':
        return this.#publish('up', undefined)
      case 'connection-error':
        this.#lastProblem = { error: evidence.error, at: Date.now() }
        this.changed()
        return this.#publish('connection-error', evidence.error)
      case 'failed':
        this.#lastProblem = { error: evidence.error, at: Date.now() }
        this.#noteReachable(false)
        this.changed()
        this.#failedAt = performance.now()
        if (failures === 0) this.#publish('down', evidence.error)
        // A caller that waits for the primary has nowhere else to go.
        if (this.role === 'replica') this.#sendAway(evidence.error)
    }
  }

  /** Its watcher was answered: the server can be reached. That does not say whether it takes new sessions. */
  markReachable(askedAt: number): void {
    // An answer to a question from before the last failure says nothing about the time since.
    if (askedAt < this.#failedAt) return
    this.#answeredAt = performance.now()
    const { failures, error } = this.#health
    this.isSuspect = false
    if (failures === 0 || isClearedByAnswer(error)) this.learn({ kind: 'answered' })
  }

  #noteReachable(isReachable: boolean): void {
    if (this.#isReachable === isReachable) return
    this.#isReachable = isReachable
    this.#reachableSince = performance.now()
    this.changed()
  }

  positionRefused(error: unknown): void {
    if (this.refusesPosition) return
    this.refusesPosition = true
    this.learn({ kind: 'connection-error', error })
  }

  #publish(change: NodeEvent['change'], error: unknown): void {
    if (!diagnostics.node.hasSubscribers) return
    const event: NodeEvent = { node: this.name, region: this.region, change, error }
    // It is news of the server, not of the query that met it.
    runOutside(() => diagnostics.node.publish(event))
  }

  /** Fails all callers that wait. A connection that still comes for one of them goes back at once. */
  #sendAway(error: unknown): void {
    for (const { failed } of this.#takeWaiting(this.pool)) failed(error)
  }

  #takeWaiting(pool: pg.Pool): readonly Waiting[] {
    if (this.#waiting.size === 0) return []
    const all = [...this.#waiting]
    this.#waiting.clear()
    // pg-pool would try to connect for each of them in turn, and the next caller would wait behind them.
    forgetPending(pool)
    return all
  }

  #observeRole(isStandby: boolean): void {
    if (this.isStandby === isStandby) return
    const isChange = this.isStandby !== undefined || isStandby !== (this.role === 'replica')
    this.isStandby = isStandby
    if (isChange) this.#publish(isStandby ? 'became-standby' : 'became-primary', undefined)
    if (isStandby !== (this.role === 'replica')) this.#onNews()
  }

  #openReadOnly(client: TrackedClient, opened: (error: Error | undefined, session: OpenedSession) => void): void {
    openReadOnly(client, this.#traits, this.#isPoolingTold, (error, session) => {
      if (session.isOwn !== undefined) this.findPooler(session.isOwn)
      opened(error, session)
    })
  }
}

/** What stands between the user and the host of a URL. */
const PASSWORD_IN_URL = /\/\/[^/?#]*?:([^@/]*)@/

/** An address in one word, with brackets around an IPv6 address. */
export function addressText({ host, port }: { readonly host: string; readonly port: number }): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** Whether an answer to the monitor disproves it: other errors of a login are not disproved by an open session. */
function isClearedByAnswer(error: unknown): boolean {
  return databaseErrorIn(error) === undefined || isNotRunning(error)
}

function directNodeOf(node: ResolvedNode, role: NodeRole, onNews: () => void): PoolNode | undefined {
  const { direct } = node.pooler
  if (direct === undefined) return undefined
  const traits: EndpointTraits = Object.freeze({ ...node.traits, pooling: 'none' })
  const pooler = { ...node.pooler, pooling: 'none', direct: undefined } as const
  return new PoolNode({ ...node, config: direct, traits, pooler }, role, onNews)
}

/** Whether the pool had no free place. Source: pg-pool 3.14; its other two messages (and pg's `timeout expired`) mean the server. */
function isFullPool(error: unknown): boolean {
  return error instanceof Error && error.message === 'timeout exceeded when trying to connect'
}

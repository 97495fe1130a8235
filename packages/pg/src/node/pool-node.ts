import { type EndpointTraits, type Evidence, isDirect } from '@headwater/core/internal'
import type pg from 'pg'
import { isFullPool } from '../driver/pg-errors.ts'
import { clientClassOf, clientsOf } from '../driver/pg-internals.ts'
import { canPipeline } from '../driver/pipelining.ts'
import { ServerStatements } from '../driver/prepare/server-statements.ts'
import { type TrackedClient, trackedClientClass } from '../driver/tracked-client.ts'
import { Lanes, type LanesSource } from '../lanes/lanes.ts'
import type { ResolvedPrepare } from '../options/prepare-options.ts'
import type { ResolvedShare } from '../options/read-options.ts'
import type { ResolvedNode } from '../options/resolve-node.ts'
import { mayKeepStatements } from './may-keep-statements.ts'
import { NodeAddress } from './node-address.ts'
import { NodeEndpoint } from './node-endpoint.ts'
import { NodeHealth } from './node-health.ts'
import { NodePools } from './node-pools.ts'
import type { NodeRole } from './node-role.ts'
import { RoundTrip } from './round-trip.ts'
import { type Release, SessionQueue, type Taken } from './session-queue.ts'
import { StatementInquiry } from './statement-inquiry.ts'
import type { VerifySession } from './verify-session.ts'
import { WrongServer } from './wrong-server.ts'

/** A connection in use: its node, its client, and how to give it back. */
export interface Connection {
  readonly node: PoolNode
  readonly client: TrackedClient
  /** What its node was when it was taken. */
  readonly role: NodeRole
  /** Whether it must be closed when it is given back; until then it can be used. */
  mustClose: boolean
  release(destroy?: Error | boolean): void
  /** Whether other reads are under way on it (S4): nothing may wait for it to be at rest. */
  readonly isShared: boolean
}

/** Gives a connection, or an error. */
export type Connected = (error: unknown, connection?: Connection) => void

/** One Postgres server: its connections, the role that it reports, and whether it gives sessions. */
export class PoolNode {
  readonly name: string
  /** Which reads it gets while it is a replica. */
  readonly share: ResolvedShare
  /** The regions that stand in for its own while it is the primary. */
  readonly standIns: readonly string[]
  /** Whether the monitor asks it by itself, so that no read has to find out whether it answers again. */
  isWatched = false
  readonly address: NodeAddress
  readonly endpoint: NodeEndpoint
  readonly health: NodeHealth
  readonly roundTrip: RoundTrip = new RoundTrip()
  readonly #sessions: SessionQueue
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
  /** Whether it may get queries: a server that is fenced or foreign may not (X7). */
  isInService = true
  /** How many connections it takes, and how many instances are connected to it, as it said when it was asked. */
  capacity: { readonly allowed: number; readonly instances: number } | undefined
  /** Whether its commits wait for standbys, as it said when it was asked: then others may show them before it does. */
  waitsForStandbys = false
  /** Closes what a cut has left to end by itself; `undefined` when nothing is left. */
  #closeLeft: (() => void) | undefined
  /** Whether it was ended with its fleet. */
  hasEnded = false
  readonly #pools: NodePools
  /** What its sessions prepare by themselves (S1); `undefined` where that is off. */
  readonly statements: ServerStatements | undefined
  readonly #inquiry: StatementInquiry | undefined
  /** The connections that small reads share (S4); `undefined` where they do not. */
  readonly lanes: Lanes<NodeRole> | undefined
  readonly #onNews: () => void
  readonly #admit: VerifySession | undefined
  /** The role that the server last reported; `undefined` before the first connection. */
  isStandby: boolean | undefined
  /** Called when more is known of it: of its reachability, its traits or what went wrong. */
  changed: () => void = () => undefined
  /** Whether it has refused to report its position in the WAL: then it is not asked again, and clients that wrote read here. */
  refusesPosition = false

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
    this.role = role
    this.region = node.region
    this.asksRegion = node.asksRegion
    this.regionOf = node.regionOf
    this.#admit = admit
    this.config = node.config
    this.share = node.share
    this.standIns = node.standIns
    this.#onNews = onNews
    this.direct = directNodeOf(node, role, onNews)
    this.endpoint = new NodeEndpoint(node, this)
    this.address = new NodeAddress(node.origin, node.config, () => this.pool.options)
    this.health = new NodeHealth(this)
    this.#sessions = new SessionQueue(this)
    if (prepare !== undefined) {
      this.statements = new ServerStatements({
        ...prepare,
        onWanted: () => this.#inquiry?.schedule(),
        onSlower: () => this.changed(),
      })
      this.#inquiry = new StatementInquiry(
        () => this.pool,
        this.statements,
        () => mayKeepStatements(this.traits),
      )
      this.statements.doubt(mayKeepStatements(this.traits))
      if (prepare.lanes > 0) this.lanes = new Lanes(this.#laneSource(node.config), this.statements, prepare.lanes)
    }
    const Client = trackedClientClass(clientClassOf(node.config), {
      asksForReadOnly: () => this.role === 'replica' && this.traits.takesStartupOptions && isDirect(this.traits),
      isReportBelieved: () => isDirect(this.traits),
      onOptionsRefused: () => this.endpoint.find({ takesStartupOptions: false }),
      onRole: (isStandby) => {
        if (this.#admit === undefined) this.#observeRole(isStandby)
      },
      onError: (error) => this.learn({ kind: 'connection-error', error }),
      statements: this.statements,
    })
    this.#pools = new NodePools({ config: node.config, Client, admit, endpoint: this.endpoint }, role)
  }

  /** Its connections for its role; another pool after each change of it. */
  get pool(): pg.Pool {
    return this.#pools.current
  }

  /** Calls back with its pool, that past its pooler, and each later one. */
  eachPool(listener: (pool: pg.Pool) => void): void {
    this.#pools.each(listener)
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

  /**
   * Closes all its connections: what hangs on them rejects (X2), and callers that wait for one go elsewhere. What is under way may end for
   * `graceMillis` more.
   */
  cut(error: unknown, graceMillis = 0): void {
    this.#leave(error, true, graceMillis)
    this.direct?.cut(error, graceMillis)
  }

  /** Closes at once those of its connections that lead to another server than the one that is wanted. */
  cutThose(isElsewhere: (client: object) => boolean): void {
    this.#pools.cut(isElsewhere)
  }

  /**
   * Gives out none of the connections any more that were made before `client` was lost: they may lead where it led. Those in use end
   * when they are given back, and who waits for one waits for a new one.
   */
  renew(client: object): void {
    // Another loss of the same time has done it.
    if (this.hasEnded || !this.#pools.isCurrent(client)) return
    for (const waiting of this.#replacePool()) {
      this.#sessions.take(
        (client, role, release) => waiting.taken(client, role, release),
        (error) => waiting.failed(error),
      )
    }
  }

  #leave(error: unknown, isCut: boolean, graceMillis = 0): void {
    // What it is now allows no more of what it was.
    this.#closeLeft?.()
    if (this.hasEnded) return
    this.statements?.doubt(mayKeepStatements(this.traits))
    const clients = isCut ? clientsOf(this.pool) : []
    const waiting = this.#replacePool()
    if (graceMillis === 0) for (const client of clients) client.connection.stream.destroy()
    else this.#closeLater(clients, graceMillis)
    for (const caller of waiting) caller.failed(error)
  }

  #closeLater(clients: ReturnType<typeof clientsOf>, millis: number): void {
    const close = (): void => {
      clearTimeout(timer)
      this.#closeLeft = undefined
      for (const client of clients) client.connection.stream.destroy()
    }
    // Sockets that are open keep the process alive by themselves.
    const timer = setTimeout(close, millis).unref()
    this.#closeLeft = close
  }

  /** Gives out another pool from now on. Returns who has waited for a session of the old one. */
  #replacePool(): ReturnType<SessionQueue['forget']> {
    this.lanes?.close()
    const waiting = this.#sessions.forget(this.pool)
    this.#pools.replace(this.role)
    return waiting
  }

  /** Ends its connections, after those in use were given back. */
  async end(): Promise<void> {
    this.hasEnded = true
    await this.#inquiry?.end()
    await Promise.all([this.#pools.end(), this.direct?.end()])
  }

  /** What its address gives, as far as is known. */
  get traits(): EndpointTraits {
    return this.endpoint.traits
  }

  traitsChanged(): void {
    this.changed()
    if (this.statements !== undefined && !mayKeepStatements(this.traits)) this.statements.keepsStatements = false
  }

  startupDoubted(): void {
    this.isStandby = undefined
  }

  /** Takes in the role that a question found. Where no pooler stands between, the server reports it unasked. */
  learnRole(isStandby: boolean): void {
    if (!isDirect(this.traits)) this.#observeRole(isStandby)
  }

  /** Takes in whether its commits wait for standbys. */
  learnCommits(waitsForStandbys: boolean): void {
    this.waitsForStandbys = waitsForStandbys
    this.direct?.learnCommits(waitsForStandbys)
  }

  /** Whether it gave no session lately, or owes an answer, so that no read is sent here for a while (X3). */
  get isEjected(): boolean {
    return this.health.isEjected
  }

  /** How many queries it has, and callers that wait. */
  get busy(): number {
    const { totalCount, idleCount, waitingCount } = this.pool
    const ownConnections = totalCount - idleCount + waitingCount
    return this.lanes === undefined ? ownConnections : ownConnections - this.lanes.size + this.lanes.reads
  }

  /** Whether a query may be sent here. After a failure and its pause, only the first to ask is told `true`: it is the probe. */
  tryProbe(): boolean {
    if (this.health.isSuspect && this.role === 'replica') return false
    if (!this.health.isFailing) return true
    if (this.isWatched && !isDirect(this.traits)) return false
    // A caller that waits here already is the probe.
    if (this.isEjected || !this.#sessions.isEmpty) return false
    this.learn({ kind: 'probed' })
    return true
  }

  /**
   * Takes a connection, and learns from the outcome whether this server gives sessions. When a replica proves to give none,
   * all callers that wait for one fail at once, to go elsewhere. A read that gives its text as `sharedText` may get a share of one.
   */
  connect(connected: Connected, failed: (error: unknown) => void, sharedText?: string): void {
    if (sharedText !== undefined && this.lanes !== undefined) {
      const taken: Taken = (client, role, release) => this.#give(client, role, release, connected, failed, true)
      if (this.lanes.take(sharedText, taken, failed)) return
    }
    this.#sessions.take((client, role, release) => this.#give(client, role, release, connected, failed), failed)
  }

  /** A connection that is free, where it can be had now; `undefined` where `connect()` has to be asked. */
  takeFree(sharedText?: string): Connection | undefined {
    if (sharedText !== undefined && this.lanes?.wants(sharedText) === true) return undefined
    const client = this.#sessions.takeIdle()
    if (client === undefined) return undefined
    const { role } = this
    if (!this.#isUnwanted(client, role)) {
      return { node: this, client, role, mustClose: false, release: client.release, isShared: false }
    }
    client.release(true)
    this.#onNews()
    return undefined
  }

  /** Whether a session leads to a standby, as its server reports by itself, and its caller wants the primary. */
  #isUnwanted(client: TrackedClient, role: NodeRole): boolean {
    // Where sessions are asked, that counts: pgpool-II passes on what another of its servers reports.
    return role === 'primary' && client.isStandby === true && this.#admit === undefined
  }

  /** Gives a session to a caller; not one whose server reports by itself that it is in recovery, to one that wants the primary. */
  #give(
    client: TrackedClient,
    role: NodeRole,
    release: Release,
    connected: Connected,
    failed: (error: unknown) => void,
    isShared = false,
  ): void {
    if (this.#isUnwanted(client, role)) {
      release(true)
      this.#onNews()
      return failed(new WrongServer(this.name, 'in recovery'))
    }
    connected(undefined, { node: this, client, role, mustClose: false, release, isShared })
  }

  #laneSource(config: pg.PoolConfig): LanesSource<NodeRole> {
    return {
      canPipeline: canPipeline(config),
      waiting: () => this.pool.waitingCount,
      take: (taken, failed) => this.#sessions.take(taken, failed),
    }
  }

  /** Why a caller gets no session; a full pool says nothing about its server. */
  reasonFor(error: unknown, since: number): unknown {
    if (!isFullPool(error) && !this.hasEnded) {
      // An attempt from before the server's last answer is no news: it was made while the server was gone.
      const isOld = this.health.hasAnsweredAfter(since)
      if (!isOld && !(error instanceof WrongServer)) this.learn({ kind: 'failed', error })
      return error
    }
    // Whoever waited in vain behind others that got no session was kept waiting by the server.
    return this.health.isFailing && !this.hasEnded ? this.health.lastError : error
  }

  /** A session says that the server is there; a pooler gives one without. */
  gaveSession(): void {
    if (isDirect(this.traits)) this.learn({ kind: 'answered' })
  }

  /** Takes what was learned about its server into the verdict, and tells of it. */
  learn(evidence: Evidence): void {
    this.health.learn(evidence)
  }

  /** It proved to give no sessions. */
  gaveNone(error: unknown): void {
    // A caller that waits for the primary has nowhere else to go.
    if (this.role === 'replica') this.#sessions.sendAway(this.pool, error)
  }

  positionRefused(error: unknown): void {
    if (this.refusesPosition) return
    this.refusesPosition = true
    this.learn({ kind: 'connection-error', error })
  }

  #observeRole(isStandby: boolean): void {
    if (this.isStandby === isStandby) return
    const isChange = this.isStandby !== undefined || isStandby !== (this.role === 'replica')
    this.isStandby = isStandby
    if (isChange) this.health.publish(isStandby ? 'became-standby' : 'became-primary', undefined)
    if (isStandby !== (this.role === 'replica')) this.#onNews()
  }
}

function directNodeOf(node: ResolvedNode, role: NodeRole, onNews: () => void): PoolNode | undefined {
  const { direct } = node.pooler
  if (direct === undefined) return undefined
  const traits: EndpointTraits = Object.freeze({ ...node.traits, pooling: 'none' })
  const pooler = { ...node.pooler, pooling: 'none', direct: undefined } as const
  return new PoolNode({ ...node, config: direct, traits, pooler }, role, onNews)
}

import { PrimaryUnavailable, type Topology } from '@headwater/core'
import {
  elect,
  hearOf,
  isOutOfService,
  type LastReport,
  type Lineage,
  NO_LINEAGE,
  type Position,
  type PositionSource,
  parseRegion,
  type ServerRole,
  warn,
} from '@headwater/core/internal'
import type pg from 'pg'
import { openOwnConnection } from '../driver/own-connection.ts'
import { isReadTimeout } from '../driver/pg-errors.ts'
import { type Connected, PoolNode } from '../node/pool-node.ts'
import { WrongServer } from '../node/wrong-server.ts'
import type { ResolvedOptions } from '../options/options.ts'
import type { ResolvedNode } from '../options/resolve-servers.ts'
import { Arbiter, type Candidate } from './arbiter.ts'
import { askPrimary } from './ask-primary.ts'
import { DiscoveredServers } from './discovered-servers.ts'
import { FirstNews } from './first-news.ts'
import { LastPosition } from './last-position.ts'
import { Members } from './members.ts'
import { Monitor, type Monitored } from './monitor.ts'
import { MovingAddress } from './moving-address.ts'
import { PrimaryPlaces } from './primary-places.ts'
import { PrimaryWait } from './primary-wait.ts'
import { type ReplicaSet, ReplicaSets } from './replica-sets.ts'
import type { ServerSample } from './server-sample.ts'
import { Standpoint } from './standpoint.ts'

type FleetOptions = Pick<
  ResolvedOptions,
  | 'region'
  | 'primary'
  | 'replicas'
  | 'discovered'
  | 'areRolesGiven'
  | 'truth'
  | 'freshness'
  | 'reads'
  | 'logger'
  | 'suspectAfterMillis'
  | 'promotionWaitMillis'
  | 'prepare'
>

/** How long a server may take to say whether it stops. */
const STOPPED_MILLIS = 1_000
/** A process that writes and reads all the time asks no more often than this for a replica next door. */
const NEXT_DOOR_PAUSE_MILLIS = 10
/** The same for those of other regions, which are read when the primary is gone: then it is too late to ask. */
const FAR_PAUSE_MILLIS = 1_000
const NO_PRIMARY = '[headwater] no server is known to be the primary now'

/** All servers of a pool, who of them is the primary, and the topology of this process. */
export class Fleet implements PositionSource, Monitored {
  readonly members: Members = new Members()
  readonly monitor: Monitor
  readonly lastPosition: LastPosition = new LastPosition(this)
  /** Called when more is known of a server, or of who the primary is. */
  changed: () => void = () => undefined
  /** Until it is known which servers there are, and who is the primary, where the app has not said so. */
  readonly firstNews: FirstNews
  /** The server that takes the writes: the configured one at first, then the one that is elected (X7). */
  primary: PoolNode
  /** Whether it may: not once it proved to be no primary, until another is elected. */
  hasPrimary = true
  /** The replicas that may be read, in the order of the configuration. */
  replicas: readonly PoolNode[] = []
  /** What reads may take of the primary in the place of replicas (X3). */
  readonly places: PrimaryPlaces
  /** Whether servers of this region are there to be read from, so that their loss could stampede the primary (X3). */
  expectsReplicas = false
  readonly #groups: ReadonlySet<string>
  readonly #readsElsewhere: ResolvedOptions['reads']['readsElsewhere']
  #sets: ReplicaSets = new ReplicaSets([], () => true)
  #standpoint: Standpoint
  readonly isMonitored: boolean
  /** Whether the configuration says who is the primary; else the first server is a guess. */
  readonly areRolesGiven: boolean
  readonly #logger: ResolvedOptions['logger']
  readonly #region: string | undefined
  /** It names the cluster, and is believed before it has answered. */
  readonly #guess: PoolNode
  readonly #moving: MovingAddress | undefined
  readonly #discovered: DiscoveredServers
  readonly #reports = new Map<PoolNode, Exclude<LastReport, undefined | object> | ServerSample>()
  readonly #roles = new Map<PoolNode, ServerRole>()
  readonly #arbiter: Arbiter
  #contested = false
  readonly #wait: PrimaryWait
  readonly #prepare: ResolvedOptions['prepare']
  #lineage: Lineage = NO_LINEAGE
  /** The timeline on which `primary` was elected; 0 while it is the first guess. */
  #electedOn = 0

  constructor(options: FleetOptions) {
    const { region, primary, replicas, discovered, freshness, reads, suspectAfterMillis, promotionWaitMillis } = options
    this.#logger = options.logger
    this.#prepare = options.prepare
    this.#readsElsewhere = reads.readsElsewhere
    this.#groups = new Set(
      [...replicas, ...discovered.map(({ node }) => node)].flatMap(({ share }) => share.group ?? []),
    )
    this.#region = region
    this.areRolesGiven = options.areRolesGiven
    this.monitor = new Monitor(this, { maxLagMillis: freshness.maxLag?.millis, suspectAfterMillis })
    this.#arbiter = new Arbiter(options.truth, options.logger, () => this.#elect())
    this.#moving = primary.traits.isMoving ? this.#followPrimary(primary, 2 * suspectAfterMillis) : undefined
    this.primary = this.#moving?.node ?? this.#nodeFor(primary, 'primary')
    this.#guess = this.primary
    for (const node of [this.primary, ...replicas.map((replica) => this.#nodeFor(replica, 'replica'))])
      this.members.add(node)
    const servers = this.nodes.filter((node) => node.traits.isOneServer).length
    this.isMonitored = servers > 1 || discovered.length > 0 || this.#moving !== undefined
    this.#wait = new PrimaryWait(this.isMonitored ? promotionWaitMillis : 0)
    this.#standpoint = this.#lookAround()
    this.places = new PrimaryPlaces(this, reads.primaryReads)
    this.#sort()
    this.members.each((node) => {
      node.changed = () => this.changed()
      this.monitor.watch(node)
    })
    this.members.onLeave((node) => this.#forget(node))
    this.#discovered = new DiscoveredServers(discovered, options.logger, {
      onJoin: (node) => this.#join(node),
      onLeave: (node) => this.members.remove(node),
      // What takes the writes stays until another server does.
      mayLeave: (node) => node !== this.primary,
      onProblem: (error) => this.primary.learn({ kind: 'connection-error', error }),
      makeNode: (server) => this.#nodeFor(server, 'replica'),
    })
    const needsRoles = !options.areRolesGiven && this.isMonitored
    this.firstNews = new FirstNews(needsRoles || discovered.length > 0, () => this.#howMuchIsKnown(needsRoles))
  }

  /** The servers as of now. */
  get nodes(): readonly PoolNode[] {
    return this.members.all
  }

  /** Begins to find the servers, where that has to be done. Call before the first query. */
  begin(): void {
    this.monitor.touch()
    this.#discovered.start(() => this.firstNews.heard())
  }

  /** Where this process stands, as of now: without a replica while all local ones are ejected. Asking keeps the monitor going. */
  get topology(): Topology {
    this.monitor.touch()
    return this.#standpoint.topologyFor(this.#sets.forAll)
  }

  /** The same for reads that ask for a group of replicas. */
  topologyOf(group: string): Topology {
    this.monitor.touch()
    return this.#standpoint.topologyForGroup(this.#sets.of(group))
  }

  /** The replicas in this region, and those that name none, except those that are read by the name of their group alone. */
  get local(): readonly PoolNode[] {
    return this.#sets.forAll.local
  }

  /** The replicas that reads of a group may run on; without a group those that all reads may. */
  replicasOf(group: string | undefined): ReplicaSet {
    return this.#sets.of(group)
  }

  /** The names of the groups that the replicas were given. */
  get groups(): ReadonlySet<string> {
    return this.#groups
  }

  /** How often the primary may be asked how far a replica must be, in ms; `undefined` where no replica is read, now or ever. */
  get placingPauseMillis(): number | undefined {
    if (this.topology.hasReplica) return NEXT_DOOR_PAUSE_MILLIS
    return this.#readsElsewhere !== 'never' && this.#sets.forAll.far.length > 0 ? FAR_PAUSE_MILLIS : undefined
  }

  /** Whether reads that may go elsewhere should not go to the primary: there is none, or it does not answer. */
  get isPrimaryDown(): boolean {
    return !this.hasPrimary || this.primary.health.isDown
  }

  /** The same without keeping the monitor going. */
  get standing(): Topology {
    return this.#standpoint.topologyFor(this.#sets.forAll)
  }

  /** The pools to ask for what takes a while, nearest first: the local replicas, the primary, the replicas of other regions. */
  get nearest(): readonly pg.Pool[] {
    const local = this.local.filter((node) => !node.isEjected)
    const far = this.replicas.filter((node) => !this.local.includes(node))
    return [...local, this.primary, ...far].map((node) => node.pool)
  }

  /** All that have pools of connections: the servers, and the ways past their poolers. */
  get poolNodes(): readonly PoolNode[] {
    return this.nodes.flatMap((node) => (node.direct === undefined ? [node] : [node, node.direct]))
  }

  /** Whether a statement that is tried on a local replica can be kept from writing there (X1). */
  get isReadOnlyForced(): boolean {
    for (const node of this.local) if (node.traits.takesTransactions) return true
    return this.local.length === 0
  }

  /** The highest timeline that was seen; 0 before the first answer. */
  get timeline(): number {
    return this.#lineage.timeline
  }

  /** The cluster's system identifier; `undefined` before it is known. */
  get cluster(): bigint | undefined {
    return this.#lineage.cluster
  }

  /** What a server is, by the last election; `unknown` before it was asked, and where it is not asked. */
  roleOf(node: PoolNode): ServerRole {
    return this.#roles.get(node) ?? 'unknown'
  }

  isLocal({ region }: PoolNode): boolean {
    return region === undefined || this.#region === undefined || region === this.#region
  }

  /** Takes in what a server said of itself, or that it does not answer, and elects the primary (X7). */
  report(node: PoolNode, said: ServerSample | 'silent'): void {
    if (typeof said === 'object' && node === this.#moving?.node) this.#moving.heard(said)
    const isMoved = typeof said === 'object' && this.#isRegionOf(node, said) && this.#learnRegion(node, said.saysRegion)
    const isNews = !isSameReport(this.#reports.get(node), said)
    this.#reports.set(node, said)
    if (isNews || isMoved) this.#elect()
    this.firstNews.heard()
    if (said !== 'silent' && node === this.primary && this.hasPrimary) this.#wait.settleAll()
  }

  /** Takes in a timeline that a signed token or a replay names: when it is a later one, every server is asked (F7). */
  hear(position: Pick<Position, 'cluster' | 'timeline'>): void {
    const lineage = hearOf(this.#lineage, position)
    if (lineage === this.#lineage) return
    const isNews = lineage.timeline > this.#lineage.timeline
    this.#lineage = lineage
    if (!isNews) return
    this.monitor.alarm()
    this.#elect()
  }

  /**
   * Takes a connection to the primary. While there is none, or it cannot be reached, the caller waits for the next (X9). Gives a
   * `PrimaryUnavailable` when none comes in time, and pg's own error when the pool is full, or a login, database or TLS is refused. With
   * `isDirect` it leads past the pooler, where there is a way.
   */
  connectToPrimary(connected: Connected, deadline?: number, isDirect = false): void {
    const primary = this.primary
    const node = isDirect ? (primary.direct ?? primary) : primary
    if (!this.hasPrimary) return this.#waitForPrimary(connected, new Error(NO_PRIMARY), deadline, isDirect)
    // A server that is known to be down is knocked at by one caller only. A refused login is each caller's own error.
    const { lastError } = node.health
    if (this.isMonitored && (isOutOfService(lastError) || isReadTimeout(lastError)) && !node.tryProbe()) {
      return this.#waitForPrimary(connected, lastError, deadline, isDirect)
    }
    node.connect(connected, (error) => {
      const isMoved = !this.hasPrimary || primary !== this.primary || node.isStandby === true
      if (!node.hasEnded && (isMoved || error instanceof WrongServer || isOutOfService(error)))
        this.#waitForPrimary(connected, error, deadline, isDirect)
      else connected(error)
    })
  }

  /** Whether a server that has ended a session takes no new one, while another may become the primary. Never rejects. */
  async hasStopped(node: PoolNode): Promise<boolean> {
    if (!this.isMonitored || node.hasEnded) return false
    this.monitor.alarm()
    try {
      const connection = await openOwnConnection([node.pool], AbortSignal.timeout(STOPPED_MILLIS))
      await connection.end()
      return node !== this.primary
    } catch (error) {
      return isOutOfService(error)
    }
  }

  /** Until when what begins to wait for a primary now may wait, in ms of this process's monotonic clock. */
  get primaryDeadline(): number {
    return this.#wait.deadline
  }

  /** The primary's position, in one query on a connection of its pool (F2). Rejects after a second, or when it cannot say. */
  whereIsPrimary(isCommitAsync: boolean): Promise<Position> {
    return askPrimary(this.primary, isCommitAsync)
  }

  /** Ends the monitor, then the connections. Callers that wait for a primary are told. Rejects with what could not be closed. */
  async end(): Promise<void> {
    this.#arbiter.end()
    this.firstNews.end()
    const ended = new Error('Cannot use a pool after calling end on the pool')
    this.#wait.settleAll(ended)
    this.places.end(ended)
    await Promise.all([this.monitor.end(), this.#discovered.end()])
    await this.members.end()
  }

  #waitForPrimary(connected: Connected, error: unknown, deadline = this.#wait.deadline, isDirect = false): void {
    this.monitor.alarm()
    const goOn = (failure: unknown): void => {
      if (failure === undefined) this.connectToPrimary(connected, deadline, isDirect)
      else connected(failure)
    }
    this.#wait.add(goOn, deadline, () => (this.#contested ? this.#arbiter.error : new PrimaryUnavailable(error)))
  }

  #elect(): void {
    const nodes = this.nodes
    const reports = nodes.map((node) => this.#reports.get(node))
    const guess = nodes.indexOf(this.#guess)
    let election = elect(this.#lineage, reports, guess)
    const candidates = election.contested.flatMap((index): Candidate[] => {
      const [node, sample] = [nodes[index], reports[index]]
      return node !== undefined && typeof sample === 'object' ? [{ node, sample }] : []
    })
    const chosen = this.#arbiter.choose(candidates)
    if (chosen !== undefined) election = elect(this.#lineage, reports, guess, election.contested[chosen])
    this.#arbiter.watch(candidates)
    const { lineage, roles, primary } = election
    this.#contested = candidates.length > 0 && primary === undefined
    this.#lineage = lineage
    for (const [index, node] of nodes.entries()) this.#roles.set(node, roles[index] ?? 'unknown')
    const elected = primary === undefined ? undefined : nodes[primary]
    if (elected !== undefined) {
      this.primary = elected
      this.hasPrimary = true
      this.#electedOn = lineage.timeline
      this.#warnOfNoRegion(elected)
    } else {
      // A primary that is silent stays the primary until a later timeline is known: its own breaker says that it cannot be reached.
      const isSuperseded = this.#electedOn > 0 && lineage.timeline > this.#electedOn
      if (this.roleOf(this.primary) !== 'unknown' || isSuperseded) this.hasPrimary = false
    }
    // Who waits at a server that loses its role asks at once where the primary is now.
    for (const [index, node] of nodes.entries()) applyRole(node, roles[index] ?? 'unknown')
    this.#sort()
    if (elected !== undefined) this.#wait.settleAll()
    this.changed()
  }

  /** Finds the replicas among the servers, and where this process stands. */
  #sort(): void {
    this.replicas = this.nodes.filter((node) => node.role === 'replica' && node.isInService)
    this.#sets = new ReplicaSets(this.replicas, (one) => this.isLocal(one))
    this.#standpoint = this.#lookAround()
  }

  #nodeFor(server: ResolvedNode, role: 'primary' | 'replica'): PoolNode {
    return new PoolNode(server, role, () => this.monitor.alarm(), undefined, this.#prepare)
  }

  #followPrimary(server: ResolvedNode, timeoutMillis: number): MovingAddress {
    const onNews = (): void => this.monitor.alarm()
    const makeNode = (admit: ConstructorParameters<typeof PoolNode>[3]) =>
      new PoolNode(server, 'primary', onNews, admit, this.#prepare)
    const moving: MovingAddress = new MovingAddress(makeNode, timeoutMillis, this.#logger, {
      onSample: (sample) => this.report(moving.node, sample),
      onWrongServer: onNews,
      onRegion: (region) => {
        if (this.#learnRegion(moving.node, region)) this.#sort()
      },
    })
    return moving
  }

  #join(node: PoolNode): void {
    this.members.add(node)
    this.#sort()
  }

  #forget(node: PoolNode): void {
    this.monitor.forget(node)
    this.#reports.delete(node)
    this.#roles.delete(node)
    this.#elect()
  }

  /** Whether the region that a server names is that of `node`: an address that moves is where the primary is. */
  #isRegionOf({ asksRegion, traits }: PoolNode, { isStandby, isReadOnly, timeline }: ServerSample): boolean {
    return asksRegion && (!traits.isMoving || !(isStandby || isReadOnly || timeline < this.#lineage.timeline))
  }

  /** Whether a server's own word on its region is news. */
  #learnRegion(node: PoolNode, region: string | undefined): boolean {
    if (region === undefined || region === node.region) return false
    try {
      node.region = parseRegion('headwater.region', region)
      return true
    } catch {
      warn(
        'HEADWATER_REGION_UNKNOWN',
        { server: node.address.label, from: 'its setting headwater.region' },
        { about: node.address.label, logger: this.#logger },
      )
      return false
    }
  }

  #warnOfNoRegion(primary: PoolNode): void {
    if (this.#region === undefined || primary.region !== undefined || primary.regionOf !== undefined) return
    warn('HEADWATER_NO_PRIMARY_REGION', { region: this.#region }, { logger: this.#logger })
  }

  /** How much has been heard of what a first query waits for: a primary, and a word from every server. */
  #howMuchIsKnown(needsRoles: boolean): 'all' | 'enough' | 'too-little' {
    if (!this.#discovered.isKnown) return 'too-little'
    if (!needsRoles) return 'all'
    const servers = this.nodes.filter((node) => node.traits.isOneServer)
    if (servers.every((node) => this.#reports.has(node))) return 'all'
    return this.roleOf(this.primary) === 'primary' ? 'enough' : 'too-little'
  }

  #lookAround(): Standpoint {
    const { primary, hasPrimary, timeline, cluster } = this
    this.expectsReplicas = this.nodes.some((node) => node !== primary && this.isLocal(node) && node.share.isForAll)
    return new Standpoint(this.#readsElsewhere, { region: this.#region, primary, hasPrimary, timeline, cluster })
  }
}

function applyRole(node: PoolNode, role: ServerRole): void {
  switch (role) {
    case 'replica':
      // While an address that moves leads to one in recovery, it is on its way: nobody reads there.
      if (node.traits.isMoving) return
      return node.become(role)
    case 'primary':
      return node.become(role)
    case 'fenced':
    case 'foreign':
    // What it shows may be lost with it, and what it acknowledges too.
    case 'conflict':
      return node.retire()
    // A server that was not heard stays what it was; a read-only one gets no writes because none is elected.
    case 'read-only':
    case 'unknown':
  }
}

function isSameReport(before: LastReport, said: ServerSample | 'silent'): boolean {
  if (typeof before !== 'object' || said === 'silent') return before === said
  return (
    before.cluster === said.cluster &&
    before.timeline === said.timeline &&
    before.isStandby === said.isStandby &&
    before.isReadOnly === said.isReadOnly &&
    before.startedAt === said.startedAt
  )
}

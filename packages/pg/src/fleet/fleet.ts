import type { PrimaryConflict, Topology } from '@headwater/core'
import type { Position, PositionSource, ServerRole } from '@headwater/core/internal'
import type pg from 'pg'
import { type Connection, PoolNode } from '../node/pool-node.ts'
import type { ResolvedOptions } from '../options/options.ts'
import type { ResolvedNode } from '../options/resolve-node.ts'
import { applyRole } from './apply-role.ts'
import { Arbiter } from './arbiter.ts'
import { askPrimary } from './ask-primary.ts'
import { DiscoveredServers } from './discovered-servers.ts'
import { FirstNews } from './first-news.ts'
import { FleetElection } from './fleet-election.ts'
import { LastPosition } from './last-position.ts'
import { Members } from './members.ts'
import { Monitor, type Monitored } from './monitor.ts'
import { MovingAddress } from './moving-address.ts'
import { PrimaryAccess, type PrimaryOwner } from './primary-access.ts'
import { PrimaryPlaces } from './primary-places.ts'
import { RegionNames } from './region-names.ts'
import { type ReplicaSet, ReplicaSets } from './replica-sets.ts'
import type { ServerSample } from './server-sample.ts'
import { Standpoint } from './standpoint.ts'

type FleetOptions = Pick<
  ResolvedOptions,
  | 'region'
  | 'primary'
  | 'hasFirstGuess'
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

/** All servers of a pool, who of them is the primary, and the topology of this process. */
export class Fleet implements PositionSource, Monitored, PrimaryOwner {
  readonly members: Members = new Members()
  readonly monitor: Monitor
  readonly lastPosition: LastPosition = new LastPosition(this)
  /** Called when more is known of a server, or of who the primary is. */
  changed: () => void = () => undefined
  /** Until it is known which servers there are, and who is the primary, where the app has not said so. */
  readonly firstNews: FirstNews
  /** The server that takes the writes: the configured one at first, then the one that is elected (X7). */
  primary: PoolNode
  /** Whether it may: not once it proved to be no primary, until another is elected, and not before one is where none is guessed. */
  hasPrimary: boolean
  /** The replicas that may be read, in the order of the configuration. */
  replicas: readonly PoolNode[] = []
  /** The way to a session there. */
  readonly access: PrimaryAccess
  /** What reads may take of the primary in the place of replicas (X3). */
  readonly places: PrimaryPlaces
  /** Whether servers of this region are there to be read from, so that their loss could stampede the primary (X3). */
  expectsReplicas = false
  readonly #groups: ReadonlySet<string>
  readonly readsElsewhere: ResolvedOptions['reads']['readsElsewhere']
  #sets: ReplicaSets = new ReplicaSets([], () => true)
  #standpoint: Standpoint
  readonly isMonitored: boolean
  /** Whether the configuration says who is the primary; else the first server is a guess. */
  readonly areRolesGiven: boolean
  readonly #region: string | undefined
  readonly #moving: MovingAddress | undefined
  readonly #discovered: DiscoveredServers
  readonly #election: FleetElection
  readonly #regions: RegionNames
  /** What stands for the primary until one is elected, where none could be guessed; no server. */
  readonly #stand: PoolNode | undefined
  readonly #prepare: ResolvedOptions['prepare']

  constructor(options: FleetOptions) {
    const { region, primary, replicas, discovered, freshness, reads, suspectAfterMillis, promotionWaitMillis } = options
    this.#prepare = options.prepare
    this.readsElsewhere = reads.readsElsewhere
    this.#groups = new Set(
      [...replicas, ...discovered.map(({ node }) => node)].flatMap(({ share }) => share.group ?? []),
    )
    this.#region = region
    this.areRolesGiven = options.areRolesGiven
    this.monitor = new Monitor(this, {
      maxLagMillis: freshness.maxLag?.millis,
      suspectAfterMillis,
      isAwaited: !options.areRolesGiven || discovered.length > 0,
    })
    this.#regions = new RegionNames(region, options.logger)
    this.#moving = primary.traits.isMoving ? this.#followPrimary(primary, options) : undefined
    this.primary = this.#moving?.node ?? this.#nodeFor(primary, 'primary')
    this.hasPrimary = options.hasFirstGuess
    this.#stand = options.hasFirstGuess ? undefined : this.primary
    this.#election = new FleetElection(this.primary, new Arbiter(options.truth, options.logger, () => this.#elect()))
    const others = replicas.map((replica) => this.#nodeFor(replica, 'replica'))
    for (const node of options.hasFirstGuess ? [this.primary, ...others] : others) this.members.add(node)
    const servers = this.nodes.filter((node) => node.traits.isOneServer).length
    this.isMonitored = servers > 1 || discovered.length > 0 || this.#moving !== undefined
    this.access = new PrimaryAccess(this, promotionWaitMillis)
    this.#standpoint = this.#lookAround()
    this.places = new PrimaryPlaces(this, this.access, reads.primaryReads)
    this.#sort()
    this.members.each((node) => {
      node.changed = () => this.changed()
      this.monitor.watch(node)
    })
    this.members.onLeave((node) => this.#forget(node))
    this.#discovered = new DiscoveredServers(discovered, options.logger, {
      onJoin: (node) => {
        this.members.add(node)
        this.#sort()
      },
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
    return this.#election.timeline
  }

  /** The cluster's system identifier; `undefined` before it is known. */
  get cluster(): bigint | undefined {
    return this.#election.cluster
  }

  /** What a server is, by the last election; `unknown` before it was asked, and where it is not asked. */
  roleOf(node: PoolNode): ServerRole {
    return this.#election.roleOf(node)
  }

  /** Why nobody writes while servers are in conflict; `undefined` while they are not. */
  get conflict(): PrimaryConflict | undefined {
    return this.#election.conflict
  }

  /** Whether the address of this connection's server leads to another one now. */
  hasMovedFrom({ node, client }: Connection): boolean {
    return node === this.#moving?.node && this.#moving.hasLeft(client)
  }

  isLocal({ region }: PoolNode): boolean {
    return region === undefined || this.#region === undefined || region === this.#region
  }

  /** Takes in what a server said of itself, or that it does not answer, and elects the primary (X7). */
  report(node: PoolNode, said: ServerSample | 'silent'): void {
    if (typeof said === 'object' && node === this.#moving?.node) this.#moving.heard(said)
    const isMoved = typeof said === 'object' && this.#regions.heard(node, said, this.timeline)
    if (typeof said === 'object') node.learnCommits(said.waitsForStandbys)
    const isNews = this.#election.take(node, said)
    if (isNews || isMoved) this.#elect()
    this.firstNews.heard()
    if (said !== 'silent' && node === this.primary && this.hasPrimary) this.access.settleAll()
  }

  /** Takes in a timeline that a signed token or a replay names: when it is a later one, every server is asked (F7). */
  hear(position: Pick<Position, 'cluster' | 'timeline'>): void {
    if (!this.#election.hear(position)) return
    this.monitor.alarm()
    this.#elect()
  }

  /** The primary's position, in one query on a connection of its pool (F2). Rejects after a second, or when it cannot say. */
  whereIsPrimary(isCommitAsync: boolean): Promise<Position> {
    return askPrimary(this.primary, isCommitAsync)
  }

  /** Ends the monitor, then the connections. Callers that wait for a primary are told. Rejects with what could not be closed. */
  async end(): Promise<void> {
    this.#election.end()
    this.firstNews.end()
    const ended = new Error('Cannot use a pool after calling end on the pool')
    this.access.settleAll(ended)
    this.places.end(ended)
    await Promise.all([this.monitor.end(), this.#discovered.end()])
    await Promise.all([this.members.end(), this.#stand?.end()])
  }

  #elect(): void {
    const { nodes } = this
    const { elected, isOver } = this.#election.hold(nodes, this.primary)
    if (elected !== undefined) {
      this.primary = elected
      this.hasPrimary = true
      this.#regions.warnOfNone(elected)
    } else if (isOver) this.hasPrimary = false
    // Who waits at a server that loses its role asks at once where the primary is now.
    for (const node of nodes) applyRole(node, this.roleOf(node))
    this.#sort()
    if (elected !== undefined) this.access.settleAll()
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

  #followPrimary(server: ResolvedNode, { suspectAfterMillis, logger }: FleetOptions): MovingAddress {
    const onNews = (): void => this.monitor.alarm()
    const makeNode = (admit: ConstructorParameters<typeof PoolNode>[3]) =>
      new PoolNode(server, 'primary', onNews, admit, this.#prepare)
    const moving: MovingAddress = new MovingAddress(makeNode, 2 * suspectAfterMillis, logger, {
      onSample: (sample) => this.report(moving.node, sample),
      onWrongServer: onNews,
      onRegion: (region) => {
        if (this.#regions.learn(moving.node, region)) this.#sort()
      },
    })
    return moving
  }

  #forget(node: PoolNode): void {
    this.monitor.forget(node)
    this.#election.forget(node)
    this.#elect()
  }

  /** How much has been heard of what a first query waits for: a primary, and a word from every server. */
  #howMuchIsKnown(needsRoles: boolean): 'all' | 'enough' | 'too-little' {
    if (!this.#discovered.isKnown) return 'too-little'
    if (!needsRoles) return 'all'
    const servers = this.nodes.filter((node) => node.traits.isOneServer)
    if (servers.every((node) => this.#election.hasHeard(node))) return 'all'
    return this.roleOf(this.primary) === 'primary' ? 'enough' : 'too-little'
  }

  #lookAround(): Standpoint {
    const { primary, hasPrimary, cluster } = this
    // A replay goes where the primary was elected, and must not claim to know of a later one.
    const timeline = this.#election.electedOn
    this.expectsReplicas = this.nodes.some((node) => node !== primary && this.isLocal(node) && node.share.isForAll)
    return new Standpoint(this.readsElsewhere, { region: this.#region, primary, hasPrimary, timeline, cluster })
  }
}

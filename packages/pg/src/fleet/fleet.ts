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
  type ServerRole,
} from '@headwater/core/internal'
import type pg from 'pg'
import { type Connected, PoolNode } from '../node/pool-node.ts'
import type { ResolvedNode, ResolvedOptions } from '../options/options.ts'
import { askPrimary } from './ask-primary.ts'
import { LastPosition } from './last-position.ts'
import { Monitor, type Monitored } from './monitor.ts'
import { PrimaryPlaces } from './primary-places.ts'
import { PrimaryWait } from './primary-wait.ts'
import { type ReplicaSet, ReplicaSets } from './replica-sets.ts'
import type { ServerSample } from './server-sample.ts'
import { Standpoint } from './standpoint.ts'

type FleetOptions = Pick<
  ResolvedOptions,
  'region' | 'primary' | 'replicas' | 'freshness' | 'reads' | 'suspectAfterMillis' | 'promotionWaitMillis'
>

/** Its place among the nodes. */
const CONFIGURED_PRIMARY = 0
/** A process that writes and reads all the time asks no more often than this for a replica next door. */
const NEXT_DOOR_PAUSE_MILLIS = 10
/** The same for those of other regions, which are read when the primary is gone: then it is too late to ask. */
const FAR_PAUSE_MILLIS = 1_000
const NO_PRIMARY = '[headwater] no server is known to be the primary now'

/** All servers of a pool, who of them is the primary, and the topology of this process. */
export class Fleet implements PositionSource, Monitored {
  readonly nodes: readonly PoolNode[]
  readonly monitor: Monitor
  readonly lastPosition: LastPosition = new LastPosition(this)
  /** Called when more is known of a server, or of who the primary is. */
  changed: () => void = () => undefined
  /** The server that takes the writes: the configured one at first, then the one that is elected (X7). */
  primary: PoolNode
  /** Whether it may: not once it proved to be no primary, until another is elected. */
  hasPrimary = true
  /** The replicas that may be read, in the order of the configuration. */
  replicas: readonly PoolNode[]
  /** What reads may take of the primary in the place of replicas (X3). */
  readonly places: PrimaryPlaces
  /** Whether servers of this region are there to be read from, so that their loss could stampede the primary (X3). */
  expectsReplicas = false
  readonly #groups: ReadonlySet<string>
  readonly #readsElsewhere: ResolvedOptions['reads']['readsElsewhere']
  #sets: ReplicaSets
  #standpoint: Standpoint
  readonly #region: string | undefined
  readonly #reports: LastReport[]
  #roles: readonly ServerRole[] = []
  readonly #wait: PrimaryWait
  readonly #isMonitored: boolean
  #lineage: Lineage = NO_LINEAGE
  /** The timeline on which `primary` was elected; 0 while it is the first guess. */
  #electedOn = 0

  constructor(options: FleetOptions) {
    const { region, primary, replicas, freshness, reads, suspectAfterMillis, promotionWaitMillis } = options
    const onNews = (): void => this.monitor.alarm()
    const nodeFor = (server: ResolvedNode, role: 'primary' | 'replica') => new PoolNode(server, role, onNews)
    this.#region = region
    this.primary = nodeFor(primary, 'primary')
    this.replicas = replicas.map((replica) => nodeFor(replica, 'replica'))
    this.#readsElsewhere = reads.readsElsewhere
    this.#groups = new Set(replicas.flatMap(({ share }) => share.group ?? []))
    this.nodes = [this.primary, ...this.replicas]
    this.#reports = this.nodes.map(() => undefined)
    for (const node of this.nodes) node.changed = () => this.changed()
    this.#isMonitored = this.nodes.filter((node) => node.traits.isOneServer).length > 1
    this.#wait = new PrimaryWait(this.#isMonitored ? promotionWaitMillis : 0)
    this.#sets = new ReplicaSets(this.replicas, (node) => this.isLocal(node))
    this.#standpoint = this.#lookAround()
    this.places = new PrimaryPlaces(this, reads.primaryReads)
    this.monitor = new Monitor(this, { maxLagMillis: freshness.maxLag?.millis, suspectAfterMillis })
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
    return !this.hasPrimary || this.primary.isDown
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

  /** Whether a local replica may still force its sessions read-only, so that a statement may be tried there (X1). */
  get isReadOnlyForced(): boolean {
    for (const node of this.local) if (node.traits.keepsReadOnly) return true
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
    return this.#roles[this.nodes.indexOf(node)] ?? 'unknown'
  }

  isLocal({ region }: PoolNode): boolean {
    return region === undefined || this.#region === undefined || region === this.#region
  }

  /** Takes in what a server said of itself, or that it does not answer, and elects the primary (X7). */
  report(node: PoolNode, said: ServerSample | 'silent'): void {
    const index = this.nodes.indexOf(node)
    if (!isSameReport(this.#reports[index], said)) {
      this.#reports[index] = said
      this.#elect()
    }
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
   * `PrimaryUnavailable` when none comes in time, and pg's own error when the pool is full, or a login, database or TLS is refused.
   */
  connectToPrimary(connected: Connected, deadline?: number): void {
    const node = this.primary
    if (!this.hasPrimary) return this.#waitForPrimary(connected, new Error(NO_PRIMARY), deadline)
    // A server that is known to be down is knocked at by one caller only. A refused login is each caller's own error.
    const { lastError } = node
    if (this.#isMonitored && isOutOfService(lastError) && !node.tryProbe()) {
      return this.#waitForPrimary(connected, lastError, deadline)
    }
    node.connect(connected, (error) => {
      const isMoved = !this.hasPrimary || node !== this.primary || node.isStandby === true
      if (!node.hasEnded && (isMoved || isOutOfService(error))) this.#waitForPrimary(connected, error, deadline)
      else connected(error)
    })
  }

  /** The primary's position, in one query on a connection of its pool (F2). Rejects after a second, or when it cannot say. */
  whereIsPrimary(isCommitAsync: boolean): Promise<Position> {
    return askPrimary(this.primary, isCommitAsync)
  }

  /** Ends the monitor; the nodes are ended by their owner. Callers that wait for a primary are told. */
  async end(): Promise<void> {
    const ended = new Error('Cannot use a pool after calling end on the pool')
    this.#wait.settleAll(ended)
    this.places.end(ended)
    await this.monitor.end()
  }

  #waitForPrimary(connected: Connected, error: unknown, deadline = this.#wait.deadline): void {
    this.monitor.alarm()
    const goOn = (failure: unknown): void => {
      if (failure === undefined) this.connectToPrimary(connected, deadline)
      else connected(failure)
    }
    this.#wait.add(goOn, deadline, new PrimaryUnavailable(error))
  }

  #elect(): void {
    const { lineage, roles, primary } = elect(this.#lineage, this.#reports, CONFIGURED_PRIMARY)
    this.#lineage = lineage
    this.#roles = roles
    for (const [index, node] of this.nodes.entries()) applyRole(node, roles[index] ?? 'unknown')
    const elected = primary === undefined ? undefined : this.nodes[primary]
    if (elected !== undefined) {
      this.primary = elected
      this.hasPrimary = true
      this.#electedOn = lineage.timeline
    } else {
      // A primary that is silent stays the primary until a later timeline is known: its own breaker says that it cannot be reached.
      const isSuperseded = this.#electedOn > 0 && lineage.timeline > this.#electedOn
      if (roles[this.nodes.indexOf(this.primary)] !== 'unknown' || isSuperseded) this.hasPrimary = false
    }
    this.replicas = this.nodes.filter((node) => node.role === 'replica' && node.isInService)
    this.#sets = new ReplicaSets(this.replicas, (one) => this.isLocal(one))
    this.#standpoint = this.#lookAround()
    if (elected !== undefined) this.#wait.settleAll()
    this.changed()
  }

  #lookAround(): Standpoint {
    const { primary, hasPrimary, timeline, cluster } = this
    this.expectsReplicas = this.nodes.some((node) => node !== primary && this.isLocal(node) && node.share.isForAll)
    return new Standpoint(this.#readsElsewhere, { region: this.#region, primary, hasPrimary, timeline, cluster })
  }
}

function applyRole(node: PoolNode, role: ServerRole): void {
  switch (role) {
    case 'primary':
    case 'replica':
      return node.become(role)
    case 'fenced':
    case 'foreign':
      return node.retire()
    // A server that was not heard stays what it was; one in a conflict, or read-only, gets no writes because none is elected.
    case 'conflict':
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

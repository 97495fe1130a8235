import { PrimaryUnavailable, type Topology } from '@headwater/core'
import { createTopology, isOutOfService, type Position, type PositionSource } from '@headwater/core/internal'
import type pg from 'pg'
import { type Connected, PoolNode } from '../node/pool-node.ts'
import type { ResolvedOptions } from '../options/options.ts'
import { askPrimary } from './ask-primary.ts'
import { LastPosition } from './last-position.ts'

/** All servers of a pool: the primary, the replicas, the local ones among them, and the topology of this process. */
export class Fleet implements PositionSource {
  readonly primary: PoolNode
  readonly replicas: readonly PoolNode[]
  /** The local replicas, in the order of the configuration: those of this region, and those that name none. */
  readonly local: readonly PoolNode[]
  readonly nodes: readonly PoolNode[]
  readonly lastPosition: LastPosition = new LastPosition(this)
  readonly #withReplica: Topology
  readonly #withoutReplica: Topology

  constructor({ region, primary, replicas }: Pick<ResolvedOptions, 'region' | 'primary' | 'replicas'>) {
    this.primary = new PoolNode(primary, 'primary')
    this.replicas = replicas.map((replica) => new PoolNode(replica, 'replica'))
    this.local = this.replicas.filter(
      (node) => node.region === undefined || region === undefined || node.region === region,
    )
    this.nodes = [this.primary, ...this.replicas]
    this.#withReplica = createTopology({ region, primaryRegion: primary.region, hasReplica: true })
    this.#withoutReplica = createTopology({ region, primaryRegion: primary.region, hasReplica: false })
  }

  /** Where this process stands, as of now: without a replica while all local ones are ejected. */
  get topology(): Topology {
    for (const node of this.local) if (!node.isEjected) return this.#withReplica
    return this.#withoutReplica
  }

  /** The pools to ask for what takes a while, nearest first; the primary's is the last. */
  get nearest(): readonly pg.Pool[] {
    return [...this.local.filter((node) => !node.isEjected), this.primary].map((node) => node.pool)
  }

  /** Whether a local replica may still force its sessions read-only, so that a statement may be tried there (X1). */
  get isReadOnlyForced(): boolean {
    for (const node of this.local) if (node.traits.keepsReadOnly) return true
    return this.local.length === 0
  }

  /**
   * Takes a connection to the primary. Gives a `PrimaryUnavailable` when the primary is out of service, and pg's own error when
   * the pool is full, or a login, database or TLS is refused.
   */
  connectToPrimary(connected: Connected): void {
    this.primary.connect(connected, (error) => connected(isOutOfService(error) ? new PrimaryUnavailable(error) : error))
  }

  /** The primary's position, in one query on a connection of its pool (F2). Rejects after a second, or when it cannot say. */
  whereIsPrimary(isCommitAsync: boolean): Promise<Position> {
    return askPrimary(this.primary, isCommitAsync)
  }
}

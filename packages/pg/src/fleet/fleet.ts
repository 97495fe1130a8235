import { PrimaryUnavailable, type Topology } from '@headwater/core'
import { createTopology, isOutOfService, type Position, type PositionSource } from '@headwater/core/internal'
import type pg from 'pg'
import { type Connected, PoolNode } from '../node/pool-node.ts'
import type { ResolvedOptions } from '../options/options.ts'
import { askPrimary } from './ask-primary.ts'

/** All servers of a pool: who the primary is, which replicas are in this region, and where this process stands. */
export class Fleet implements PositionSource {
  readonly primary: PoolNode
  readonly replicas: readonly PoolNode[]
  /** The replicas of this region, in the order of the configuration. */
  readonly local: readonly PoolNode[]
  readonly nodes: readonly PoolNode[]
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

  /** Where this process stands, as of now. */
  get topology(): Topology {
    for (const node of this.local) if (!node.isEjected) return this.#withReplica
    return this.#withoutReplica
  }

  /** Where to ask what takes a while, nearest first; the primary is the last. */
  get nearest(): readonly pg.Pool[] {
    return [...this.local.filter((node) => !node.isEjected), this.primary].map((node) => node.pool)
  }

  /** Whether a local replica is left, as far as is known, that what is tried may run on (X1). */
  get isReadOnlyForced(): boolean {
    for (const node of this.local) if (node.isReadOnlyForced) return true
    return this.local.length === 0
  }

  /**
   * Takes a connection to the primary. Where that is out of service it is a `PrimaryUnavailable`; a full pool, a login, a
   * database or TLS that is refused says so in its own words.
   */
  connectToPrimary(connected: Connected): void {
    this.primary.connect(connected, (error) => connected(isOutOfService(error) ? new PrimaryUnavailable(error) : error))
  }

  /** Where the primary is, in one query on a connection of its pool (F2). Rejects after a second, and when it cannot say. */
  whereIsPrimary(isCommitAsync: boolean): Promise<Position> {
    return askPrimary(this.primary, isCommitAsync)
  }
}

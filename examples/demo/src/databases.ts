import type { Cluster, ClusterNode, Replica } from '@headwater/cluster'
import { HOME, REGIONS, type RegionCode, regionOf, roundTrip } from './regions.ts'

/** The databases of the three regions: which of them takes the writes, which follow it, and which a switchover has left behind. */
export class Databases {
  readonly #cluster: Cluster
  readonly #nodes: Map<RegionCode, ClusterNode[]>
  #primary: ClusterNode
  #home: RegionCode = HOME
  /** Those that were the primary, and must not come back as they are: they would fork the history. */
  readonly #leftBehind = new Set<ClusterNode>()

  constructor(cluster: Cluster) {
    this.#cluster = cluster
    this.#primary = cluster.primary
    const inRegion = (code: RegionCode): ClusterNode[] =>
      code === HOME ? [cluster.primary] : cluster.replicas.filter(({ name }) => regionOf(name) === code)
    this.#nodes = new Map(REGIONS.map(({ code }) => [code, inRegion(code)]))
  }

  get primary(): ClusterNode {
    return this.#primary
  }

  /** The databases of a region that may run. */
  in(code: RegionCode): readonly ClusterNode[] {
    return this.#all(code).filter((node) => !this.#leftBehind.has(node))
  }

  /** The database of a region; of several, the first that may run. */
  first(code: RegionCode): ClusterNode {
    const node = this.in(code)[0] ?? this.#all(code)[0]
    if (node === undefined) throw new TypeError(`there is no database in ${code}`)
    return node
  }

  /** Those of a region that follow the primary. */
  replicasIn(code: RegionCode): readonly Replica[] {
    return this.in(code).filter((node): node is Replica => node !== this.#primary && 'follow' in node)
  }

  /** Whether a region has one that a switchover has left behind. */
  hasLeftBehind(code: RegionCode): boolean {
    return this.#all(code).some((node) => this.#leftBehind.has(node))
  }

  /** A planned switchover: the primary stops, a replica of `code` takes over, the others follow it. */
  async promote(code: RegionCode): Promise<void> {
    const [old, replicas] = [this.#primary, REGIONS.flatMap((region) => this.replicasIn(region.code))]
    const [successor] = this.replicasIn(code)
    if (old === this.first(code)) throw new Error('it is the primary already')
    if (successor === undefined)
      throw new Error('it has no replica that could take over; let the old primary rejoin first')
    if (![old, ...replicas].every(({ isRunning }) => isRunning)) {
      throw new Error('every database has to run for a switchover')
    }
    await Promise.all(replicas.map((replica) => replica.lag(0)))
    await Promise.all(replicas.map((replica) => this.#untilLevel(old, replica)))
    const others = replicas.filter((replica) => replica !== successor)
    // Nobody may get ahead of the one that takes over.
    await Promise.all(others.map((replica) => replica.disconnect()))
    await old.stop('fast')
    await successor.promote()
    this.#primary = successor
    this.#home = code
    this.#leftBehind.add(old)
    for (const replica of others) {
      await replica.follow(successor)
      await this.setLag(replica, 0)
    }
  }

  /** Brings the one that was left behind back, as a copy of the primary that follows it. */
  async rejoin(code: RegionCode): Promise<void> {
    const nodes = this.#all(code)
    const index = nodes.findIndex((node) => this.#leftBehind.has(node))
    const old = nodes[index]
    if (old === undefined) throw new Error('no database here was left behind')
    const replica = await this.#cluster.rejoin(old, this.#primary)
    nodes[index] = replica
    this.#leftBehind.delete(old)
    await this.setLag(replica, 0)
  }

  /** Lets a replica apply what it gets as late as the ocean makes it, and `extraMs` later. */
  async setLag(replica: Replica, extraMs: number): Promise<void> {
    await replica.lag(Math.round(roundTrip(this.#home, this.#regionOf(replica)) / 2) + extraMs)
  }

  #all(code: RegionCode): ClusterNode[] {
    return this.#nodes.get(code) ?? []
  }

  #regionOf(node: ClusterNode): RegionCode {
    return REGIONS.find(({ code }) => this.#all(code).includes(node))?.code ?? HOME
  }

  async #untilLevel(primary: ClusterNode, replica: Replica): Promise<void> {
    const [row] = await primary.query<{ lsn: string }>('select pg_current_wal_flush_lsn()::text as lsn')
    for (const end = performance.now() + 10_000; performance.now() < end; ) {
      const [is] = await replica.query<{ level: boolean }>('select pg_last_wal_replay_lsn() >= $1::pg_lsn as level', [
        row?.lsn,
      ])
      if (is?.level === true) return
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    throw new Error(`${replica.name} did not catch up within 10 s`)
  }
}

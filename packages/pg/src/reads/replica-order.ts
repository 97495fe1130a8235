import { NO_NODE, type ReadPosition } from '@headwater/core/internal'
import type { Fleet } from '../fleet/fleet.ts'
import type { FleetWatch } from '../fleet/fleet-watch.ts'
import type { PoolNode } from '../node/pool-node.ts'
import type { ReadInSearch } from './read-in-search.ts'

/** The order in which a read tries the local replicas. A scope stays with one replica; outside a scope they take turns. */
export class ReplicaOrder {
  readonly #fleet: Fleet
  readonly #watch: FleetWatch
  #turn = 0

  constructor(fleet: Fleet, watch: FleetWatch) {
    this.#fleet = fleet
    this.#watch = watch
  }

  /** The next one for a read that any replica may answer. The read may become the probe of a replica that has failed. */
  next(query: ReadInSearch): PoolNode | undefined {
    const { local } = this.#fleet
    const count = local.length
    const start = query.frame?.scope?.number ?? this.#turn++
    for (let step = 0; step < count; step += 1) {
      const node = local[(start + step) % count]
      if (node !== undefined && !query.hasTried(node) && node.tryProbe()) return node
    }
    return undefined
  }

  /** The replica that the client has read before (F5), otherwise the one whose turn it is. */
  preferred(query: ReadInSearch, seen: ReadPosition | undefined): PoolNode | undefined {
    const { local } = this.#fleet
    const turn = local[(query.frame?.scope?.number ?? this.#turn++) % Math.max(1, local.length)]
    const node = this.#knownTo(seen) ?? turn
    return node === undefined || query.hasTried(node) || node.isEjected ? undefined : node
  }

  /** All replicas that are left, in order; the one that the client has read before comes first. */
  all(query: ReadInSearch, seen: ReadPosition | undefined): PoolNode[] {
    const { local } = this.#fleet
    const start = (query.frame?.scope?.number ?? this.#turn) % Math.max(1, local.length)
    const nodes = [...local.slice(start), ...local.slice(0, start)]
    const left = nodes.filter((node) => !query.hasTried(node) && !node.isEjected)
    const known = this.#knownTo(seen)
    return known === undefined || !left.includes(known) ? left : [known, ...left.filter((node) => node !== known)]
  }

  #knownTo(seen: ReadPosition | undefined): PoolNode | undefined {
    if (seen === undefined || seen.node === NO_NODE) return undefined
    for (const node of this.#fleet.local) if (this.#watch.stateOf(node)?.node === seen.node) return node
    return undefined
  }
}

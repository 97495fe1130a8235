import type { Scope } from '@headwater/core'
import { chooseReplica, NO_NODE, type ReadPosition, type ReplicaChoice } from '@headwater/core/internal'
import type { Fleet } from '../fleet/fleet.ts'
import type { ReplicaSet } from '../fleet/replica-sets.ts'
import type { PoolNode } from '../node/pool-node.ts'
import type { ReadInSearch } from './read-in-search.ts'

/** Which replicas a search looks at: those next door, or those of other regions (X10). */
export type Reach = 'next-door' | 'far'

/** The order in which a read tries the replicas. A scope stays with one of them; outside a scope they are chosen anew each time. */
export class ReplicaOrder {
  readonly #fleet: Fleet
  readonly #choice: ReplicaChoice
  /** The replica that each scope got, where its number alone does not say it. */
  readonly #kept = new WeakMap<Scope, PoolNode>()
  #turn = 0

  constructor(fleet: Fleet, choice: ReplicaChoice) {
    this.#fleet = fleet
    this.#choice = choice
  }

  /** The next one for a read that any replica may answer. The read may become the probe of a replica that has failed. */
  next(query: ReadInSearch, reach: Reach): PoolNode | undefined {
    const nodes = this.among(query, reach)
    const count = nodes.length
    const start = this.#placeOf(query, nodes, reach)
    for (let step = 0; step < count; step += 1) {
      const node = nodes[(start + step) % count]
      if (node !== undefined && !query.hasTried(node) && node.tryProbe()) return node
    }
    return undefined
  }

  /** The replica that the client has read before (F5), otherwise the one whose turn it is. */
  preferred(query: ReadInSearch, seen: ReadPosition | undefined, reach: Reach): PoolNode | undefined {
    const nodes = this.among(query, reach)
    const node = this.#knownTo(seen, nodes) ?? nodes[this.#placeOf(query, nodes, reach)]
    return node === undefined || query.hasTried(node) || node.isEjected ? undefined : node
  }

  /** All replicas that are left, in order, once the preferred one was not fit; the one that the client has read before comes first. */
  all(query: ReadInSearch, seen: ReadPosition | undefined, reach: Reach): PoolNode[] {
    const nodes = this.among(query, reach)
    const start = this.#placeOf(query, nodes, reach)
    const left = [...nodes.slice(start), ...nodes.slice(0, start)].filter(
      (node) => !query.hasTried(node) && !node.isEjected,
    )
    const known = this.#knownTo(seen, nodes)
    return known === undefined || !left.includes(known) ? left : [known, ...left.filter((node) => node !== known)]
  }

  #setFor({ frame }: ReadInSearch): ReplicaSet {
    return this.#fleet.replicasOf(frame?.forced === 'replica' ? frame.group : undefined)
  }

  /** All replicas that it may be read from: the same list as long as they stay, but for those far away. */
  among(query: ReadInSearch, reach: Reach): readonly PoolNode[] {
    const { local, far } = this.#setFor(query)
    if (reach === 'next-door') return local
    // The nearest first; those that nobody has measured last, as they were configured.
    return far.length < 2 ? far : [...far].sort((one, other) => distanceOf(one) - distanceOf(other))
  }

  /** Where among `nodes` a read begins. */
  #placeOf(query: ReadInSearch, nodes: readonly PoolNode[], reach: Reach): number {
    if (reach === 'far' || nodes.length < 2) return 0
    const scope = query.frame?.scope
    const turn = scope?.number ?? this.#turn++
    if (this.#choice === 'round-robin' && this.#setFor(query).isEven) return turn % nodes.length
    return this.#choose(nodes, turn, scope)
  }

  #choose(nodes: readonly PoolNode[], turn: number, scope: Scope | undefined): number {
    const kept = scope === undefined ? undefined : this.#kept.get(scope)
    if (kept !== undefined && !kept.isEjected && nodes.includes(kept)) return nodes.indexOf(kept)
    const choosable = nodes.flatMap((node, index) => {
      if (node.isEjected) return []
      const {
        busy,
        roundTrip: { millis },
        share,
      } = node
      return [{ index, busy, millis, weight: share.weight }]
    })
    const place = choosable[chooseReplica(this.#choice, choosable, turn)]?.index ?? 0
    const chosen = nodes[place]
    if (scope !== undefined && chosen !== undefined) this.#kept.set(scope, chosen)
    return place
  }

  #knownTo(seen: ReadPosition | undefined, nodes: readonly PoolNode[]): PoolNode | undefined {
    if (seen === undefined || seen.node === NO_NODE) return undefined
    for (const node of nodes) if (this.#fleet.monitor.stateOf(node)?.node === seen.node) return node
    return undefined
  }
}

function distanceOf({ roundTrip }: PoolNode): number {
  return roundTrip.millis ?? Number.MAX_SAFE_INTEGER
}

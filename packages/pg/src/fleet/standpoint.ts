import type { Topology } from '@headwater/core'
import {
  AT_PRIMARY,
  createTopology,
  type Elsewhere,
  type ReadsElsewhere,
  readsElsewhere,
} from '@headwater/core/internal'
import type { PoolNode } from '../node/pool-node.ts'
import type { ReplicaSet } from './replica-sets.ts'

/** What a topology is made of. */
export interface Standing {
  readonly region: string | undefined
  readonly primary: PoolNode
  /** Whether that may take what needs the primary. */
  readonly hasPrimary: boolean
  /** The one on which the primary was elected. */
  readonly timeline: number
  /** The cluster's system identifier; `undefined` before it is known. */
  readonly cluster: bigint | undefined
}

/** Where this process stands, as topologies that are made once and kept until something changes. */
export class Standpoint {
  readonly #how: ReadsElsewhere
  readonly #standing: Standing
  readonly #withReplica: Topology
  readonly #alone: Topology
  #elsewhere: Elsewhere = AT_PRIMARY
  #farAway: Topology | undefined

  constructor(how: ReadsElsewhere, standing: Standing) {
    this.#how = how
    this.#standing = standing
    this.#withReplica = this.#topology(true, undefined)
    this.#alone = this.#topology(false, undefined)
  }

  /** The topology for reads that `replicas` may answer. */
  topologyFor({ local, far }: ReplicaSet): Topology {
    for (const node of local) if (!node.isEjected) return this.#withReplica
    if (far.length === 0 || this.#how === 'never') return this.#alone
    return this.#withElsewhere(this.#whereElse(far))
  }

  /** The same for the replicas of a group: the app has asked for these by name, however far they are. */
  topologyForGroup({ local, far }: ReplicaSet): Topology {
    for (const node of local) if (!node.isEjected) return this.#withReplica
    return far.some((node) => !node.isEjected) ? this.#withElsewhere(BY_NAME) : this.#alone
  }

  #whereElse(far: readonly PoolNode[]): Elsewhere {
    const { primary, hasPrimary } = this.#standing
    const isDown = !hasPrimary || primary.health.isDown
    // What stands at home asks nobody for a distance.
    if (!isDown && this.#alone.isAtHome) return AT_PRIMARY
    return readsElsewhere(
      this.#how,
      this.#alone.isAtHome,
      { region: primary.region, millis: primary.roundTrip.millis, isDown },
      far.flatMap((node) => (node.isEjected ? [] : [{ region: node.region, millis: node.roundTrip.millis }])),
    )
  }

  #withElsewhere(elsewhere: Elsewhere): Topology {
    const { inRequest, outside, region } = elsewhere
    if (inRequest === 'primary' && outside === 'primary') return this.#alone
    const before = this.#elsewhere
    const isSame = before.inRequest === inRequest && before.outside === outside && before.region === region
    if (isSame && this.#farAway !== undefined) return this.#farAway
    this.#elsewhere = elsewhere
    this.#farAway = this.#topology(false, Object.freeze(elsewhere))
    return this.#farAway
  }

  #topology(hasReplica: boolean, elsewhere: Elsewhere | undefined): Topology {
    const { region, primary, hasPrimary, timeline, cluster } = this.#standing
    const { region: primaryRegion, standIns } = primary
    return createTopology({
      region,
      primaryRegion,
      hasReplica,
      elsewhere,
      timeline,
      isPrimarySought: !hasPrimary,
      cluster: cluster?.toString(),
      standIns,
    })
  }
}

const BY_NAME: Elsewhere = Object.freeze({ inRequest: 'network', outside: 'network', region: undefined })

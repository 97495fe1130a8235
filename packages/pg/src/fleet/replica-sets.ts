import type { PoolNode } from '../node/pool-node.ts'

/** Replicas of one kind, by where they are: both lists in the order of the configuration. */
export interface ReplicaSet {
  readonly local: readonly PoolNode[]
  /** Those of other regions. */
  readonly far: readonly PoolNode[]
  /** Whether those in `local` get alike parts of the reads. */
  readonly isEven: boolean
}

/** The replicas that may be read now, by who may read them: those for all reads, and those of each named group. */
export class ReplicaSets {
  readonly forAll: ReplicaSet
  readonly #groups = new Map<string, ReplicaSet>()

  constructor(replicas: readonly PoolNode[], isLocal: (node: PoolNode) => boolean) {
    const split = (nodes: readonly PoolNode[]): ReplicaSet => {
      const local = nodes.filter(isLocal)
      const far = nodes.filter((node) => !isLocal(node))
      return { local, far, isEven: local.every(({ share }) => share.weight === local[0]?.share.weight) }
    }
    this.forAll = split(replicas.filter(({ share }) => share.isForAll))
    for (const { share } of replicas) {
      if (share.group === undefined || this.#groups.has(share.group)) continue
      const members = replicas.filter((node) => node.share.group === share.group)
      this.#groups.set(share.group, split(members))
    }
  }

  /** The replicas of a group; none where all of them are out of service. */
  of(group: string | undefined): ReplicaSet {
    return group === undefined ? this.forAll : (this.#groups.get(group) ?? NOBODY)
  }
}

const NOBODY: ReplicaSet = Object.freeze({ local: Object.freeze([]), far: Object.freeze([]), isEven: true })

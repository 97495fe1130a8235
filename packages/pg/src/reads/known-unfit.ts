import { NEVER_REACHED } from '@headwater/core/internal'
import type { PoolNode } from '../node/pool-node.ts'
import type { ReadRequirement, StaleReason } from './read-requirement.ts'

/** What so many clients have seen is remembered apart, by the server that they have read from. */
const MOST = 64

interface Verdict {
  readonly cluster: bigint
  readonly timeline: number
  readonly lsn: bigint
  readonly why: StaleReason
}

/**
 * What was found since the last answer of any server: that none of these replicas has a position. None has a later one then, so a
 * read under such a token need not look at all of them again (S3).
 */
export class KnownUnfit {
  readonly #verdicts = new Map<number, Verdict>()
  #nodes: readonly PoolNode[] | undefined
  #version = 0

  /** Why none of `nodes` is fit; `undefined` where that is not known. `version` counts the answers. */
  why(nodes: readonly PoolNode[], { seen, maxLag }: ReadRequirement, version: number): StaleReason | undefined {
    if (nodes !== this.#nodes || version !== this.#version || seen === undefined || maxLag !== undefined)
      return undefined
    const verdict = this.#verdicts.get(seen.node)
    if (verdict === undefined || seen.lsn === NEVER_REACHED) return undefined
    const { cluster, timeline, lsn, why } = verdict
    return seen.cluster === cluster && seen.timeline === timeline && seen.lsn >= lsn ? why : undefined
  }

  /** Call when none of `nodes` is fit. */
  note(nodes: readonly PoolNode[], { seen, maxLag }: ReadRequirement, version: number, why: StaleReason): void {
    if (seen === undefined || maxLag !== undefined || seen.lsn === NEVER_REACHED) return
    if (nodes !== this.#nodes || version !== this.#version || this.#verdicts.size >= MOST) this.#verdicts.clear()
    this.#nodes = nodes
    this.#version = version
    const { cluster, timeline, lsn, node } = seen
    this.#verdicts.set(node, { cluster, timeline, lsn, why })
  }
}

import type { Logger } from '@headwater/core'
import { type AllLate, warn, whenAllLate } from '@headwater/core/internal'
import type { Fleet } from '../fleet/fleet.ts'
import type { Lag } from '../fleet/primary-history.ts'
import type { PoolNode } from '../node/pool-node.ts'
import type { ResolvedFreshness } from '../options/freshness-options.ts'
import type { ResolvedReads } from '../options/read-options.ts'
import type { ReadInSearch } from './read-in-search.ts'
import { type ReadRequirement, whyStale } from './read-requirement.ts'

/** What becomes of reads while every replica next door lags more than `maxLag` (F6): the primary must not be stampeded. */
export class LateReads {
  readonly #fleet: Fleet
  readonly #allLate: AllLate
  readonly #limit: Lag
  readonly #maxLag: Lag | undefined
  readonly #share: number
  readonly #logger: Logger | false | undefined
  #turn = 0
  #isTold = false

  constructor(
    fleet: Fleet,
    { allLate, lateLimit, maxLag }: ResolvedFreshness,
    { primaryReads }: ResolvedReads,
    logger: Logger | false | undefined,
  ) {
    this.#fleet = fleet
    this.#allLate = allLate
    this.#limit = lateLimit
    this.#maxLag = maxLag
    this.#share = primaryReads.share
    this.#logger = logger
  }

  /** The requirement that a late answer meets: what the client has seen and written, always, and `lateLimit`. */
  relaxed(requirement: ReadRequirement): ReadRequirement {
    return { ...requirement, maxLag: this.#limit }
  }

  /**
   * Call with all replicas next door when none of them is within `maxLag`. Returns the one that answers the read all the same;
   * `undefined` when it goes to the primary.
   */
  choose(nodes: readonly PoolNode[], requirement: ReadRequirement, { frame }: ReadInSearch): PoolNode | undefined {
    this.#warn()
    const { topology, places, monitor, isPrimaryDown } = this.#fleet
    const answer = whenAllLate(this.#allLate, {
      number: frame?.scope?.number ?? this.#turn++,
      isReplayed: frame?.scope?.kind === 'request' && !topology.isAtHome && !isPrimaryDown,
      hasPlace: places.hasFree && !isPrimaryDown,
      share: this.#share,
    })
    if (answer === 'primary') return undefined
    const relaxed = this.relaxed(requirement)
    let best: PoolNode | undefined
    let least: Lag = { millis: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY }
    for (const node of nodes) {
      const state = monitor.stateOf(node)
      if (state === undefined || whyStale(state, relaxed, monitor) !== undefined) continue
      const lag = monitor.lagOf(state)
      if (best === undefined || lag.millis < least.millis || (lag.millis === least.millis && lag.bytes < least.bytes)) {
        best = node
        least = lag
      }
    }
    return best
  }

  #warn(): void {
    if (this.#isTold) return
    this.#isTold = true
    warn('HEADWATER_ALL_LATE', { maxLag: inWords(this.#maxLag), answer: this.#allLate }, { logger: this.#logger })
  }
}

function inWords(maxLag: Lag | undefined): string {
  const { millis = Number.POSITIVE_INFINITY, bytes = Number.POSITIVE_INFINITY } = maxLag ?? {}
  const parts = [Number.isFinite(millis) ? `${millis} ms` : '', Number.isFinite(bytes) ? `${bytes} bytes` : '']
  return parts.filter((part) => part !== '').join(', ')
}

import { parseRegion, type WarnOptions, warn } from '@headwater/core/internal'
import type { PoolNode } from '../node/pool-node.ts'
import type { ServerSample } from './server-sample.ts'

/** Believes what servers say of their region, where the configuration does not say it. */
export class RegionNames {
  readonly #own: string | undefined
  readonly #logger: WarnOptions['logger']

  /** `own`: the region of this process. */
  constructor(own: string | undefined, logger: WarnOptions['logger']) {
    this.#own = own
    this.#logger = logger
  }

  /** Takes in what a server says of its region. Says whether that is news. */
  heard(node: PoolNode, sample: ServerSample, timeline: number): boolean {
    return isRegionOf(node, sample, timeline) && this.learn(node, sample.saysRegion)
  }

  /** Gives a server its region. Says whether that is another one than before; warns when it is no region. */
  learn(node: PoolNode, region: string | undefined): boolean {
    if (region === undefined || region === node.region) return false
    try {
      node.region = parseRegion('headwater.region', region)
      return true
    } catch {
      warn(
        'HEADWATER_REGION_UNKNOWN',
        { server: node.address.label, from: 'its setting headwater.region' },
        { about: node.address.label, logger: this.#logger },
      )
      return false
    }
  }

  /** Warns of a primary whose region nobody knows: no replay can name it. */
  warnOfNone(primary: PoolNode): void {
    if (this.#own === undefined || primary.region !== undefined || primary.regionOf !== undefined) return
    warn('HEADWATER_NO_PRIMARY_REGION', { region: this.#own }, { logger: this.#logger })
  }
}

/** Whether the region that a server names is that of `node`: an address that moves is where the primary is. */
function isRegionOf(node: PoolNode, { isStandby, isReadOnly, timeline }: ServerSample, latest: number): boolean {
  return node.asksRegion && (!node.traits.isMoving || !(isStandby || isReadOnly || timeline < latest))
}

import type { PoolNode } from '../node/pool-node.ts'

/** How small reads of one server share connections (S4). */
export interface LanesStatus {
  /** `unknown` until a text has come back and the server was asked whether it keeps statements. */
  readonly state: 'on' | 'off' | 'unknown'
  /**
   * Why it is off. `not-wanted`: the option says so; `driver`: the installed node-postgres, or the app's own `Client`, does not send
   * ahead; `not-prepared`: a pooler shares its sessions, so nothing is prepared there. `undefined` while it is not off.
   */
  readonly why: 'not-wanted' | 'driver' | 'not-prepared' | undefined
  /** How many connections are shared now, and by how many reads. */
  readonly connections: number
  readonly reads: number
  /** How many reads have had a share since the pool began. */
  readonly served: number
}

export function lanesStatusOf({ lanes, statements }: PoolNode): LanesStatus {
  if (lanes === undefined) return off('not-wanted')
  if (!lanes.canPipeline) return off('driver')
  if (statements?.keepsStatements === false) return off('not-prepared')
  const state = statements?.keepsStatements === true ? 'on' : 'unknown'
  return Object.freeze({ state, why: undefined, connections: lanes.size, reads: lanes.reads, served: lanes.served })
}

function off(why: LanesStatus['why']): LanesStatus {
  return Object.freeze({ state: 'off', why, connections: 0, reads: 0, served: 0 })
}

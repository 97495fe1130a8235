/** How reads that no local replica can answer are answered in another region (X10). */
export type ReadsElsewhere = 'network' | 'replay' | 'never'

/** Where reads go while no local replica can answer them. */
export interface Elsewhere {
  /**
   * In a request. `primary`: wherever what needs the primary goes. `network`: another region's replica, statement by statement.
   * `replay`: the whole request, in `region`.
   */
  readonly inRequest: 'primary' | 'network' | 'replay'
  /** Outside requests, where nothing can be replayed. */
  readonly outside: 'primary' | 'network'
  /** The region of the nearest replica that can be read; `undefined` when none can. */
  readonly region: string | undefined
}

/** One server, as far as a read of another region is concerned. */
export interface FarServer {
  readonly region: string | undefined
  /** How long it takes to answer, in ms; `undefined` before it was measured. */
  readonly millis: number | undefined
}

/** How many statements a request is taken to read by, where crossing once is weighed against crossing with each. */
const READS_PER_REQUEST = 3
/** How much nearer a server has to be, in ms: less is noise, or the price of the replay itself. */
const NOTICEABLE_MILLIS = 5

export const AT_PRIMARY: Elsewhere = Object.freeze({ inRequest: 'primary', outside: 'primary', region: undefined })

/**
 * Says where reads go while no local replica can answer them. Pure.
 *
 * While the primary answers, it answers those that no replica is nearer for; at home none is. While it does not, the nearest
 * replica of another region does. `replicas` are those that can be read now.
 */
export function readsElsewhere(
  how: ReadsElsewhere,
  isAtHome: boolean,
  primary: FarServer & { readonly isDown: boolean },
  replicas: readonly FarServer[],
): Elsewhere {
  const nearest = nearestOf(replicas)
  if (how === 'never' || nearest === undefined) return AT_PRIMARY
  const { region } = nearest
  const mayReplay = how === 'replay' && region !== undefined
  if (primary.isDown) return { inRequest: mayReplay ? 'replay' : 'network', outside: 'network', region }
  if (isAtHome || nearest.millis === undefined || primary.millis === undefined) return AT_PRIMARY
  const isNearer = (times: number): boolean => distance(nearest) * times + NOTICEABLE_MILLIS <= distance(primary)
  const outside = isNearer(1) ? 'network' : 'primary'
  // Both ways the request crosses once, but near the primary it may write, too.
  if (mayReplay) return { inRequest: isNearer(1) ? 'replay' : 'primary', outside, region }
  return { inRequest: isNearer(READS_PER_REQUEST) ? 'network' : 'primary', outside, region }
}

/** The nearest of these servers; of those that nobody has measured, the first. */
export function nearestOf<Server extends FarServer>(servers: readonly Server[]): Server | undefined {
  let best: Server | undefined
  for (const server of servers) if (best === undefined || distance(server) < distance(best)) best = server
  return best
}

function distance({ millis }: FarServer): number {
  return millis ?? Number.POSITIVE_INFINITY
}

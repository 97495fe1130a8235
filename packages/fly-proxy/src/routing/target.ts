import { isRegionMeant } from '../distance/regions.ts'

/** Where a request should go. Without regions, to the nearest machine. */
export interface Target {
  readonly app: string
  readonly instance?: string
  readonly preferInstance?: string
  /** Codes and aliases, in order of preference. Other regions are allowed only if `any` is among them. */
  readonly regions?: readonly string[]
  /** A machine that must not be chosen: the one that said `elsewhere`. */
  readonly exceptInstance?: string
}

/** What the choice needs to know about a machine. */
export interface Candidate {
  readonly id: string
  readonly region: string
  /** As far as the proxy knows. */
  readonly isStopped: boolean
  readonly isOverSoftLimit: boolean
  readonly activeRequests: number
  /** A counter that grows with each request. Among equals, the least recently used machine goes first. */
  readonly lastUse: number
}

/**
 * The machines that may serve the target, best first: the preferred instance, then region by region as listed; inside a
 * region, or without one, by distance and then by load. With `stopped: 'last'` a stopped machine comes after the running
 * ones of its group; else it comes before those of its region that are over their soft limit.
 */
export function orderCandidates<C extends Candidate>(
  target: Target,
  machines: readonly C[],
  distanceTo: (region: string) => number,
  stopped: 'last' | 'by-distance',
): C[] {
  const fit = machines.filter(
    ({ id }) => id !== target.exceptInstance && (target.instance === undefined || id === target.instance),
  )
  const sleeps = (machine: C): number => (machine.isStopped ? 1 : 0)
  const burden = (machine: C): number => (machine.isStopped ? 1 : machine.isOverSoftLimit ? 2 : 0)
  fit.sort(
    (a, b) =>
      (stopped === 'last' ? sleeps(a) - sleeps(b) : 0) ||
      distanceTo(a.region) - distanceTo(b.region) ||
      burden(a) - burden(b) ||
      a.activeRequests - b.activeRequests ||
      a.lastUse - b.lastUse,
  )
  const ordered = new Set<C>(fit.filter(({ id }) => id === target.preferInstance))
  for (const item of target.regions ?? ['any']) {
    for (const machine of fit) if (isRegionMeant(item, machine.region)) ordered.add(machine)
  }
  return [...ordered]
}

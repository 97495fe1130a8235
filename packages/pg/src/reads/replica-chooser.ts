import { diagnostics, type FreshnessEvent } from '@headwater/core'
import type { Frame, ReadPosition } from '@headwater/core/internal'
import { boundHere } from '../driver/bound-here.ts'
import type { Fleet } from '../fleet/fleet.ts'
import type { Monitor } from '../fleet/monitor.ts'
import type { PoolNode } from '../node/pool-node.ts'
import type { ResolvedFreshness } from '../options/freshness-options.ts'
import { KnownUnfit } from './known-unfit.ts'
import { type ReadRequirement, type StaleReason, whyStale } from './read-requirement.ts'
import type { Reach } from './replica-order.ts'

/**
 * The default wait outside the primary's region: as long as the crossing would take, and a quarter more, within these limits. A read that
 * crosses brings a later position home, and while others write a client that polls would chase it, crossing by crossing.
 */
const SHARE_OF_CROSSING = 1.25
const SHORTEST_WAIT_MILLIS = 50
const LONGEST_WAIT_MILLIS = 300
/** Only a replica that is behind is worth waiting for; a client that has read on another replica, or another timeline, would wait in vain. */
const WORTH_WAITING: ReadonlySet<StaleReason> = new Set(['behind'])
/** The reason that is given for several stale replicas: the first of these that holds for one. */
const PRECEDENCE: readonly StaleReason[] = ['behind', 'lagging', 'seen-elsewhere', 'another-timeline']

/** Chooses the replica that is fresh enough for a read, and waits for one where that may help (F4, F5, F6, F7). */
export class ReplicaChooser {
  readonly #fleet: Fleet
  readonly #options: ResolvedFreshness
  /** The known position of each server. */
  readonly watch: Monitor
  readonly #unfit = new KnownUnfit()

  constructor(fleet: Fleet, options: ResolvedFreshness) {
    this.#fleet = fleet
    this.#options = options
    this.watch = fleet.monitor
  }

  /** How long a read may wait for a replica, in ms. */
  maxWaitMillisFor(reach: Reach): number {
    const { maxWaitMillis } = this.#options
    if (maxWaitMillis !== undefined) return maxWaitMillis
    // What is known of a server far away is seconds old, so it is asked anew.
    if (reach === 'far') return LONGEST_WAIT_MILLIS
    if (this.#fleet.topology.isAtHome) return 0
    const crossingMillis = this.watch.roundTripMillis ?? SHORTEST_WAIT_MILLIS
    return Math.min(LONGEST_WAIT_MILLIS, Math.max(SHORTEST_WAIT_MILLIS, crossingMillis * SHARE_OF_CROSSING))
  }

  /** Why none of `all` would be chosen, where the last look at them says so and a wait would not help; `undefined`: they must be looked at. */
  whyNone(
    all: readonly PoolNode[],
    requirement: ReadRequirement,
    frame: Frame | undefined,
    reach: Reach,
  ): StaleReason | undefined {
    const why = this.#unfit.why(all, requirement, this.watch.version)
    if (why === undefined || this.#mayWait(why, reach)) return undefined
    this.watch.hurry(all)
    publish('primary', why, frame, undefined, 0)
    return why
  }

  /**
   * Finds one of `nodes`, which are in order of preference, that is fresh enough, and waits for one where that may help. Calls
   * back synchronously when it need not wait. When all of them lag too far, `late` may still name one. `all` is the list
   * that they come from, when no other of it would do.
   */
  choose(
    all: readonly PoolNode[] | undefined,
    nodes: readonly PoolNode[],
    requirement: ReadRequirement,
    frame: Frame | undefined,
    reach: Reach,
    late: () => PoolNode | undefined,
    done: (node: PoolNode | undefined, why: StaleReason) => void,
  ): void {
    const first = this.#look(nodes, requirement)
    const [preferred] = nodes
    const tell = (
      node: PoolNode | undefined,
      outcome: FreshnessEvent['outcome'],
      why: StaleReason,
      waited = 0,
    ): void => {
      publish(outcome, first.why, frame, node, waited)
      done(node, why)
    }
    const giveUp = (why: StaleReason, waited = 0): void => {
      const node = why === 'lagging' ? late() : undefined
      tell(node, node === undefined ? 'primary' : 'late', why, waited)
    }
    if (first.node === preferred) return done(first.node, first.why)
    if (first.node !== undefined) return tell(first.node, 'other-replica', first.why)
    if (all !== undefined) this.#unfit.note(all, requirement, this.watch.version, first.why)
    if (!this.#mayWait(first.why, reach)) {
      this.watch.hurry(nodes)
      return giveUp(first.why)
    }
    const startedAt = performance.now()
    let isDone = false
    // The watch, which others use too, calls back: the read goes on where it began.
    const settled = boundHere((left: number): void => {
      if (isDone) return
      const { node, why } = this.#look(nodes, requirement)
      if (node === undefined && left > 0) return
      isDone = true
      const waited = performance.now() - startedAt
      if (node === undefined) giveUp(why, waited)
      else tell(node, 'waited', why, waited)
    })
    const isFit = (state: Parameters<typeof whyStale>[0]) => whyStale(state, requirement, this.watch) === undefined
    const isWaiting = this.watch.waitForAny(nodes, isFit, requirement.seen?.lsn, this.maxWaitMillisFor(reach), settled)
    if (!isWaiting) giveUp(first.why)
  }

  /** Whether one of `nodes` is fresh enough, now or within `timeoutMillis`. Behind a load balancer nobody can say: `false`. */
  waitFor(nodes: readonly PoolNode[], requirement: ReadRequirement, timeoutMillis: number): Promise<boolean> {
    const servers = nodes.filter((node) => node.traits.isOneServer)
    if (servers.length === 0) return Promise.resolve(false)
    const isFit = (state: Parameters<typeof whyStale>[0]) => whyStale(state, requirement, this.watch) === undefined
    const isAnyFit = (): boolean => servers.some((node) => isFit(this.watch.stateOf(node)))
    if (isAnyFit()) return Promise.resolve(true)
    return new Promise((resolve) => {
      this.watch.waitForAny(servers, isFit, requirement.seen?.lsn, timeoutMillis, (left) => {
        if (left === 0 || isAnyFit()) resolve(isAnyFit())
      })
    })
  }

  /** Whether every replica is known to have replayed all that was seen; `false` while one is unknown, or not all are listed. */
  hasEveryReplica(seen: ReadPosition): boolean {
    return this.#options.replicasComplete && this.watch.isEverywhere(seen)
  }

  #mayWait(why: StaleReason, reach: Reach): boolean {
    return WORTH_WAITING.has(why) && this.maxWaitMillisFor(reach) > 0
  }

  #look(
    nodes: readonly PoolNode[],
    requirement: ReadRequirement,
  ): { readonly node: PoolNode | undefined; readonly why: StaleReason } {
    let why: StaleReason = 'another-timeline'
    for (const node of nodes) {
      // Behind a load balancer each connection may lead elsewhere: it is asked itself, right before the read.
      if (!node.traits.isOneServer) return { node, why }
      const stale = whyStale(this.watch.stateOf(node), requirement, this.watch)
      if (stale === undefined) return { node, why }
      if (PRECEDENCE.indexOf(stale) < PRECEDENCE.indexOf(why)) why = stale
    }
    return { node: undefined, why }
  }
}

function publish(
  outcome: FreshnessEvent['outcome'],
  reason: StaleReason,
  frame: Frame | undefined,
  node: PoolNode | undefined,
  waited: number,
): void {
  if (!diagnostics.freshness.hasSubscribers) return
  const event = { outcome, reason, waited, node: node?.name, scope: frame?.scope?.number }
  diagnostics.freshness.publish(event satisfies FreshnessEvent)
}

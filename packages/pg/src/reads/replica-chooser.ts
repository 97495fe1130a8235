import { type Consistency, diagnostics, type FreshnessEvent } from '@headwater/core'
import { type Frame, type ReplicaState, type Seen, type Standing, standingOf } from '@headwater/core/internal'
import type pg from 'pg'
import type { Fleet } from '../fleet/fleet.ts'
import { PrimaryHistory } from '../fleet/primary-history.ts'
import { type PrimarySample, primarySampleOf, primarySampleText } from '../fleet/primary-sample.ts'
import { ReplicaWatch } from '../fleet/replica-watch.ts'
import { Watcher } from '../fleet/watcher.ts'
import type { PoolNode } from '../node/pool-node.ts'
import type { ResolvedFreshness } from '../options/freshness-options.ts'

/** Why no replica next door is fresh enough. */
export type Unfit = Exclude<Standing, 'caught-up'> | 'lagging'

/** What a read asks of a replica. */
export interface Need {
  /** What it must have, as the client has seen it. */
  readonly seen: Seen | undefined
  /** Whether it must be known at all: what it shows counts for the client's next read. */
  readonly isTracked: boolean
  readonly maxLag: { readonly time: number; readonly bytes: number } | undefined
}

/** Who is watched, and how patient a read is. */
export interface ChooserOptions extends ResolvedFreshness {
  readonly fleet: Fleet
}

/** The pause between two questions while nobody waits, in ms; shorter when `maxLag` asks for more. */
const PAUSE = 1_000
const SHORTEST_PAUSE = 50
/** A replica that is not far enough is worth waiting for; a client's other server, or another history, is not. */
const WORTH_WAITING: ReadonlySet<Unfit> = new Set(['behind'])
/** What is said of several unfit replicas: the first of these that holds for one. */
const PRECEDENCE: readonly Unfit[] = ['behind', 'lagging', 'seen-elsewhere', 'another-timeline']

/** Knows which replicas are fresh enough for a read, without a question per read (F4, F5, F6, F7). */
export class ReplicaChooser {
  readonly #options: ChooserOptions
  readonly #watches: ReadonlyMap<PoolNode, ReplicaWatch>
  readonly #primary: Watcher<PrimarySample>
  readonly #history = new PrimaryHistory()

  constructor(options: ChooserOptions) {
    this.#options = options
    const { primary, replicas } = options.fleet
    const time = options.maxLag?.time ?? Number.POSITIVE_INFINITY
    const pause = Math.max(SHORTEST_PAUSE, Math.min(PAUSE, time / 4))
    const watched = replicas.filter((node) => !node.isBalanced)
    this.#watches = new Map(watched.map((node) => [node, new ReplicaWatch(node, pause)]))
    this.#primary = new Watcher({
      pool: primary.pool,
      textFor: (connection, now) => primarySampleText(connection, false, now),
      pause,
      read: (row, { connection, sentAt }) => {
        const sample = primarySampleOf(connection, row, sentAt)
        this.#history.add(sample)
        return sample
      },
      onFailure: (error) => primary.publish('connection-error', error),
      onRest: () => this.#history.forget(),
    })
  }

  /** How long a read may wait, in ms. */
  get maxWait(): number {
    return this.#options.maxWait ?? (this.#options.fleet.topology.isAtHome ? 0 : DEFAULT_WAIT)
  }

  /** What a read in `frame` asks for; `undefined` when any replica will do. */
  needOf(frame: Frame | undefined, consistency: Consistency): Need | undefined {
    if (frame?.forced === 'replica' || consistency === 'eventual') return undefined
    const { maxLag } = this.#options
    if (consistency === 'bounded')
      return maxLag === undefined ? undefined : { seen: undefined, isTracked: false, maxLag }
    const trail = frame?.scope?.trail
    const seen = trail?.seen
    const isTracked = trail?.isTracked ?? false
    return seen === undefined && !isTracked && maxLag === undefined ? undefined : { seen, isTracked, maxLag }
  }

  /** What is known of a replica's state; behind `client` it is known only when that is old enough. */
  stateOf(node: PoolNode, client?: pg.PoolClient): ReplicaState | undefined {
    const watch = this.#watches.get(node)
    return client === undefined ? watch?.watcher.latest : watch?.stateBehind(client)
  }

  /** Notes what the server behind one connection has said of itself. */
  note(node: PoolNode, client: pg.PoolClient, state: ReplicaState): void {
    this.#watches.get(node)?.note(client, state)
  }

  /** Why `node` is not fresh enough for `need`; `undefined` when it is. `state` is what is known of it. */
  unfitnessOf(state: ReplicaState | undefined, need: Need): Unfit | undefined {
    if (need.maxLag !== undefined) {
      if (state === undefined) return 'behind'
      void this.#primary.latest
      const { time, bytes } = this.#history.lagOf(state, performance.now())
      if (time > need.maxLag.time || bytes > need.maxLag.bytes) return 'lagging'
    }
    if (need.seen === undefined) return need.isTracked && state === undefined ? 'behind' : undefined
    const standing = standingOf(state, need.seen)
    return standing === 'caught-up' ? undefined : standing
  }

  /**
   * Finds one of `nodes`, in their order of preference, that is fresh enough, and waits for one if that may help. Calls
   * back at once when it knows.
   */
  choose(
    nodes: readonly PoolNode[],
    need: Need,
    frame: Frame | undefined,
    done: (node: PoolNode | undefined, why: Unfit) => void,
  ): void {
    const first = this.#look(nodes, need)
    const [preferred] = nodes
    if (first.node === preferred) return done(first.node, first.why)
    if (first.node !== undefined) return this.#tell(first.node, 'other-replica', first.why, 0, frame, done)
    const { maxWait } = this
    if (maxWait === 0 || !WORTH_WAITING.has(first.why)) {
      for (const node of nodes) this.#watches.get(node)?.watcher.hurry()
      return this.#tell(undefined, 'primary', first.why, 0, frame, done)
    }
    const startedAt = performance.now()
    let isDone = false
    let waiting = 0
    const settle = (): void => {
      waiting -= 1
      if (isDone) return
      const { node, why } = this.#look(nodes, need)
      if (node === undefined && waiting > 0) return
      isDone = true
      this.#tell(
        node,
        node === undefined ? 'primary' : 'waited',
        first.why,
        performance.now() - startedAt,
        frame,
        (n) => done(n, why),
      )
    }
    for (const node of nodes) {
      const watch = this.#watches.get(node)
      if (watch === undefined) continue
      waiting += 1
      watch.watcher.waitUntil(
        () => this.unfitnessOf(watch.watcher.latest, need) === undefined,
        need.seen?.lsn,
        maxWait,
        settle,
      )
    }
    if (waiting === 0) this.#tell(undefined, 'primary', first.why, 0, frame, done)
  }

  /** Whether every replica is known to have all that was seen; `false` while one is not known, or not all are listed. */
  hasEveryReplica(seen: Seen): boolean {
    const { fleet, knowsEveryReplica } = this.#options
    if (!knowsEveryReplica) return false
    // Where it was read from last does not matter any more once all have what was written.
    return fleet.replicas.every((node) => {
      const state = this.stateOf(node)
      return state !== undefined && standingOf(state, { ...seen, node: state.node }) === 'caught-up'
    })
  }

  async end(): Promise<void> {
    await Promise.all([this.#primary.end(), ...[...this.#watches.values()].map(({ watcher }) => watcher.end())])
  }

  #look(nodes: readonly PoolNode[], need: Need): { readonly node: PoolNode | undefined; readonly why: Unfit } {
    let why: Unfit = 'another-timeline'
    for (const node of nodes) {
      // Behind a balancer each connection may lead elsewhere: it is asked itself, right before the read.
      if (node.isBalanced) return { node, why }
      const unfit = this.unfitnessOf(this.stateOf(node), need)
      if (unfit === undefined) return { node, why }
      if (PRECEDENCE.indexOf(unfit) < PRECEDENCE.indexOf(why)) why = unfit
    }
    return { node: undefined, why }
  }

  #tell(
    node: PoolNode | undefined,
    outcome: FreshnessEvent['outcome'],
    reason: Unfit,
    waited: number,
    frame: Frame | undefined,
    done: (node: PoolNode | undefined, why: Unfit) => void,
  ): void {
    if (diagnostics.freshness.hasSubscribers) {
      const event = { outcome, reason, waited, node: node?.name, scope: frame?.scope?.number }
      diagnostics.freshness.publish(event satisfies FreshnessEvent)
    }
    done(node, reason)
  }
}

/** Away from home a replay costs an ocean, which is more than this. In ms. */
const DEFAULT_WAIT = 50

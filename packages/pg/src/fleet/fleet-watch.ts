import { compareFreshness, type ReadPosition, type ReplicaState } from '@headwater/core/internal'
import type pg from 'pg'
import type { PoolNode } from '../node/pool-node.ts'
import type { Fleet } from './fleet.ts'
import { type Lag, PrimaryHistory } from './primary-history.ts'
import { type PrimarySample, parsePrimarySample, primarySampleText } from './primary-sample.ts'
import { ReplicaWatch } from './replica-watch.ts'
import { Watcher } from './watcher.ts'

/** The pause between two questions while no read waits; shorter when `maxLag` needs a more exact answer. */
const PAUSE_MILLIS = 1_000
const SHORTEST_PAUSE_MILLIS = 50

/** Knows the position of each server of a fleet without asking before each read (F4). */
export class FleetWatch {
  readonly #replicas: readonly PoolNode[]
  readonly #watches: ReadonlyMap<PoolNode, ReplicaWatch>
  readonly #primary: Watcher<PrimarySample>
  readonly #history = new PrimaryHistory()
  #sampled: ((node: PoolNode, state: ReplicaState) => void) | undefined

  /** `maxLagMillis` says how exactly a lag in time must be known. */
  constructor({ primary, replicas }: Fleet, maxLagMillis: number | undefined) {
    const limit = maxLagMillis ?? Number.POSITIVE_INFINITY
    const pauseMillis = Math.max(SHORTEST_PAUSE_MILLIS, Math.min(PAUSE_MILLIS, limit / 4))
    // Behind a load balancer each connection of a watch could lead to another server.
    const watched = replicas.filter((node) => node.traits.isOneServer)
    this.#replicas = replicas
    this.#watches = new Map(
      watched.map((node) => [node, new ReplicaWatch(node, pauseMillis, (...sample) => this.#sampled?.(...sample))]),
    )
    this.#primary = new Watcher({
      pool: primary.pool,
      textFor: (connection, now) => primarySampleText(connection, false, now),
      pauseMillis,
      read: (row, { connection, sentAt }) => {
        const sample = parsePrimarySample(connection, row, sentAt)
        this.#history.add(sample)
        return sample
      },
      onFailure: (error) => primary.learn({ kind: 'connection-error', error }),
      onRest: () => this.#history.forget(),
    })
  }

  /** Has `sampled` called whenever a replica has reported its state. */
  onSample(sampled: (node: PoolNode, state: ReplicaState) => void): void {
    this.#sampled = sampled
  }

  /** The known state of a replica, or of the server behind `client`; see `ReplicaWatch.stateBehind`. */
  stateOf(node: PoolNode, client?: pg.PoolClient): ReplicaState | undefined {
    const watch = this.#watches.get(node)
    return client === undefined ? watch?.watcher.latest : watch?.stateBehind(client)
  }

  /** Notes what the server behind one connection has reported. */
  note(node: PoolNode, client: pg.PoolClient, state: ReplicaState): void {
    this.#watches.get(node)?.note(client, state)
  }

  /** The most that a replica in this state lags. */
  lagOf(state: ReplicaState): Lag {
    // A look at the primary keeps its watch going.
    void this.#primary.latest
    return this.#history.lagOf(state, performance.now())
  }

  /** Asks these replicas now, unless that was done in the last 10 ms: it helps the next read. */
  hurry(nodes: readonly PoolNode[]): void {
    for (const node of nodes) this.#watches.get(node)?.watcher.hurry()
  }

  /**
   * Waits for each of `nodes` to become fit, for up to `maxWaitMillis`, and calls back for each with how many are left. `target`
   * is the position that may make it fit. Returns whether there is a node to wait for.
   */
  waitForAny(
    nodes: readonly PoolNode[],
    isFit: (state: ReplicaState | undefined) => boolean,
    target: ReadPosition['lsn'] | undefined,
    maxWaitMillis: number,
    settled: (left: number) => void,
  ): boolean {
    const watches = nodes.flatMap((node) => this.#watches.get(node) ?? [])
    let left = watches.length
    for (const { watcher } of watches) {
      watcher.waitUntil(
        () => isFit(watcher.latest),
        target,
        maxWaitMillis,
        () => settled(--left),
      )
    }
    return watches.length > 0
  }

  /** Whether every replica of the fleet is known to have replayed all that was seen. */
  isEverywhere(seen: ReadPosition): boolean {
    // Once all replicas have it, the replica that was read last does not matter any more.
    return this.#replicas.every((node) => {
      const state = this.stateOf(node)
      return state !== undefined && compareFreshness(state, { ...seen, node: state.node }) === 'caught-up'
    })
  }

  async end(): Promise<void> {
    await Promise.all([this.#primary.end(), ...[...this.#watches.values()].map(({ watcher }) => watcher.end())])
  }
}

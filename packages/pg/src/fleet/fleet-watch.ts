import { compareFreshness, type ReadPosition, type ReplicaState } from '@headwater/core/internal'
import type pg from 'pg'
import type { PoolNode } from '../node/pool-node.ts'
import type { Fleet } from './fleet.ts'
import { type Lag, PrimaryHistory } from './primary-history.ts'
import { type PrimarySample, parsePrimarySample, primarySampleText } from './primary-sample.ts'
import { ReplicaWatch } from './replica-watch.ts'
import { Watcher } from './watcher.ts'

/** The pause between two questions while nobody waits, in ms; shorter when a limit on lag asks for more. */
const PAUSE_MILLIS = 1_000
const SHORTEST_PAUSE_MILLIS = 50

/** Knows how far each server of a fleet is along the log, without a question per read (F4). */
export class FleetWatch {
  readonly #replicas: readonly PoolNode[]
  readonly #watches: ReadonlyMap<PoolNode, ReplicaWatch>
  readonly #primary: Watcher<PrimarySample>
  readonly #history = new PrimaryHistory()

  /** `maxLagMillis`: how exactly a lag in time must be known. */
  constructor({ primary, replicas }: Fleet, maxLagMillis: number | undefined) {
    const limit = maxLagMillis ?? Number.POSITIVE_INFINITY
    const pauseMillis = Math.max(SHORTEST_PAUSE_MILLIS, Math.min(PAUSE_MILLIS, limit / 4))
    // Behind a balancer a watch would tell of one server today and of another tomorrow.
    const watched = replicas.filter((node) => !node.isBalanced)
    this.#replicas = replicas
    this.#watches = new Map(watched.map((node) => [node, new ReplicaWatch(node, pauseMillis)]))
    this.#primary = new Watcher({
      pool: primary.pool,
      textFor: (connection, now) => primarySampleText(connection, false, now),
      pauseMillis,
      read: (row, { connection, sentAt }) => {
        const sample = parsePrimarySample(connection, row, sentAt)
        this.#history.add(sample)
        return sample
      },
      onFailure: (error) => primary.publish('connection-error', error),
      onRest: () => this.#history.forget(),
    })
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

  /** How far a replica in that state lags, at most. */
  lagOf(state: ReplicaState): Lag {
    // A look at the primary keeps its watch going.
    void this.#primary.latest
    return this.#history.lagOf(state, performance.now())
  }

  /** Asks these replicas now, unless that was done a moment ago: the next read is served better. */
  hurry(nodes: readonly PoolNode[]): void {
    for (const node of nodes) this.#watches.get(node)?.watcher.hurry()
  }

  /**
   * Calls back for each of `nodes`, when it has become fit or its time is up, with how many are still waited for. `target`
   * is the position that is waited for. Says whether there is one to wait for at all.
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

  /** Whether every replica of the fleet is known to have all that was seen. */
  isEverywhere(seen: ReadPosition): boolean {
    // Where it was read from last does not matter any more once all have what was written.
    return this.#replicas.every((node) => {
      const state = this.stateOf(node)
      return state !== undefined && compareFreshness(state, { ...seen, node: state.node }) === 'caught-up'
    })
  }

  async end(): Promise<void> {
    await Promise.all([this.#primary.end(), ...[...this.#watches.values()].map(({ watcher }) => watcher.end())])
  }
}

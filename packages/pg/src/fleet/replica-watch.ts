import type { ReplicaState } from '@headwater/core/internal'
import type pg from 'pg'
import type { PoolNode } from '../node/pool-node.ts'
import { processIdOf } from '../node/read-only-session.ts'
import { parseReplicaSample, REPLICA_SAMPLE, type ReplicaSample } from './replica-sample.ts'
import { WAIT_FOR_LSN } from './wait-for-lsn.ts'
import { Watcher } from './watcher.ts'

/** One replica, and what is known of its position. */
export class ReplicaWatch {
  readonly node: PoolNode
  readonly watcher: Watcher<ReplicaSample>
  /** When each connection was made: one that is younger than the last sample may lead to another server. */
  readonly #madeAt = new WeakMap<object, number>()
  readonly #marks = new WeakMap<object, number>()

  /** `sampled` is called with each sample. */
  constructor(node: PoolNode, pauseMillis: number, sampled: (node: PoolNode, sample: ReplicaSample) => void) {
    this.node = node
    const { pool } = node
    pool.on('connect', (client) => this.#madeAt.set(client, performance.now()))
    this.watcher = new Watcher({
      pool,
      textFor: () => REPLICA_SAMPLE,
      read: (row, { connection, receivedAt }) => {
        node.markReachable()
        const sample = parseReplicaSample(row, receivedAt)
        node.find({ isDirect: sample.processId === processIdOf(connection) })
        sampled(node, sample)
        return sample
      },
      pauseMillis,
      wait: WAIT_FOR_LSN,
      onFailure: (error) => node.learn({ kind: 'connection-error', error }),
    })
  }

  /**
   * What the server behind `client` is known to have replayed. `undefined` when the connection is younger than the last sample
   * and was not asked itself: the server may have restarted in between, and a standby that crashed comes back at an older
   * position. Behind a pooler it is always `undefined`: the connection may not lead where the watcher's does.
   */
  stateBehind(client: pg.PoolClient): ReplicaState | undefined {
    const { latest } = this.watcher
    if (latest === undefined || !this.node.traits.isDirect) return undefined
    const isOlder = (this.#madeAt.get(client) ?? 0) < latest.receivedAt
    return isOlder || this.#marks.get(client) === latest.node ? latest : undefined
  }

  /** Notes what the server behind `client` has reported. */
  note(client: pg.PoolClient, { node }: ReplicaState): void {
    this.#marks.set(client, node)
  }
}

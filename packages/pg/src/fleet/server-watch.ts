import type { ReplicaState } from '@headwater/core/internal'
import type pg from 'pg'
import type { PoolNode } from '../node/pool-node.ts'
import { processIdOf } from '../node/read-only-session.ts'
import { parseServerSample, SERVER_SAMPLE, type ServerSample } from './server-sample.ts'
import { WAIT_FOR_LSN } from './wait-for-lsn.ts'
import { type Failure, Watcher } from './watcher.ts'

/** For a server that does not say where it is: it can still be asked whether it answers. */
const LIVENESS = 'select 1'

/** What a watch tells its monitor. */
export interface ServerWatchEvents {
  readonly pause: () => number
  readonly isUsed: () => boolean
  readonly timeoutMillis: number
  readonly overdueAfterMillis: number
  readonly onOverdue: () => void
  readonly onSample: (sample: ServerSample) => void
  readonly onFailure: (failure: Failure, error: unknown) => void
  readonly onRest: () => void
}

/** One server, and what is known of its role and position. */
export class ServerWatch {
  readonly node: PoolNode
  readonly watcher: Watcher<ServerSample | undefined>
  /** When each connection was made: one that is younger than the last sample may lead to another server. */
  readonly #madeAt = new WeakMap<object, number>()
  readonly #marks = new WeakMap<object, number>()

  constructor(node: PoolNode, { onSample, ...events }: ServerWatchEvents) {
    this.node = node
    node.eachPool((pool) => pool.on('connect', (client) => this.#madeAt.set(client, performance.now())))
    this.watcher = new Watcher({
      config: node.config,
      textFor: () => (node.refusesPosition ? LIVENESS : SERVER_SAMPLE),
      read: (row, { connection, sentAt, receivedAt }) => {
        if (node.refusesPosition) {
          node.markReachable(sentAt)
          return undefined
        }
        const sample = parseServerSample(row, sentAt, receivedAt)
        node.find({ isDirect: sample.processId === processIdOf(connection) })
        node.markReachable(sentAt)
        onSample(sample)
        return sample
      },
      wait: WAIT_FOR_LSN,
      ...events,
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

import { isDirect, type ReplicaState } from '@headwater/core/internal'
import type pg from 'pg'
import { isOwnProcess } from '../driver/own-process.ts'
import type { PoolNode } from '../node/pool-node.ts'
import { parseServerSample, SERVER_SAMPLE, type ServerSample } from './server-sample.ts'
import { WAIT_FOR_LSN } from './wait-for-lsn.ts'
import type { Failure } from './watch.ts'
import { Watcher } from './watcher.ts'

/** For a server that does not say where it is: it can still be asked whether it answers. */
const LIVENESS = 'select 1'

/** What is asked through the pooler of a server that is watched past it. */
const PATH = 'select pg_catalog.pg_backend_pid(), pg_catalog.pg_is_in_recovery()'

/** What a watch tells its monitor. */
export interface ServerWatchEvents {
  readonly pause: () => number
  readonly isUsed: () => boolean
  readonly timeoutMillis: number
  readonly overdueAfterMillis: number
  readonly onOverdue: () => void
  readonly renewAfter: () => number
  readonly onSample: (sample: ServerSample) => void
  readonly onFailure: (failure: Failure, error: unknown) => void
  readonly onRest: () => void
}

/** One server, and what is known of its role and position. */
export class ServerWatch {
  readonly node: PoolNode
  readonly watcher: Watcher<ServerSample | undefined>
  /** The watch of the way through the pooler, where the server itself is watched past it: the pooler may hang, or lead elsewhere. */
  readonly #path: Watcher<void> | undefined
  /** When each connection was made: one that is younger than the last sample may lead to another server. */
  readonly #madeAt = new WeakMap<object, number>()
  readonly #marks = new WeakMap<object, number>()

  constructor(node: PoolNode, { onSample, ...events }: ServerWatchEvents) {
    this.node = node
    node.eachPool((pool) => pool.on('connect', (client) => this.#madeAt.set(client, performance.now())))
    const { direct } = node
    this.watcher = new Watcher({
      config: direct?.config ?? node.config,
      textFor: () => (node.refusesPosition ? LIVENESS : SERVER_SAMPLE),
      read: (row, { connection, sentAt, receivedAt }) => {
        if (node.refusesPosition) {
          node.health.markReachable(sentAt)
          return undefined
        }
        const sample = parseServerSample(row, sentAt, receivedAt)
        if (direct === undefined) {
          node.endpoint.findPooler(isOwnProcess(connection, sample.processId))
          node.endpoint.sawProcess(connection, sample.processId)
          node.learnRole(sample.isStandby)
          node.health.markReachable(sentAt)
        }
        onSample(sample)
        return sample
      },
      positionOf: (sample) => sample?.lsn,
      wait: WAIT_FOR_LSN,
      ...events,
    })
    if (direct === undefined) return
    this.#path = new Watcher<void>({
      config: node.config,
      textFor: () => PATH,
      read: ([processId, isStandby], { connection, sentAt }) => {
        node.endpoint.findPooler(isOwnProcess(connection, Number(processId)))
        node.endpoint.sawProcess(connection, Number(processId))
        node.learnRole(isStandby === 't')
        node.health.markReachable(sentAt)
      },
      ...events,
      onRest: () => undefined,
    })
  }

  start(): void {
    this.watcher.start()
    this.#path?.start()
  }

  async end(): Promise<void> {
    await Promise.all([this.watcher.end(), this.#path?.end()])
  }

  /** Since when an answer is waited for, on whichever way; `undefined` while none is. */
  get openSince(): number | undefined {
    const [one, other] = [this.watcher.openSince, this.#path?.openSince]
    return one === undefined || other === undefined ? (one ?? other) : Math.min(one, other)
  }

  /**
   * What the server behind `client` is known to have replayed. `undefined` when the connection is younger than the last sample
   * and was not asked itself: the server may have restarted in between, and a standby that crashed comes back at an older
   * position. Behind a pooler it is always `undefined`: the connection may not lead where the watcher's does.
   */
  stateBehind(client: pg.PoolClient): ReplicaState | undefined {
    const { latest } = this.watcher
    if (latest === undefined || !isDirect(this.node.traits)) return undefined
    const isOlder = (this.#madeAt.get(client) ?? 0) < latest.receivedAt
    return isOlder || this.#marks.get(client) === latest.node ? latest : undefined
  }

  /** Notes what the server behind `client` has reported. */
  note(client: pg.PoolClient, { node }: ReplicaState): void {
    this.#marks.set(client, node)
  }
}

import { ClusterError } from '../errors/cluster-error.ts'
import type { Server } from '../postgres/server.ts'
import { primaryConnection, quoteSetting } from '../postgres/server-settings.ts'
import { type ClusterNode, ServerNode } from './cluster-node.ts'
import { waitUntil } from './wait-until.ts'

/**
 * A hot standby. Its own methods, `promote()` included, need it to run and to be a standby still.
 * @throws ClusterError CLUSTER_WRONG_ROLE after a promotion, CLUSTER_NODE_DOWN, CLUSTER_TIMEOUT
 */
export interface Replica extends ClusterNode {
  /** Stops replaying the log. Resolves when replay has stopped; with a `lag()`, without waiting for that. */
  pauseReplay(): Promise<void>
  /** Starts replaying again after `pauseReplay()`. */
  resumeReplay(): Promise<void>
  /**
   * Shows each commit this many milliseconds after it happened (`recovery_min_apply_delay`). 0 removes the delay. Survives a
   * restart.
   * @example
   * await replica.lag(500)
   */
  lag(milliseconds: number): Promise<void>
  /** Makes it a primary on a new timeline. Resolves when it accepts writes. No other replica follows it until `follow()`. */
  promote(): Promise<void>
  /** Cuts the replication stream; the server keeps running. Resolves when the stream is cut. Survives a restart. */
  disconnect(): Promise<void>
  /** Restores the replication stream after `disconnect()`. */
  reconnect(): Promise<void>
  /** Replicates from this node from now on: a primary, or another replica. Resolves when the stream flows. */
  follow(node: ClusterNode): Promise<void>
}

const patienceMillis = 10_000

export class ServerReplica extends ServerNode implements Replica {
  #source: ServerNode
  #lag = 0

  constructor(server: Server, source: ServerNode) {
    super(server)
    this.#source = source
  }

  async pauseReplay(): Promise<void> {
    await this.#mustFollow('pauseReplay')
    await this.query('select pg_wal_replay_pause()')
    if (this.#lag > 0) return
    await this.#until('did not pause its replay', `pg_get_wal_replay_pause_state() = 'paused'`)
  }

  async resumeReplay(): Promise<void> {
    await this.#mustFollow('resumeReplay')
    await this.query('select pg_wal_replay_resume()')
    await this.#until('did not resume its replay', `pg_get_wal_replay_pause_state() = 'not paused'`)
  }

  async lag(milliseconds: number): Promise<void> {
    if (!Number.isInteger(milliseconds) || milliseconds < 0 || milliseconds > 2 ** 31 - 1) {
      throw new ClusterError(
        'CLUSTER_OPTIONS_INVALID',
        `lag(${milliseconds}): expected a whole number of milliseconds, 0 or more.`,
      )
    }
    await this.#mustFollow('lag')
    await this.#set('recovery_min_apply_delay', `${milliseconds}ms`)
    this.#lag = milliseconds
    const setting = `(select setting::int from pg_settings where name = 'recovery_min_apply_delay')`
    await this.#until('did not apply its delay', `${setting} = ${milliseconds}`)
  }

  async promote(): Promise<void> {
    await this.#mustFollow('promote')
    const [row] = await this.query<{ answer: boolean }>('select pg_promote(true, 60) as answer')
    if (row?.answer !== true) {
      throw new ClusterError('CLUSTER_TIMEOUT', `${this.name} was not promoted within 60 s.`, { log: await this.log() })
    }
  }

  async disconnect(): Promise<void> {
    await this.#mustFollow('disconnect')
    await this.#set('primary_conninfo', '')
    await this.#until('did not cut its stream', 'not exists (select from pg_stat_wal_receiver)')
  }

  async reconnect(): Promise<void> {
    await this.follow(this.#source)
  }

  /** Comes back as a copy of `source` that follows it, whatever it was. */
  async rejoin(source: ServerNode): Promise<void> {
    // Its data is thrown away.
    await this.stop('immediate')
    await this.server.becomeStandbyOf(source.server)
    this.#source = source
    this.#lag = 0
    await this.start()
    await this.waitUntilStreaming()
  }

  async follow(node: ClusterNode): Promise<void> {
    if (!(node instanceof ServerNode) || node === this) {
      throw new ClusterError('CLUSTER_OPTIONS_INVALID', `${this.name} can only follow another node of its own cluster.`)
    }
    await this.#mustFollow('follow')
    this.#source = node
    await this.#set('primary_conninfo', primaryConnection(node.peerAddress, this.name))
    await this.waitUntilStreaming()
  }

  /** Resolves when the stream from its source flows. */
  async waitUntilStreaming(signal?: AbortSignal): Promise<void> {
    const { host, port } = this.#source.peerAddress
    const stream = `select from pg_stat_wal_receiver where status = 'streaming'`
    await this.#until(
      `has no stream from ${this.#source.name}; is that node up, and on the same history`,
      `exists (${stream} and conninfo ~ 'host=${host} port=${port} ')`,
      signal,
    )
  }

  async #set(name: string, value: string): Promise<void> {
    await this.query(`alter system set ${name} = ${quoteSetting(value)}`)
    await this.query('select pg_reload_conf()')
  }

  async #until(complaint: string, condition: string, signal?: AbortSignal): Promise<void> {
    const isSo = await waitUntil(
      async () => (await this.query<{ is_so: boolean }>(`select ${condition} as is_so`))[0]?.is_so === true,
      { timeoutMillis: patienceMillis, signal },
    )
    if (!isSo) {
      throw new ClusterError('CLUSTER_TIMEOUT', `${this.name} ${complaint} (waited ${patienceMillis} ms).`, {
        log: await this.log(),
      })
    }
  }

  async #mustFollow(what: string): Promise<void> {
    if (await this.isInRecovery()) return
    throw new ClusterError('CLUSTER_WRONG_ROLE', `${what}() needs a replica, but ${this.name} has become a primary.`)
  }
}

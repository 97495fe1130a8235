import { ClusterError } from '../errors/cluster-error.ts'
import { withAdminSession } from '../postgres/admin-session.ts'
import type { Server, StopMode } from '../postgres/server.ts'

/** One server of the cluster. Its address stays the same over `stop()`, `kill()` and `restart()`. */
export interface ClusterNode {
  readonly name: string
  readonly host: string
  readonly port: number
  /** `postgres://postgres@host:port/postgres`; no password is asked for. */
  readonly url: string
  /** Where its data is; inside the container with testcontainers. */
  readonly dataFolder: string
  readonly isRunning: boolean
  /** Resolves when connections are accepted. Does nothing on a node that runs. */
  start(): Promise<void>
  /** Default `fast`: clients are dropped, the data is written down. Does nothing on a node that is down. */
  stop(mode?: StopMode): Promise<void>
  /** As if the power failed: SIGKILL to all of the node's processes at once. */
  kill(): Promise<void>
  /** `stop('fast')` if it runs, then `start()`: also the way back after a `kill()`. */
  restart(): Promise<void>
  /** The last 64 KB of the server's log. */
  log(): Promise<string>
  /** Runs SQL as superuser on a connection of its own; for arranging a test, not for measuring one. */
  query<Row extends object = Record<string, unknown>>(sql: string, values?: readonly unknown[]): Promise<Row[]>
  /** Asks the server: true on a replica, false on a primary. */
  isInRecovery(): Promise<boolean>
}

/** A node over the server of any provider. */
export class ServerNode implements ClusterNode {
  readonly #server: Server
  #isOver = false

  constructor(server: Server) {
    this.#server = server
  }

  get name(): string {
    return this.#server.name
  }

  get host(): string {
    return this.#server.host
  }

  get port(): number {
    return this.#server.port
  }

  get url(): string {
    return `postgres://postgres@${this.host}:${this.port}/postgres`
  }

  get dataFolder(): string {
    return this.#server.dataFolder
  }

  get isRunning(): boolean {
    return this.#server.isRunning
  }

  /** Where a walreceiver of this cluster finds the node; with containers that is not where we find it. */
  get peerAddress(): { readonly host: string; readonly port: number } {
    return this.#server.peerAddress
  }

  async start(): Promise<void> {
    this.#mustExist()
    await this.#server.start()
  }

  async stop(mode: StopMode = 'fast'): Promise<void> {
    this.#mustExist()
    await this.#server.stop(mode)
  }

  async kill(): Promise<void> {
    this.#mustExist()
    await this.#server.kill()
  }

  async restart(): Promise<void> {
    await this.stop('fast')
    await this.start()
  }

  async log(): Promise<string> {
    return await this.#server.log()
  }

  async query<Row extends object = Record<string, unknown>>(
    sql: string,
    values: readonly unknown[] = [],
  ): Promise<Row[]> {
    this.#mustExist()
    if (!this.isRunning) {
      throw new ClusterError('CLUSTER_NODE_DOWN', `${this.name} is down, so it cannot be asked. Use restart() first.`, {
        log: await this.log(),
      })
    }
    return await withAdminSession(this, async (client) => (await client.query(sql, [...values])).rows)
  }

  async isInRecovery(): Promise<boolean> {
    const [row] = await this.query<{ answer: boolean }>('select pg_is_in_recovery() as answer')
    return row?.answer === true
  }

  /** The cluster has been stopped: from now on every method says so. */
  retire(): void {
    this.#isOver = true
  }

  #mustExist(): void {
    if (this.#isOver) {
      throw new ClusterError('CLUSTER_STOPPED', `The cluster of ${this.name} has been stopped. Start a new one.`)
    }
  }
}

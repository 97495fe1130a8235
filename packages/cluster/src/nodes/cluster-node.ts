import { ClusterError } from '../errors/cluster-error.ts'
import { withAdminSession } from '../postgres/admin-session.ts'
import type { Server, StopMode } from '../postgres/server.ts'

/** One server of the cluster. It keeps its address through `stop()`, `kill()` and `restart()`. */
export interface ClusterNode {
  /** `primary`, or the replica's name. Also its `cluster_name`. */
  readonly name: string
  readonly host: string
  readonly port: number
  /** `postgres://postgres@host:port/postgres`. There is no password. */
  readonly url: string
  /** The path of its data folder. With testcontainers: the path inside the container. */
  readonly dataFolder: string
  readonly isRunning: boolean
  /** Starts the server. Resolves when it accepts connections. Does nothing if it runs. */
  start(): Promise<void>
  /**
   * Stops the server. Does nothing if it is down.
   * @default 'fast'
   */
  stop(mode?: StopMode): Promise<void>
  /** Sends SIGKILL to all processes of the server at once, like a power failure. */
  kill(): Promise<void>
  /** Calls `stop('fast')` if it runs, then `start()`. Use it after `kill()` too. */
  restart(): Promise<void>
  /** The last 64 KB of the server's log. */
  log(): Promise<string>
  /**
   * Runs SQL as superuser on a new connection. Good for preparing a test, not for measuring one.
   * @throws ClusterError CLUSTER_NODE_DOWN, CLUSTER_STOPPED
   */
  query<Row extends object = Record<string, unknown>>(sql: string, values?: readonly unknown[]): Promise<Row[]>
  /** Asks the server: true on a replica, false on a primary. */
  isInRecovery(): Promise<boolean>
}

/** A node on top of any provider's server. */
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

  /** The address that this cluster's walreceivers use. With containers it differs from the address that clients use. */
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
      throw new ClusterError('CLUSTER_NODE_DOWN', `${this.name} is down and cannot run a query. Use restart() first.`, {
        log: await this.log(),
      })
    }
    return await withAdminSession(this, async (client) => (await client.query(sql, [...values])).rows)
  }

  async isInRecovery(): Promise<boolean> {
    const [row] = await this.query<{ answer: boolean }>('select pg_is_in_recovery() as answer')
    return row?.answer === true
  }

  /** The provider's side of it. */
  get server(): Server {
    return this.#server
  }

  /** Marks the cluster as stopped: from now on every method throws CLUSTER_STOPPED. */
  retire(): void {
    this.#isOver = true
  }

  #mustExist(): void {
    if (this.#isOver) {
      throw new ClusterError('CLUSTER_STOPPED', `The cluster of ${this.name} has been stopped. Start a new one.`)
    }
  }
}

import { ClusterError } from './errors/cluster-error.ts'
import { startLocalServers } from './local/local-servers.ts'
import { type CatchUpOptions, waitUntilReplayed } from './nodes/catch-up.ts'
import { type ClusterNode, ServerNode } from './nodes/cluster-node.ts'
import { type Replica, ServerReplica } from './nodes/replica.ts'
import { type ClusterOptions, type ResolvedOptions, resolveOptions } from './options/cluster-options.ts'
import type { ProvidedServers } from './postgres/server.ts'
import { openWire, type Wire, type WireTarget } from './wire/wire.ts'

/** A primary and its replicas. It ends with `stop()`, with `await using`, or with your process, however that ends. */
export interface Cluster extends AsyncDisposable {
  /** The node that started as the primary. It does not change when a replica is promoted. */
  readonly primary: ClusterNode
  readonly replicas: readonly Replica[]
  /**
   * Resolves when every replica has replayed what the primary has flushed by now. Promoted replicas are skipped. A replica
   * that is down, paused or cut off makes it reject.
   * @throws ClusterError CLUSTER_TIMEOUT, CLUSTER_NODE_DOWN
   */
  waitUntilCaughtUp(options?: CatchUpOptions): Promise<void>
  /**
   * Brings a node back as a standby of `primary`, which runs: an old primary, for one, that a promotion has left behind. It is stopped if
   * need be, its data is replaced by a new copy of the primary's, and its address stays. Resolves with the node as a replica when it
   * streams; it can be promoted again.
   * @throws ClusterError CLUSTER_OPTIONS_INVALID, CLUSTER_NODE_DOWN, CLUSTER_WRONG_ROLE, CLUSTER_START_FAILED, CLUSTER_TIMEOUT
   * @example
   * await nrt.promote()
   * const old = await cluster.rejoin(cluster.primary, nrt)
   * await old.promote()
   */
  rejoin(node: ClusterNode, primary: ClusterNode): Promise<Replica>
  /**
   * Opens a TCP wire to a node, or to any other server, on a port of its own: for faults of the network between your code and it. It
   * is closed with the cluster, or before.
   * @throws ClusterError CLUSTER_STOPPED
   * @example
   * const wire = await cluster.wire(cluster.primary)
   * const pool = new pg.Pool({ connectionString: wire.url })
   * wire.blackhole()
   */
  wire(target: WireTarget): Promise<Wire>
  /** Ends every server and removes everything that was created for them. May be called again. */
  stop(): Promise<void>
}

/**
 * Starts a real PostgreSQL primary with streaming replicas on this machine. When it resolves, all accept connections and the
 * replicas stream. There is no password: every user of this machine can connect, and with the local providers nobody else.
 * @throws ClusterError, or the reason of `options.signal` when that aborted the start
 * @example
 * await using cluster = await startCluster({ replicas: ['nrt'] })
 * await cluster.primary.query('create table notes (id int)')
 * await cluster.waitUntilCaughtUp()
 */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const resolved = resolveOptions(options, process.env)
  resolved.signal?.throwIfAborted()
  const limit = AbortSignal.timeout(resolved.startTimeoutMillis)
  const signal = resolved.signal ? AbortSignal.any([resolved.signal, limit]) : limit
  try {
    const servers = await startServers(resolved, signal)
    const cluster = new RunningCluster(servers)
    try {
      await cluster.waitUntilStreaming(signal)
    } catch (error) {
      await cluster.stop()
      throw error
    }
    return cluster
  } catch (error) {
    if (resolved.signal?.aborted) throw resolved.signal.reason
    if (!limit.aborted) throw error
    throw new ClusterError(
      'CLUSTER_START_FAILED',
      `The cluster did not start within ${resolved.startTimeoutMillis} ms. Is the machine busy? Increase startTimeoutMillis.`,
      { cause: error },
    )
  }
}

async function startServers(options: ResolvedOptions, signal: AbortSignal): Promise<ProvidedServers> {
  if (options.provider !== 'testcontainers') return await startLocalServers(options, signal)
  // Loaded only on demand: testcontainers is an optional peer.
  const { startContainers } = await import('./containers/containers.ts')
  return await startContainers(options, signal)
}

class RunningCluster implements Cluster {
  readonly primary: ServerNode
  readonly replicas: readonly ServerReplica[]
  readonly #servers: ProvidedServers
  /** The first primary, once it has come back as a standby. */
  #rejoined: ServerReplica | undefined
  readonly #wires = new Set<Wire>()
  #stopping: Promise<void> | undefined

  constructor(servers: ProvidedServers) {
    this.#servers = servers
    const primary = new ServerNode(servers.primary)
    this.primary = primary
    this.replicas = Object.freeze(servers.replicas.map((server) => new ServerReplica(server, primary)))
  }

  async waitUntilStreaming(signal: AbortSignal): Promise<void> {
    await Promise.all(this.replicas.map((replica) => replica.waitUntilStreaming(signal)))
  }

  async waitUntilCaughtUp(options: CatchUpOptions = {}): Promise<void> {
    await waitUntilReplayed(this.primary, [...this.replicas, ...this.#returned], options)
  }

  async rejoin(node: ClusterNode, primary: ClusterNode): Promise<Replica> {
    const [standby, source] = [this.#standbyAt(node), this.#own(primary)]
    if (standby === undefined || source === undefined || standby.server === source.server) {
      const message = `${node.name} can only rejoin another node of its own cluster, and not ${primary.name}.`
      throw new ClusterError('CLUSTER_OPTIONS_INVALID', message)
    }
    // Asked before anything is thrown away.
    if (await source.isInRecovery()) {
      throw new ClusterError(
        'CLUSTER_WRONG_ROLE',
        `${node.name} can only rejoin a primary, and ${primary.name} is a replica.`,
      )
    }
    await standby.rejoin(source)
    if (standby.server === this.primary.server) this.#rejoined = standby
    return standby
  }

  async wire(target: WireTarget): Promise<Wire> {
    const wire = await openWire(target)
    this.#wires.add(wire)
    if (this.#stopping === undefined) return wire
    await wire.close()
    throw new ClusterError('CLUSTER_STOPPED', 'The cluster has been stopped, and opens no wire. Start a new one.')
  }

  get #returned(): readonly ServerReplica[] {
    return this.#rejoined === undefined ? [] : [this.#rejoined]
  }

  #own(node: ClusterNode): ServerNode | undefined {
    return [this.primary, ...this.replicas, ...this.#returned].find((own) => own === node)
  }

  #standbyAt(node: ClusterNode): ServerReplica | undefined {
    const own = this.#own(node)
    if (own === undefined || own instanceof ServerReplica) return own
    return this.#rejoined ?? new ServerReplica(own.server, own)
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #stop(): Promise<void> {
    for (const node of [this.primary, ...this.replicas, ...this.#returned]) node.retire()
    await Promise.all([...this.#wires].map((wire) => wire.close()))
    await this.#servers.dispose()
  }
}

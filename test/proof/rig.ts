import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Cluster, startCluster } from '@headwater/cluster'
import type { Consistency } from '@headwater/core'
import { createFlyProxy, type FlyProxy, type Latency } from '@headwater/fly-proxy'
import { RoutedPool } from '@headwater/pg'
import pg from 'pg'
import { SCHEMA, startProofApp } from './app.ts'
import type { LogEntry } from './history.ts'

/** Where there are app instances; the primary is in the first. */
export const REGIONS = ['ams', 'nrt', 'ord'] as const
export type Region = (typeof REGIONS)[number]

/** Named after their regions: nrt has two, and home has one too. */
const REPLICAS = ['ams-1', 'nrt-1', 'nrt-2', 'ord-1'] as const
/** nrt has two instances, so that one client meets watchers that do not know the same. */
const MACHINES: readonly Region[] = ['ams', 'nrt', 'nrt', 'ord']

const PRIMARY_CONNECTIONS = 16

export interface RigOptions {
  readonly consistency: Consistency
  readonly trackReads: 'always' | 'with-token'
  /** Replicas that lag further are not read from, ms; `undefined`: no limit. */
  readonly maxLag: number | undefined
  /** How many keys there are. */
  readonly keys: number
  readonly latency: Latency
  /** Whether small reads share connections (S4). */
  readonly lanes: boolean
  readonly signal?: AbortSignal | undefined
}

/** A primary in ams, four replicas in three regions, four instances of the app, and the proxy in front of them. */
export class Rig {
  readonly cluster: Cluster
  readonly proxy: FlyProxy
  readonly #pools: readonly RoutedPool[]
  readonly #owned: AsyncDisposableStack

  private constructor(cluster: Cluster, proxy: FlyProxy, pools: readonly RoutedPool[], owned: AsyncDisposableStack) {
    this.cluster = cluster
    this.proxy = proxy
    this.#pools = pools
    this.#owned = owned
  }

  static async open(options: RigOptions): Promise<Rig> {
    await using building = new AsyncDisposableStack()
    const abortable = options.signal === undefined ? {} : { signal: options.signal }
    const cluster = building.use(await startCluster({ replicas: REPLICAS, ...abortable }))
    await cluster.primary.query(SCHEMA)
    await cluster.primary.query('insert into register select key, 0 from generate_series(1, $1) key', [options.keys])
    await cluster.waitUntilCaughtUp(abortable)
    const pools: RoutedPool[] = []
    const urls: string[] = []
    for (const region of MACHINES) {
      const pool = building.adopt(poolOf(region, cluster, options), endPool)
      pools.push(pool)
      const server = building.adopt(await startProofApp({ pool, trackReads: options.trackReads }), closeServer)
      urls.push(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    }
    const machines = MACHINES.map((region, index) => ({ id: `machine-${index}`, region, url: urls[index] ?? '' }))
    const proxy = building.use(createFlyProxy({ apps: [{ name: 'app', machines }], latency: options.latency }))
    await proxy.listen()
    return new Rig(cluster, proxy, pools, building.move())
  }

  /** How many reads had a share of a connection so far. */
  get shared(): number {
    const servers = this.#pools.flatMap((pool) => pool.status().servers)
    return servers.reduce((sum, { lanes }) => sum + lanes.served, 0)
  }

  /** What the primary has, once everybody is done. */
  async log(): Promise<LogEntry[]> {
    return await this.cluster.primary.query<LogEntry & Record<string, unknown>>('table log order by serial')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync()
  }
}

function poolOf(region: Region, { primary, replicas }: Cluster, options: RigOptions): RoutedPool {
  const { consistency, maxLag, lanes } = options
  const pool = new RoutedPool({
    region,
    primary: { region: REGIONS[0], connectionString: primary.url, max: PRIMARY_CONNECTIONS },
    replicas: replicas.map(({ url, name }) => ({ region: name.slice(0, 3), connectionString: url })),
    // The view `standing` hides what is node-local; the catalog would see through it.
    catalog: false,
    logger: false,
    lanes,
    consistency,
    ...(maxLag === undefined ? {} : { maxLag: { millis: maxLag } }),
  })
  pool.on('error', () => undefined)
  return pool
}

const PATIENCE = 10_000

/** A pool waits for every connection that is in use: here none may be, and one that is was lost. */
async function endPool(pool: RoutedPool): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const tooLate = new Promise<never>((_resolve, reject) => {
    const complaint = `a pool of ${pool.topology.region} has connections that were never given back`
    timer = setTimeout(() => reject(new Error(complaint)), PATIENCE)
  })
  await Promise.race([pool.end(), tooLate]).finally(() => clearTimeout(timer))
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}

/** A connection that outlives its server's mood; the caller ends it. */
export async function openOwnConnection(url: string): Promise<pg.Client> {
  const client = new pg.Client(url)
  client.on('error', () => undefined)
  await client.connect()
  return client
}

import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Cluster } from '@headwater/cluster'
import { createFlyProxy, type FlyProxy, type FlyProxyOptions, type RequestEvent } from '@headwater/fly-proxy'
import type { RoutedPool, RoutedPoolOptions } from '@headwater/pg'
import { World } from '@headwater/test-world'

/** The regions of the stage; the primary is in the first. */
export const REGIONS = ['ams', 'nrt'] as const
export type Region = (typeof REGIONS)[number]

export const SECRET = 'a secret of the stage, long enough'

/** Makes the app of one region, listening on a free port of 127.0.0.1. */
export type StartApp = (instance: Instance) => Promise<Server>

export interface Instance {
  readonly region: Region
  readonly pool: RoutedPool
}

export interface StageOptions {
  readonly startApp: StartApp
  readonly proxy?: Partial<FlyProxyOptions>
  /** SQL that a suite adds to the tables of the stage. Default: nothing. */
  readonly schema?: string
  readonly pool?: (region: Region, cluster: Cluster) => RoutedPoolOptions | Promise<RoutedPoolOptions>
  /** The names of the replicas, all in nrt. Default: one, `nrt`. */
  readonly replicas?: readonly string[]
}

/** The notes of the stage say where they were written. */
const SCHEMA = "alter table note add region text not null default 'by function';"

/** A whole world on one machine: a primary in ams and a replica in nrt, an app instance in each, the proxy in front. */
export class Stage {
  readonly world: World
  readonly proxy: FlyProxy
  readonly pools: Readonly<Record<Region, RoutedPool>>
  /** Where the app of each region listens, beside the proxy. */
  readonly urls: Readonly<Record<Region, string>>
  readonly #servers: readonly Server[]
  readonly #requests: RequestEvent[] = []

  private constructor(parts: Pick<Stage, 'world' | 'proxy' | 'pools'> & { servers: readonly Server[] }) {
    this.world = parts.world
    this.proxy = parts.proxy
    this.pools = parts.pools
    this.urls = { ams: urlOf(parts.servers[0]), nrt: urlOf(parts.servers[1]) }
    this.#servers = parts.servers
    this.proxy.subscribe((event) => {
      if (event.type === 'request') this.#requests.push(event)
    })
  }

  static async open(options: StageOptions): Promise<Stage> {
    const world = await World.start({ schema: SCHEMA + (options.schema ?? ''), replicas: options.replicas ?? ['nrt'] })
    const replicas = world.cluster.replicas.map(({ url }) => ({ region: 'nrt', connectionString: url }))
    const open = async (region: Region) =>
      world.informedPool(region, { replicas, ...(await options.pool?.(region, world.cluster)) })
    const pools = { ams: await open('ams'), nrt: await open('nrt') }
    const servers = await Promise.all(REGIONS.map((region) => options.startApp({ region, pool: pools[region] })))
    const machines = REGIONS.map((region, index) => ({ id: `machine-${region}`, region, url: urlOf(servers[index]) }))
    const proxy = createFlyProxy({ apps: [{ name: 'app', machines }], ...options.proxy })
    await proxy.listen()
    return new Stage({ world, proxy, pools, servers })
  }

  /** A request of a client in `region`. */
  fetch(region: Region, path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(this.proxy.edge(region).url + path, {
      redirect: 'manual',
      signal: AbortSignal.timeout(20_000),
      ...init,
    })
  }

  /** The way of the last request, as the proxy saw it. */
  async way(): Promise<RequestEvent> {
    // The proxy tells of a request once its last byte is out: a moment after the client has it.
    for (let tries = 0; this.#requests.length === 0 && tries < 200; tries += 1)
      await new Promise((resolve) => setTimeout(resolve, 5))
    const event = this.#requests.pop()
    if (event === undefined) throw new Error('the proxy has seen no request')
    this.#requests.length = 0
    return event
  }

  /** How many notes with this body there are, and where they were written. */
  async notes(body: string): Promise<string[]> {
    const { rows } = await this.world.admin.query<{ region: string }>('select region from note where body = $1', [body])
    return rows.map((row) => row.region)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.proxy.close()
    await Promise.all(
      this.#servers.map(
        (server) =>
          new Promise((resolve) => {
            server.close(resolve)
            server.closeAllConnections()
          }),
      ),
    )
    await this.world[Symbol.asyncDispose]()
  }
}

function urlOf(server: Server | undefined): string {
  const address = server?.address() as AddressInfo
  return `http://127.0.0.1:${address.port}`
}

export function listen(server: Server): Promise<Server> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => resolve(server))
  })
}

import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Cluster, startCluster } from '@headwater/cluster'
import { createFlyProxy, type FlyProxy, type FlyProxyOptions, type RequestEvent } from '@headwater/fly-proxy'
import { RoutedPool, type RoutedPoolOptions } from '@headwater/pg'
import pg from 'pg'

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
  readonly pool?: (region: Region, cluster: Cluster) => RoutedPoolOptions
}

const SCHEMA = `
  create view server as select current_setting('cluster_name') as who;
  create table note (id int primary key generated always as identity, body text not null, region text not null);
  create function write_note(text) returns int language sql as 'insert into note (body, region) values ($1, ''by function'') returning id';
`

/** A whole world on one machine: a primary in ams and a replica in nrt, an app instance in each, the proxy in front. */
export class Stage {
  readonly cluster: Cluster
  readonly proxy: FlyProxy
  readonly admin: pg.Pool
  readonly pools: Readonly<Record<Region, RoutedPool>>
  /** Where the app of each region listens, beside the proxy. */
  readonly urls: Readonly<Record<Region, string>>
  readonly #servers: readonly Server[]
  readonly #requests: RequestEvent[] = []

  private constructor(parts: Pick<Stage, 'cluster' | 'proxy' | 'admin' | 'pools'> & { servers: readonly Server[] }) {
    this.cluster = parts.cluster
    this.proxy = parts.proxy
    this.admin = parts.admin
    this.pools = parts.pools
    this.urls = { ams: urlOf(parts.servers[0]), nrt: urlOf(parts.servers[1]) }
    this.#servers = parts.servers
    this.proxy.subscribe((event) => {
      if (event.type === 'request') this.#requests.push(event)
    })
  }

  static async open(options: StageOptions): Promise<Stage> {
    const own = await startCluster({ replicas: ['nrt'] })
    const admin = new pg.Pool({ connectionString: own.primary.url, max: 2 })
    admin.on('error', () => undefined)
    await admin.query(`${SCHEMA}`)
    await own.waitUntilCaughtUp()
    const poolOf = (region: Region) =>
      new RoutedPool({
        region,
        primary: { region: 'ams', connectionString: own.primary.url },
        // The view `server` hides that it asks for what is node-local; the catalog would see through it.
        catalog: false,
        functions: { write_note: 'unknown' },
        replicas: own.replicas.map(({ url }) => ({ region: 'nrt', connectionString: url })),
        ...options.pool?.(region, own),
      })
    const pools = { ams: poolOf('ams'), nrt: poolOf('nrt') }
    const servers = await Promise.all(REGIONS.map((region) => options.startApp({ region, pool: pools[region] })))
    const machines = REGIONS.map((region, index) => ({ id: `machine-${region}`, region, url: urlOf(servers[index]) }))
    const proxy = createFlyProxy({ apps: [{ name: 'app', machines }], ...options.proxy })
    await proxy.listen()
    return new Stage({ cluster: own, proxy, admin, pools, servers })
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
    const { rows } = await this.admin.query<{ region: string }>('select region from note where body = $1', [body])
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
    await Promise.allSettled([...Object.values(this.pools), this.admin].map((pool) => pool.end()))
    await this.cluster.stop()
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

import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { RoutedPool } from '@headwater/pg'
import { createAdaptorServer } from '@hono/node-server'
import pg from 'pg'
import { type AppOptions, createApp } from './app.ts'
import { HOME, type RegionCode } from './regions.ts'

export interface InstanceOptions extends Omit<AppOptions, 'pool' | 'naivePool'> {
  /** The databases as seen from here: those next door, and over the ocean those that are, or may become, the primary. */
  readonly servers: readonly { readonly region: RegionCode; readonly url: string }[]
}

/** The app of one region: its pools and its HTTP server. */
export class Instance implements AsyncDisposable {
  readonly #server: Server
  readonly #pool: RoutedPool
  readonly #naivePool: pg.Pool

  private constructor(server: Server, pool: RoutedPool, naivePool: pg.Pool) {
    this.#server = server
    this.#pool = pool
    this.#naivePool = naivePool
  }

  static async start(options: InstanceOptions): Promise<Instance> {
    const { region } = options
    const servers = options.servers.map(({ region: at, url }) => ({ region: at, connectionString: url }))
    const primary = servers.find((server) => server.region === HOME)
    if (primary === undefined) throw new TypeError(`the app in ${region} knows no way to the primary in ${HOME}`)
    const pool = new RoutedPool({
      region,
      primary,
      replicas: servers.filter((server) => server !== primary),
      connectionTimeoutMillis: 3000,
      // A crossing of the ocean to connect anew would be measured as part of some request.
      idleTimeoutMillis: 0,
    })
    const naivePool = new pg.Pool({
      connectionString: primary.connectionString,
      connectionTimeoutMillis: 3000,
      idleTimeoutMillis: 0,
    })
    // Servers are killed here on purpose; an idle connection that dies is no reason to end.
    naivePool.on('error', () => {})
    naivePool.on('connect', (client) => client.on('error', () => {}))
    const app = createApp({ ...options, pool, naivePool })
    // Without a factory of HTTP/2 it is node:http's.
    const server = createAdaptorServer({ fetch: app.fetch }) as Server
    // Longer than whoever sends requests on keeps a connection.
    server.keepAliveTimeout = 65_000
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new Instance(server, pool, naivePool)
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** The region of the primary, as this app knows it now. */
  get primaryRegion(): string | undefined {
    return this.#pool.topology.primaryRegion
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await Promise.all([closed, this.#pool.end(), this.#naivePool.end()])
  }
}

import { randomUUID } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { ReplayToPrimary } from '@headwater/core'
import { createFlyProxy, type FlyProxy } from '@headwater/fly-proxy'
import { headwater } from '@headwater/http/koa'
import { RoutedPool, type RoutedPoolOptions, type ServerPoolOptions } from '@headwater/pg'
import Koa from 'koa'

export const REGIONS = ['ams', 'nrt'] as const
export type Region = (typeof REGIONS)[number]

/** How the pools reach the cluster. */
export type PoolOptions = RoutedPoolOptions | ServerPoolOptions

/** One request, as its client saw it. */
export interface Seen {
  readonly region: Region
  readonly kind: 'read' | 'write'
  /** What the write wrote. */
  readonly body: string
  /** In ms of this process's monotonic clock; so is the next. */
  readonly sentAt: number
  readonly tookMillis: number
  /** `undefined`: no answer came. */
  readonly status: number | undefined
  /** What the answer says: of a write, see `arrivalIn`; else what went wrong. */
  readonly said: string
}

/** To which server a write came, and when: by the clock of this machine, in ms of this process's monotonic clock. */
export function arrivalIn({ kind, status, said }: Seen): { readonly port: number; readonly at: number } | undefined {
  if (kind !== 'write' || status !== 200) return undefined
  const [port, at] = said.split(' ').map(Number)
  return port === undefined || at === undefined ? undefined : { port, at: at - performance.timeOrigin }
}

const SECRET = 'a secret of the managers, long enough'
/** Longer than anything that the app waits for. */
const PATIENCE_MILLIS = 60_000

/** The same app in two regions, the proxy of Fly before it, and clients that ask at a steady rate whatever the answers. */
export class Workload implements AsyncDisposable {
  readonly pools: Readonly<Record<Region, RoutedPool>>
  readonly seen: Seen[] = []
  readonly #servers: readonly Server[]
  readonly #proxy: FlyProxy
  readonly #pending = new Set<Promise<void>>()
  readonly #abort = new AbortController()
  #run: Promise<void> | undefined

  private constructor(pools: Readonly<Record<Region, RoutedPool>>, servers: readonly Server[], proxy: FlyProxy) {
    this.pools = pools
    this.#servers = servers
    this.#proxy = proxy
  }

  static async open(optionsFor: (region: Region) => PoolOptions): Promise<Workload> {
    const pools = { ams: new RoutedPool(optionsFor('ams')), nrt: new RoutedPool(optionsFor('nrt')) }
    for (const pool of Object.values(pools)) pool.on('error', () => undefined)
    const servers = await Promise.all(REGIONS.map((region) => startApp(pools[region])))
    const machines = servers.map((server, index) => {
      const region = REGIONS[index] ?? 'ams'
      const { port } = server.address() as AddressInfo
      return { id: `machine-${region}`, region, url: `http://127.0.0.1:${port}` }
    })
    const proxy = createFlyProxy({ apps: [{ name: 'app', machines }] })
    await proxy.listen()
    return new Workload(pools, servers, proxy)
  }

  /** Begins to ask, half reads and half writes, from both regions in turns. */
  start(perSecond: number): void {
    this.#run = this.#askOn(1_000 / perSecond)
  }

  /** Asks no more, and waits for the last answers. */
  async stop(): Promise<void> {
    this.#abort.abort()
    await this.#run
    await Promise.all(this.#pending)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
    await this.#proxy.close()
    for (const server of this.#servers) {
      server.close()
      server.closeAllConnections()
    }
    await Promise.all(Object.values(this.pools).map((pool) => pool.end()))
  }

  async #askOn(pause: number): Promise<void> {
    const startedAt = performance.now()
    for (let count = 0; !this.#abort.signal.aborted; count += 1) {
      const asked = this.#ask(REGIONS[count % 2 === 0 ? 0 : 1], count % 4 < 2 ? 'write' : 'read')
      this.#pending.add(asked)
      void asked.finally(() => this.#pending.delete(asked))
      await sleep(Math.max(0, startedAt + (count + 1) * pause - performance.now()))
    }
  }

  async #ask(region: Region, kind: Seen['kind']): Promise<void> {
    const [body, sentAt] = [randomUUID(), performance.now()]
    const tell = (status: number | undefined, said: string): void => {
      this.seen.push({ region, kind, body, sentAt, tookMillis: performance.now() - sentAt, status, said })
    }
    try {
      const url = `${this.#proxy.edge(region).url}/notes`
      const signal = AbortSignal.timeout(PATIENCE_MILLIS)
      const response = await fetch(url, kind === 'write' ? { method: 'POST', body, signal } : { signal })
      tell(response.status, await response.text())
    } catch (error) {
      tell(undefined, String(Object(error).cause ?? error))
    }
  }
}

function startApp(pool: RoutedPool): Promise<Server> {
  const app = new Koa()
  app.silent = true
  app.use(async (context, next) => {
    try {
      await next()
    } finally {
      // What the operator would see in the log.
      if (context.status >= 500 && typeof context.body !== 'string') context.body = String(context.status)
    }
  })
  app.use(headwater({ pool, secret: SECRET }))
  app.use(async (context) => {
    if (context.method === 'GET') {
      const { rows } = await noted(pool.query('select id from note order by id desc limit 1'))
      context.body = String(rows[0]?.id)
      return
    }
    const chunks: Buffer[] = []
    for await (const chunk of context.req) chunks.push(chunk as Buffer)
    const arrived = 'extract(epoch from statement_timestamp()) * 1000 as arrived'
    const insert = `insert into note (body) values ($1) returning inet_server_port() as port, ${arrived}`
    const { rows } = await noted(pool.query(insert, [Buffer.concat(chunks).toString()]))
    context.body = `${rows[0]?.port} ${rows[0]?.arrived}`
  })
  const server = createServer(app.callback())
  // On a busy machine a connection that rests for 5 s may be closed just as the proxy uses it: that is a 502.
  server.keepAliveTimeout = 60_000
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)))
}

/** The errors of the app's statements, for whoever looks into a failed run. */
export const failures: unknown[] = []

async function noted<Result>(asked: Promise<Result>): Promise<Result> {
  try {
    return await asked
  } catch (error) {
    if (!(error instanceof ReplayToPrimary)) failures.push(error)
    throw error
  }
}

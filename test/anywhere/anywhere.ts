import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { Server } from 'node:http'
import { request } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { RunningProxy } from '@headwater/example-local-world/proxy-program'
import type { RoutedPool } from '@headwater/pg'
import { World } from '@headwater/test-world'
import { type Endpoint, frontOf, HOSTS } from '../conformance/hosts.ts'
import type { Edge } from './edges.ts'

const SECRET = 'a secret of every region, long enough'
const SCHEMA = 'create table landing (key text not null, digest text not null, region text not null);'
const INSERT = 'insert into landing (key, digest, region) values ($1, $2, $3)'

export interface Answer {
  readonly status: number
  readonly body: string
  readonly header: (name: string) => string | undefined
}

export interface Asked {
  readonly method?: 'GET' | 'POST'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly isChunked?: boolean
}

/** What landed in the database under a key. */
export interface Landing {
  readonly digest: string
  readonly region: string
}

export const digestOf = (body: string): string => createHash('sha256').update(body).digest('hex')
export const textOf = (length: number): string =>
  randomBytes(Math.ceil(length / 2))
    .toString('hex')
    .slice(0, length)

/** One app in two regions over a real primary and a real replica, in all frameworks, with an edge in front of the second region. */
export class Anywhere implements AsyncDisposable {
  readonly world: World
  readonly frameworks: readonly string[] = Object.keys(HOSTS)
  readonly #edge: RunningProxy
  readonly #servers: { readonly ams: Server; readonly nrt: Server }
  readonly #primaryPort: number

  private constructor(world: World, edge: RunningProxy, servers: { ams: Server; nrt: Server }) {
    this.world = world
    this.#edge = edge
    this.#servers = servers
    this.#primaryPort = portOf(servers.ams)
  }

  static async open(edge: Edge): Promise<Anywhere> {
    const world = await World.start({ schema: SCHEMA })
    const pools = { ams: await world.informedPool('ams'), nrt: await world.informedPool('nrt') }
    const primary = await start(pools.ams, 'ams', edge, 0)
    const here = await start(pools.nrt, 'nrt', edge, portOf(primary))
    const open = await edge.open({ here: portOf(here), primary: portOf(primary) })
    return new Anywhere(world, open, { ams: primary, nrt: here })
  }

  /** A request of a client in nrt. */
  ask(path: string, { method = 'POST', headers = {}, body = '', isChunked = false }: Asked = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const length = isChunked ? { 'transfer-encoding': 'chunked' } : { 'content-length': String(body.length) }
      const outgoing = request({
        host: '127.0.0.1',
        port: this.#edge.port,
        method,
        path,
        // A connection of its own: an edge may close one that lies idle.
        agent: false,
        headers: { ...(method === 'POST' ? length : {}), 'content-type': 'text/plain', ...headers },
      })
      outgoing.setTimeout(60_000, () => outgoing.destroy(new Error('no answer came for 60 s')))
      outgoing.on('error', reject)
      outgoing.on('response', (message) => {
        let text = ''
        message.setEncoding('utf8')
        message.on('data', (chunk: string) => {
          text += chunk
        })
        message.on('error', reject)
        message.on('end', () => {
          const header = (name: string) => message.headers[name]?.toString()
          resolve({ status: message.statusCode ?? 0, body: text, header })
        })
      })
      for (let at = 0; at < body.length; at += 60_000) outgoing.write(body.slice(at, at + 60_000))
      outgoing.end()
    })
  }

  /** What has landed, by key. */
  async landed(): Promise<ReadonlyMap<string, readonly Landing[]>> {
    const { rows } = await this.world.admin.query<Landing & { key: string }>('select key, digest, region from landing')
    const found = new Map<string, Landing[]>()
    for (const { key, ...landing } of rows) found.set(key, [...(found.get(key) ?? []), landing])
    return found
  }

  /** Stops the app of the primary's region while `work` runs; its database goes on. */
  async withoutPrimaryApp<Result>(work: () => Promise<Result>): Promise<Result> {
    await close(this.#servers.ams)
    try {
      return await work()
    } finally {
      this.#servers.ams.listen(this.#primaryPort, '127.0.0.1')
      await once(this.#servers.ams, 'listening')
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#edge[Symbol.asyncDispose]()
    await Promise.all([close(this.#servers.ams), close(this.#servers.nrt)])
    await this.world[Symbol.asyncDispose]()
  }
}

async function start(pool: RoutedPool, region: string, edge: Edge, primary: number): Promise<Server> {
  const insert = (key: string, body: string) => pool.query(INSERT, [key, digestOf(body), region])
  const endpoint = (path: string, handle: Endpoint['handle']): Endpoint => ({ path, isStreamed: false, handle })
  const endpoints = [
    endpoint('/write', async ({ body }) => void (await insert(keyIn(body), body))),
    endpoint('/read', async () => (await pool.query('select who from server')).rows[0]?.who),
    endpoint('/visit', async ({ body }) => void (await insert(body, body))),
    // Dies behind its COMMIT: nobody gets an answer.
    endpoint('/die', async ({ body }) => {
      await insert(keyIn(body), body)
      server.closeAllConnections()
    }),
  ]
  const target = edge.target(primary)
  const options = { pool, secret: SECRET, earlyReplay: true, replayTarget: target, token: false } as const
  const server = frontOf(options, endpoints)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

/** A body begins with its key. */
const keyIn = (body: string): string => body.slice(0, 24)

const portOf = (server: Server): number => (server.address() as AddressInfo).port

async function close(server: Server): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve))
  server.closeAllConnections()
  await closed
}

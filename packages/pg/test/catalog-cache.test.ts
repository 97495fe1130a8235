import { EventEmitter, once } from 'node:events'
import { createServer } from 'node:net'
import { classify, type Knowledge } from '@headwater/core/internal'
import pg from 'pg'
import { expect, it, onTestFinished } from 'vitest'
import { CatalogCache, type CatalogCacheOptions } from '../src/catalog/cache.ts'
import { CATALOG_STATE } from '../src/catalog/fingerprint.ts'
import { readCatalog } from '../src/catalog/load.ts'
import type { OwnConnection } from '../src/driver/own-connection.ts'
import { openOwnConnection } from '../src/driver/own-connection.ts'

const STATE = { rows: [{ fingerprint: 'none', lsn: '0/1' }] }

/** An empty database whose answer the test gives when it wants to; counts what is opened and what is ended. */
class Server {
  opened = 0
  ended = 0
  clock = 0
  readonly primaryOnly: boolean[] = []
  readonly known: Knowledge[] = []
  readonly failures: unknown[] = []
  #answers: (() => void)[] = []
  failure: Error | undefined
  /** It makes no connection: it only names the server. */
  readonly #pool = new pg.Pool()

  cache(options: Partial<CatalogCacheOptions> = {}): CatalogCache {
    return new CatalogCache({
      open: (_signal, isPrimaryOnly) => {
        this.primaryOnly.push(isPrimaryOnly)
        return this.#open()
      },
      read: readCatalog,
      onKnowledge: (knowledge) => this.known.push(knowledge),
      onFailure: (error) => this.failures.push(error),
      now: () => this.clock,
      ...options,
    })
  }

  async answer(): Promise<void> {
    await settled()
    for (const answer of this.#answers.splice(0)) answer()
    await settled()
  }

  async #open(): Promise<OwnConnection> {
    this.opened += 1
    if (this.failure !== undefined) throw this.failure
    const connection = new EventEmitter()
    const terminated = once(connection, 'end').then(() => Promise.reject(new Error('Connection terminated')))
    terminated.catch(() => undefined)
    const answered = new Promise<{ rows: readonly unknown[] }>((resolve) => {
      this.#answers.push(() => resolve({ rows: [] }))
    })
    let isEnded = false
    return {
      pool: this.#pool,
      isOwnProcess: () => true,
      query: (text) => (text === CATALOG_STATE ? Promise.resolve(STATE) : Promise.race([answered, terminated])),
      end: async () => {
        if (isEnded) return
        isEnded = true
        this.ended += 1
        connection.emit('end')
      },
    }
  }
}

const settled = () => new Promise((resolve) => setImmediate(resolve))

it('loads once, at the first statement, however many come', async () => {
  const server = new Server()
  const cache = server.cache()
  expect(server.opened).toBe(0)
  for (let count = 0; count < 100; count++) cache.touch()
  await server.answer()
  cache.touch()
  expect(server).toMatchObject({ opened: 1, ended: 1 })
  expect(server.known).toHaveLength(1)
})

it('reads again when it is old', async () => {
  const server = new Server()
  const cache = server.cache({ refreshAfterMillis: 1000 })
  cache.touch()
  await server.answer()
  server.clock = 999
  cache.touch()
  expect(server.opened).toBe(1)
  server.clock = 1000
  cache.touch()
  await server.answer()
  expect(server.opened).toBe(2)
  expect(server.known).toHaveLength(2)
})

it('reads again when it is doubted, but not at every doubt', async () => {
  const server = new Server()
  const cache = server.cache()
  cache.touch()
  await server.answer()
  for (let count = 0; count < 10; count++) cache.doubt()
  expect(server.opened).toBe(1)
  server.clock = 5000
  cache.touch()
  cache.doubt()
  await server.answer()
  expect(server.opened).toBe(2)
  // The doubt that came while it was reading may be newer than what was read.
  server.clock = 10_000
  cache.touch()
  await server.answer()
  expect(server.opened).toBe(3)
  server.clock = 100_000
  cache.touch()
  expect(server.opened).toBe(3)
})

it('R1: reads again for a name that it does not have, less often each time that the name is still missing', async () => {
  const server = new Server()
  const cache = server.cache()
  cache.touch()
  await server.answer()
  const starts: number[] = []
  for (server.clock = 1000; server.clock < 3_600_000; server.clock += 500) {
    const before = server.opened
    for (const name of ['nowhere', undefined]) cache.miss(name)
    await server.answer()
    if (server.opened > before) starts.push(server.clock)
  }
  // After 5 s, 10 s, and so on up to ten minutes, when it is read again anyway.
  expect(starts.slice(0, 4)).toEqual([5000, 10_000, 16_000, 36_000])
  expect(starts.length).toBeLessThanOrEqual(20)
  cache.miss('another')
  await server.answer()
  expect(server.opened).toBe(starts.length + 2)
})

it('R1: however many names it does not have, it is read again at most once in five seconds', async () => {
  const server = new Server()
  const cache = server.cache()
  cache.touch()
  await server.answer()
  for (; server.clock < 60_000; server.clock += 10) {
    cache.miss(`name_${server.clock}`)
    await server.answer()
  }
  expect(server.opened).toBe(1 + 11)
})

it('R1: is outdated from the first change of the schema until all changes have ended and it was read again', async () => {
  const server = new Server()
  const cache = server.cache()
  cache.touch()
  await server.answer()
  server.clock = 10_000
  expect(cache.isOutdated).toBe(false)
  cache.changeSent()
  cache.changeSent()
  cache.changeEnded()
  cache.touch()
  await server.answer()
  expect(server.opened).toBe(1)
  cache.changeEnded()
  expect(cache.isOutdated).toBe(true)
  await settled()
  // One that comes while it is being read may not be in it.
  cache.changeSent()
  cache.changeEnded()
  await server.answer()
  expect(cache.isOutdated).toBe(true)
  server.clock = 10_999
  cache.touch()
  expect(server.opened).toBe(2)
  server.clock = 11_000
  cache.miss('any')
  await server.answer()
  expect(cache.isOutdated).toBe(false)
  // The first is read on the local replica, and from the first change on all of them at the primary.
  expect(server.primaryOnly).toEqual([false, true, true])
})

it('a refresh on demand joins the load that is running', async () => {
  const server = new Server()
  const cache = server.cache()
  cache.touch()
  const [one, two] = [cache.refresh(), cache.refresh()]
  await server.answer()
  expect(await one).toBe(await two)
  expect(server.opened).toBe(1)
})

it('after each failure it waits longer, reports it, and tries again by itself', async () => {
  const server = new Server()
  const cache = server.cache()
  server.failure = new Error('permission denied')
  const starts: number[] = []
  for (; server.clock < 60_000; server.clock += 100) {
    const before = server.opened
    cache.touch()
    cache.doubt()
    if (server.opened > before) starts.push(server.clock)
    await settled()
  }
  expect(starts.length).toBeGreaterThanOrEqual(5)
  expect(starts.length).toBeLessThanOrEqual(8)
  expect(server.failures).toEqual(starts.map(() => server.failure))
  server.failure = undefined
  server.clock += 300_000
  cache.touch()
  await server.answer()
  expect(server.known).toHaveLength(1)
})

it('overrides hold from the start, and are checked', async () => {
  const server = new Server()
  server.cache({ functions: { 'audit.touch': 'write' } })
  const [known] = server.known
  expect(classify('select audit.touch()', known)).toMatchObject({ access: 'write', reason: 'override' })
  expect(() => server.cache({ functions: { x: 'maybe' as 'read' } })).toThrow('option functions["x"]')
})

it('X5: its end stops a load that is running, and starts no other', async () => {
  const server = new Server()
  const cache = server.cache()
  cache.touch()
  const loading = cache.refresh()
  await settled()
  await cache.end()
  await expect(loading).rejects.toThrow('the pool has ended')
  cache.touch()
  cache.doubt()
  await expect(cache.refresh()).rejects.toThrow('the pool has ended')
  expect(server).toMatchObject({ opened: 1, ended: 1, known: [], failures: [] })
})

it('X5: its end leaves no socket to a server that never answers', async () => {
  const silent = createServer()
  const connected = new Promise<void>((resolve) => silent.once('connection', () => resolve()))
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void silent.close())
  const address = silent.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const pool = new pg.Pool({ host: '127.0.0.1', port, user: 'nobody', database: 'none' })
  const server = new Server()
  const cache = server.cache({ open: (signal) => openOwnConnection([pool], signal) })
  cache.touch()
  await connected
  await cache.end()
  await expect.poll(() => new Promise((resolve) => silent.getConnections((_error, count) => resolve(count)))).toBe(0)
  await pool.end()
})

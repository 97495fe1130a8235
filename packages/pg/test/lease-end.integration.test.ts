import { currentScope } from '@headwater/core'
import { inRequest, World } from '@headwater/test-world'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'

let world: World
beforeAll(async () => {
  world = await World.start()
})
afterAll(() => world[Symbol.asyncDispose]())

const SETUPS = [
  {
    name: 'bare pg.Pool at the primary',
    make: () => {
      const bare = new pg.Pool({ connectionString: world.cluster.primary.url, max: 1 })
      bare.on('error', () => undefined)
      return bare
    },
  },
  { name: 'RoutedPool', make: () => world.pool('ams', { max: 1 }) },
] as const

const SLEEP = 'select pg_sleep(20)'
const ENDINGS = [
  ['release(true)', (client: pg.PoolClient) => client.release(true)],
  ['release(error)', (client: pg.PoolClient) => client.release(new Error('the app gave up'))],
  ['end()', (client: pg.PoolClient) => Reflect.apply(Reflect.get(client, 'end'), client, [])],
] as const

describe.each(SETUPS)('X5, R10: $name', ({ make }) => {
  let pool: pg.Pool
  beforeEach(() => {
    pool = make()
  })
  afterEach(async () => {
    if (!pool.ending) await pool.end()
  })

  it.each(ENDINGS)('%s aborts running and queued queries, and frees the place', async (_name, end) => {
    for (const before of [undefined, 'begin; select 1', "insert into note (body) values ('x')"]) {
      const client = await pool.connect()
      client.on('error', () => undefined)
      if (before !== undefined) await client.query(before)
      const since = performance.now()
      const running = client.query(SLEEP).catch((error: unknown) => error)
      const queued = client.query("insert into note (body) values ('queued')").catch((error: unknown) => error)
      await new Promise((resolve) => setTimeout(resolve, 100))
      await end(client)
      expect(await running).toMatchObject({ message: 'Connection terminated' })
      expect(await queued).toBeInstanceOf(Error)
      if (_name === 'end()') client.release()
      expect((await pool.query('select 1 as n')).rows).toEqual([{ n: 1 }])
      expect(performance.now() - since).toBeLessThan(5_000)
    }
    expect(await world.notes('queued')).toBe(0)
  })

  it('a client that was ended rejects, and can be released once', async () => {
    const client = await pool.connect()
    await client.query('select 1')
    await Reflect.apply(Reflect.get(client, 'end'), client, [])
    await expect(client.query('select 1')).rejects.toThrow('Client was closed and is not queryable')
    client.release()
    expect(() => client.release()).toThrow('already been released')
    await expect.poll(() => pool.totalCount).toBe(0)
  })

  it('release() while a query runs lets it end', async () => {
    const client = await pool.connect()
    const running = client.query('select 1 as n from pg_sleep(0.2)')
    client.release()
    expect((await running).rows).toEqual([{ n: 1 }])
  })

  it('pool.end() serves leased clients until they are released, and ends then', async () => {
    const client = await pool.connect()
    let isEnded = false
    const ended = pool.end().then(() => {
      isEnded = true
    })
    expect((await client.query('select 1 as n')).rows).toEqual([{ n: 1 }])
    await client.query('begin')
    await client.query("insert into note (body) values ('after the end')")
    await client.query('rollback')
    await expect(pool.connect()).rejects.toThrow('after calling end')
    expect(isEnded).toBe(false)
    client.release()
    await ended
    expect(pool.totalCount).toBe(0)
  })
})

describe('X5: a lease that is closed', () => {
  it('while it waits for a connection rejects at once, and its place stays free', async () => {
    const pool = world.pool('ams', { max: 1, connectionTimeoutMillis: 0 })
    const holder = await pool.connect()
    await holder.query("insert into note (body) values ('holds the only one')")
    const client = await pool.connect()
    const waiting = client.query("insert into note (body) values ('waited')").catch((error: unknown) => error)
    await expect.poll(() => pool.waitingCount).toBe(1)
    client.release(true)
    expect(await waiting).toMatchObject({ message: 'Connection terminated' })
    holder.release()
    await pool.query("insert into note (body) values ('next')")
    expect(await world.notes('waited')).toBe(0)
    await expect.poll(() => pool.idleCount).toBe(pool.totalCount)
  })

  it('in the middle of a read on a replica asks for no replay, and reads nowhere else', async () => {
    const pool = world.pool('nrt')
    await inRequest(pool, async () => {
      for (const before of ['select 1', 'begin']) {
        const client = await pool.connect()
        await client.query(before)
        const running = client.query(SLEEP).catch((error: unknown) => error)
        await new Promise((resolve) => setTimeout(resolve, 100))
        client.release(true)
        expect(await running).toMatchObject({ message: 'Connection terminated' })
        expect(currentScope()?.replay).toBeUndefined()
      }
    })
    await expect.poll(() => pool.totalCount).toBe(0)
  })
})

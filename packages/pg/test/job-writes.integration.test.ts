import { getToken, OptionsInvalid, runInScope, runWithToken, Scope, withConsistency } from '@headwater/core'
import { inJob, inRequest, World, who } from '@headwater/test-world'
import type pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { RoutedPool, RoutedPoolOptions } from '../src/index.ts'

let world: World

beforeAll(async () => {
  world = await World.start()
})
afterAll(() => world[Symbol.asyncDispose]())
beforeEach(() => comeHome())

const INSERT = 'insert into note (body) values ($1)'
const COUNT = 'select count(*)::int as n from note where body = $1'
const SECRET = 'a secret that is long enough'

async function comeHome(): Promise<void> {
  await world.replica().resumeReplay()
  await world.cluster.waitUntilCaughtUp()
}

let made = 0
const newBody = (): string => `job ${++made}`

async function count(target: Pick<pg.Pool, 'query'>, body: string): Promise<number> {
  return (await target.query<{ n: number }>(COUNT, [body])).rows[0]?.n ?? -1
}

/** A pool that has read from the replica, which then stands still. */
async function behind(region: 'ams' | 'nrt' = 'ams', options?: RoutedPoolOptions): Promise<RoutedPool> {
  const pool = await world.informedPool(region, options)
  await expect.poll(() => who(pool), { timeout: 5000 }).toBe('nrt')
  await world.replica().pauseReplay()
  return pool
}

describe.each(['ams', 'nrt'] as const)('R4: a job in %s comes home', (region) => {
  test('R4: its reads stay at the primary until the replica has what it wrote, and return then', async () => {
    const pool = await behind(region)
    await inJob(async () => {
      const body = newBody()
      await pool.query(INSERT, [body])
      for (let round = 0; round < 5; round += 1) {
        expect([await who(pool), await count(pool, body)]).toEqual(['primary', 1])
      }
      await comeHome()
      await expect.poll(() => who(pool), { timeout: 5000 }).toBe('nrt')
      expect(await count(pool, body)).toBe(1)
    })
  })

  test('R4: the next write takes them to the primary again', async () => {
    const pool = await world.informedPool(region)
    await inJob(async () => {
      await pool.query(INSERT, [newBody()])
      await expect.poll(() => who(pool), { timeout: 5000 }).toBe('nrt')
      await world.replica().pauseReplay()
      const body = newBody()
      await pool.query(INSERT, [body])
      for (let round = 0; round < 3; round += 1) expect(await count(pool, body)).toBe(1)
    })
  })

  test('R4, F5: a job with a token comes home too, and sees what it read', async () => {
    const pool = await behind(region)
    const body = newBody()
    const token = await inJob(async () => {
      await pool.query(INSERT, [body])
      return await getToken({ secret: SECRET })
    })
    const job = async () => {
      expect(await count(pool, body)).toBe(1)
      expect(await who(pool)).toBe('primary')
      await comeHome()
      await expect.poll(() => who(pool), { timeout: 5000 }).toBe('nrt')
      expect(await count(pool, body)).toBe(1)
    }
    await runWithToken(token, job, { secret: SECRET })
  })
})

describe('R4: what does not change', () => {
  test('R4: a request that has written reads at the primary to its end', async () => {
    const pool = await world.informedPool('ams')
    await inRequest(pool, async () => {
      await pool.query(INSERT, [newBody()])
      await world.cluster.waitUntilCaughtUp()
      expect(await pool.caughtUp()).toBe(true)
      for (let round = 0; round < 3; round += 1) expect(await who(pool)).toBe('primary')
    })
  })

  test('R4: a write that is under way beside it keeps a job’s reads at the primary', async () => {
    const pool = await world.informedPool('ams')
    await inJob(async () => {
      const client = await pool.connect()
      await client.query('begin')
      await client.query(INSERT, [newBody()])
      for (let round = 0; round < 3; round += 1) expect(await who(pool)).toBe('primary')
      expect(await pool.caughtUp()).toBe(false)
      await client.query('commit')
      client.release()
      await expect.poll(() => who(pool), { timeout: 5000 }).toBe('nrt')
    })
  })

  test('R4: a job whose reads are bounded sees its writes all the same', async () => {
    const pool = await behind()
    await inJob(async () => {
      const body = newBody()
      await pool.query(INSERT, [body])
      for (let round = 0; round < 5; round += 1)
        expect(await withConsistency('bounded', () => count(pool, body))).toBe(1)
    })
  })

  test('R4: a delayed job that has begun to write goes on at the primary', async () => {
    const pool = await behind()
    const token = await inJob(async () => {
      await world.replica().resumeReplay()
      await pool.query(INSERT, [newBody()])
      return await getToken({ secret: SECRET })
    })
    await comeHome()
    const job = async () => {
      await expect.poll(() => who(pool), { timeout: 5000 }).toBe('nrt')
      await world.replica().pauseReplay()
      const body = newBody()
      await pool.query(INSERT, [body])
      for (let round = 0; round < 5; round += 1) expect(await count(pool, body)).toBe(1)
    }
    await runWithToken(token, job, { secret: SECRET, level: 'delayed' })
  })
})

describe('R4, R9: caughtUp()', () => {
  const places: [string, (fn: () => Promise<void>) => Promise<void>][] = [
    ['in a job', inJob],
    ['outside any scope', (fn) => fn()],
  ]

  test.each(places)(
    'R4, R9: %s it is false while the replica stands still, and true once it has the writes',
    async (_name, run) => {
      const pool = await behind('nrt')
      await run(async () => {
        const body = newBody()
        await pool.query(INSERT, [body])
        const startedAt = performance.now()
        expect(await pool.caughtUp({ timeoutMillis: 100 })).toBe(false)
        expect(performance.now() - startedAt).toBeGreaterThan(90)
        const waiting = pool.caughtUp()
        await comeHome()
        expect(await waiting).toBe(true)
        expect([await who(pool), await count(pool, body)]).toEqual(['nrt', 1])
      })
    },
  )

  test('R4: many writes and waits in one long scope: each is seen next door', async () => {
    const pool = await world.informedPool('nrt')
    await runInScope(new Scope(), async () => {
      for (let round = 0; round < 10; round += 1) {
        const body = newBody()
        await pool.query(INSERT, [body])
        expect(await pool.caughtUp()).toBe(true)
        expect([await who(pool), await count(pool, body)]).toEqual(['nrt', 1])
      }
    })
  })

  test('R4: there is nothing to wait for where nothing was written, and where there is no replica', async () => {
    const pool = await behind()
    expect(await inJob(() => pool.caughtUp())).toBe(true)
    const alone = world.pool('ams', { replicas: [] })
    await inJob(async () => {
      await alone.query(INSERT, [newBody()])
      expect(await alone.caughtUp()).toBe(true)
    })
  })

  test('R4: a time that is none is refused', async () => {
    await expect(world.pool('ams').caughtUp({ timeoutMillis: -1 })).rejects.toThrow(OptionsInvalid)
  })
})

import { setTimeout as sleep } from 'node:timers/promises'
import {
  diagnostics,
  type FreshnessEvent,
  HeadwaterError,
  PrimaryBusy,
  PrimaryUnavailable,
  runInScope,
} from '@headwater/core'
import { errorOf, inRequest, requestScope, World, who } from '@headwater/test-world'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RoutedPool, RoutedPoolOptions } from '../src/index.ts'

let world: World
beforeAll(async () => {
  world = await World.start({ replicas: ['nrt', 'nrt-2'] })
})
afterAll(() => world[Symbol.asyncDispose]())

/** A pool at home, with both replicas next door. */
const poolWith = (options: RoutedPoolOptions = {}) =>
  world.pool('ams', { connectionTimeoutMillis: undefined, catalog: false, ...options })

/** How many such reads the primary has at once, at most, until `done`. */
async function mostAtPrimary(done: Promise<unknown>): Promise<number> {
  let most = 0
  let isDone = false
  void done.finally(() => {
    isDone = true
  })
  const count =
    "select count(*)::int as n from pg_stat_activity where state = 'active' and wait_event = 'PgSleep' and query like 'select who, pg_sleep%'"
  while (!isDone) {
    const { rows } = await world.admin.query<{ n: number }>(count)
    most = Math.max(most, rows[0]?.n ?? 0)
    await sleep(5)
  }
  await done
  return most
}

const slowRead = async (pool: RoutedPool, seconds: number): Promise<string> =>
  (await pool.query<{ who: string }>(`select who, pg_sleep(${seconds}) from server`)).rows[0]?.who ?? ''

describe('X3: with every replica gone', () => {
  beforeAll(() => Promise.all(world.cluster.replicas.map((replica) => replica.kill())))
  afterAll(() => Promise.all(world.cluster.replicas.map((replica) => replica.start())))

  it('X3: reads have half of the primary’s connections, the others wait their turn, all are answered, and writes pass by', async () => {
    const pool = poolWith()
    expect(await who(pool)).toBe('primary')
    const reads = Promise.all(Array.from({ length: 40 }, () => slowRead(pool, 0.05)))
    await sleep(50)
    const startedAt = performance.now()
    await inRequest(pool, () => pool.query("insert into note (body) values ('beside the reads')"))
    const took = performance.now() - startedAt
    expect(await mostAtPrimary(reads)).toBeLessThanOrEqual(5)
    expect(new Set(await reads)).toEqual(new Set(['primary']))
    // In a queue with the reads it would have been the last of them.
    expect(took).toBeLessThan(300)
  })

  it('X3: what waits too long is a PrimaryBusy: 503, retry later, and in a request its refusal', async () => {
    const pool = poolWith({ primaryReads: { share: 0.1, waitMillis: 100 } })
    await who(pool)
    const first = slowRead(pool, 1)
    await sleep(50)
    const scope = requestScope(pool)
    const startedAt = performance.now()
    const error = await errorOf(runInScope(scope, () => who(pool)))
    expect(performance.now() - startedAt).toBeGreaterThan(90)
    expect(error).toBeInstanceOf(PrimaryBusy)
    expect(error).toBeInstanceOf(PrimaryUnavailable)
    expect(error).toBeInstanceOf(HeadwaterError)
    expect(error).toMatchObject({
      code: 'HEADWATER_PRIMARY_BUSY',
      status: 503,
      retryable: true,
      headers: { 'retry-after': '1', 'cache-control': 'no-store' },
    })
    expect(scope.refusal).toBe(error)
    expect(await first).toBe('primary')
    expect(await who(pool)).toBe('primary')
  })

  it('X3: a lease holds its place as long as its connection, and a read that must be there needs none', async () => {
    const pool = poolWith({ primaryReads: { share: 0.1, waitMillis: 0 } })
    const client = await pool.connect()
    expect(await who(client)).toBe('primary')
    expect(await errorOf(who(pool))).toBeInstanceOf(PrimaryBusy)
    await inRequest(pool, async () => {
      await pool.query("insert into note (body) values ('mine')")
      expect(await who(pool)).toBe('primary')
    })
    client.release()
    await expect.poll(() => who(pool).catch(() => '')).toBe('primary')
  })

  it('X3: a share of 1 is no limit but the pool’s own', async () => {
    const pool = poolWith({ primaryReads: { share: 1 } })
    await who(pool)
    const reads = Promise.all(Array.from({ length: 20 }, () => slowRead(pool, 0.2)))
    expect(await mostAtPrimary(reads)).toBeGreaterThan(5)
  })

  it('X3: where no replica was configured, reads at the primary have no limit', async () => {
    const pool = poolWith({ replicas: [], primaryReads: { share: 0.1, waitMillis: 0 } })
    const reads = Promise.all(Array.from({ length: 10 }, () => slowRead(pool, 0.1)))
    expect(new Set(await reads)).toEqual(new Set(['primary']))
  })

  it('X5: end() tells the reads that wait', async () => {
    const pool = poolWith({ primaryReads: { share: 0.1, waitMillis: 60_000 } })
    await who(pool)
    const first = slowRead(pool, 0.3)
    await sleep(50)
    const waiting = errorOf(who(pool))
    await pool.end()
    expect(await waiting).toMatchObject({ message: expect.stringContaining('after calling end') })
    expect(await first).toBe('primary')
  })
})

describe('F6: while every replica lags more than maxLag', () => {
  beforeAll(async () => {
    await world.cluster.waitUntilCaughtUp()
    for (const replica of world.cluster.replicas) await replica.pauseReplay()
    await world.admin.query("insert into note (body) values ('not replayed')")
  })
  afterAll(() => Promise.all(world.cluster.replicas.map((replica) => replica.resumeReplay())))

  /** Once it knows that all of them lag. */
  async function late(options: RoutedPoolOptions): Promise<RoutedPool> {
    const pool = poolWith({ maxLag: { bytes: 0 }, ...options })
    await pool.query('select 1')
    const isKnown = () => pool.status().servers.every(({ name, lagBytes }) => name === 'primary' || (lagBytes ?? 0) > 0)
    await expect.poll(isKnown, { timeout: 5000 }).toBe(true)
    return pool
  }

  it('F6: by default none is read from, and the primary answers no more at once than it may', async () => {
    const pool = await late({ primaryReads: { share: 0.3 } })
    const reads = Promise.all(Array.from({ length: 20 }, () => slowRead(pool, 0.05)))
    expect(await mostAtPrimary(reads)).toBeLessThanOrEqual(3)
    expect(new Set(await reads)).toEqual(new Set(['primary']))
  })

  it('F6: `stale` answers next door, and warns once; what a client has seen is never answered late', async () => {
    const warnings: string[] = []
    const events: FreshnessEvent[] = []
    const listen = (event: unknown) => void events.push(event as FreshnessEvent)
    const pool = await late({
      allLate: 'stale',
      logger: { info: () => undefined, warn: (message: string) => warnings.push(message) },
    })
    diagnostics.freshness.subscribe(listen)
    for (let n = 0; n < 10; n += 1) expect(await who(pool)).toMatch(/^nrt/)
    diagnostics.freshness.unsubscribe(listen)
    expect(events.map(({ outcome, reason }) => [outcome, reason])).toEqual(events.map(() => ['late', 'lagging']))
    const told = warnings.filter((warning) => warning.includes('HEADWATER_ALL_LATE'))
    expect(told).toHaveLength(1)
    expect(told[0]).toContain('maxLag (0 bytes)')

    const scope = requestScope(pool, { isWanted: true })
    await runInScope(scope, () => pool.query("insert into note (body) values ('read your writes')"))
    const minPosition = await scope.session.capturePosition()
    const client = requestScope(pool, { minPosition })
    const { rows } = await runInScope(client, () => pool.query("select 1 from note where body = 'read your writes'"))
    expect(rows).toHaveLength(1)
  })

  it('F6: `share` answers at the primary while that has a place, and the others late', async () => {
    const pool = await late({ allLate: 'share', lateLimit: { bytes: 100_000_000 }, primaryReads: { share: 0.2 } })
    expect(await who(pool)).toBe('primary')
    const answers = await Promise.all(Array.from({ length: 20 }, () => slowRead(pool, 0.1)))
    const atPrimary = answers.filter((name) => name === 'primary').length
    expect(atPrimary).toBeGreaterThan(0)
    expect(atPrimary).toBeLessThanOrEqual(4)
  })

  it('F6: away from home `share` has a share of the requests replayed, and a request goes one way', async () => {
    const replicas = world.cluster.replicas.map(({ url }) => ({ region: 'nrt', connectionString: url }))
    const pool = await late({ region: 'nrt', replicas, allLate: 'share', lateLimit: { bytes: 100_000_000 } })
    const ways = await Promise.all(
      Array.from({ length: 40 }, () =>
        inRequest(pool, async () => [await who(pool), await who(pool)]).catch(() => 'replayed'),
      ),
    )
    const replayed = ways.filter((way) => way === 'replayed').length
    expect(replayed).toBeGreaterThan(14)
    expect(replayed).toBeLessThan(26)
  })

  it('F6: beyond lateLimit nothing is answered late', async () => {
    const pool = await late({ allLate: 'stale', lateLimit: { bytes: 1 } })
    for (let n = 0; n < 4; n += 1) expect(await who(pool)).toBe('primary')
  })
})

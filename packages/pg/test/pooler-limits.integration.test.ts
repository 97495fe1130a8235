import { HeadwaterError, PrimaryUnavailable } from '@headwater/core'
import {
  hasPgBouncer,
  inRequest,
  PgBouncer,
  pgBouncers,
  untilCatalogIsRead,
  WHO,
  World,
  who,
} from '@headwater/test-world'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RoutedPool, RoutedPoolOptions } from '../src/index.ts'

let world: World
beforeAll(async () => {
  world = await World.start({ replicas: ['nrt', 'nrt-2'] })
})
afterAll(() => world[Symbol.asyncDispose]())

/** It takes a minute: `pnpm poolers`. */
const isWhole = process.env['HEADWATER_PGBOUNCER'] !== undefined
if (!isWhole) console.warn('skipped: what a pooler that is short of everything does, which `pnpm poolers` runs')
const note = (pool: RoutedPool, body: string) => pool.query('insert into note (body) values ($1)', [body])

const throughAt = (pooler: PgBouncer, region: 'ams' | 'nrt', options: RoutedPoolOptions = {}): RoutedPool =>
  world.pool(region, {
    pooler: 'transaction',
    primary: { region: 'ams', connectionString: pooler.url('home') },
    replicas: [
      { region, connectionString: pooler.url('replica') },
      { region, connectionString: world.replica(1).url, pooler: 'none' },
    ],
    promotionWaitMillis: 1_000,
    ...options,
  })

const open = (settings: Readonly<Record<string, string>>, command: (typeof pgBouncers)[number]) =>
  PgBouncer.start({ home: world.cluster.primary, replica: world.replica(0) }, settings, command)

/** What writes came to: how many were done, and the errors of the others. */
async function outcomesOf(writes: readonly Promise<unknown>[]) {
  const settled = await Promise.allSettled(writes)
  const errors = settled.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []))
  return { done: settled.length - errors.length, errors }
}

describe.skipIf(!hasPgBouncer || !isWhole).each(pgBouncers)('PgBouncer $version, short of everything', (command) => {
  it('X2, X3: max_client_conn: no read fails, and a write is done or typed, never half', async () => {
    await using pooler = await open({ pool_mode: 'transaction', max_client_conn: '5' }, command)
    const pool = throughAt(pooler, 'nrt')
    await untilCatalogIsRead(pool)
    for (let n = 0; n < 5; n += 1) {
      const reads = await Promise.allSettled(Array.from({ length: 20 }, () => pool.query(WHO)))
      expect(reads.filter(({ status }) => status === 'rejected')).toEqual([])
    }
    await pool.end()
    const home = throughAt(pooler, 'ams')
    const body = `client ${command.version}`
    const { done, errors } = await outcomesOf(Array.from({ length: 20 }, () => note(home, body)))
    for (const error of errors) expect(error).toBeInstanceOf(HeadwaterError)
    expect(done).toBeGreaterThan(0)
    expect(await world.notes(body)).toBe(done)
    await home.end()
  }, 60_000)

  it('X2, X9: query_wait_timeout: reads go elsewhere, what never got a server is not written, and is said to be so', async () => {
    await using pooler = await open(
      { pool_mode: 'transaction', default_pool_size: '1', query_wait_timeout: '1' },
      command,
    )
    const [away, home] = [throughAt(pooler, 'nrt'), throughAt(pooler, 'ams')]
    await untilCatalogIsRead(away)
    await note(home, 'first')
    // Another app has the only session of each.
    const holders = ['home', 'replica'].map((database) => new pg.Client(pooler.url(database)))
    for (const holder of holders) {
      holder.on('error', () => undefined)
      await holder.connect()
      await holder.query('begin')
    }
    const reads = await Promise.allSettled(Array.from({ length: 12 }, () => away.query(WHO)))
    expect(reads.filter(({ status }) => status === 'rejected')).toEqual([])
    const body = `waiting ${command.version}`
    const { errors } = await outcomesOf(Array.from({ length: 4 }, () => inRequest(home, () => note(home, body))))
    expect(errors).toHaveLength(4)
    for (const error of errors) expect(error).toBeInstanceOf(HeadwaterError)
    for (const holder of holders) await holder.end()
    await expect
      .poll(
        () =>
          note(home, body).then(
            () => true,
            () => false,
          ),
        { timeout: 20_000 },
      )
      .toBe(true)
    expect(await world.notes(body)).toBe(1)
    await expect.poll(() => who(away), { timeout: 20_000 }).toBe('nrt')
    await Promise.all([away.end(), home.end()])
  }, 60_000)

  it('X6, X9: PAUSE of the primary: nothing is written that was said not to be, and RESUME ends it', async () => {
    await using pooler = await open({ pool_mode: 'transaction' }, command)
    const home = throughAt(pooler, 'ams', { suspectAfterMillis: 200 })
    await note(home, 'before the pause')
    await pooler.tell('PAUSE home')
    const body = `paused ${command.version}`
    const { errors } = await outcomesOf(Array.from({ length: 4 }, () => note(home, body)))
    expect(errors).toHaveLength(4)
    for (const error of errors) expect(error).toBeInstanceOf(HeadwaterError)
    await expect(note(home, body)).rejects.toBeInstanceOf(PrimaryUnavailable)
    await pooler.tell('RESUME home')
    await expect
      .poll(
        () =>
          note(home, 'after the pause').then(
            () => true,
            () => false,
          ),
        { timeout: 20_000 },
      )
      .toBe(true)
    expect(await world.notes(body)).toBe(0)
    await home.end()
  }, 60_000)

  it('X2: a login that the pooler refuses: reads go elsewhere, and a write gets its error at once, not a wait', async () => {
    await using pooler = await open({ pool_mode: 'transaction' }, command)
    const stranger = (database: string) => pooler.url(database).replace('postgres@', 'stranger:wrong@')
    const pool = throughAt(pooler, 'ams', {
      primary: { region: 'ams', connectionString: stranger('home') },
      replicas: [
        { region: 'ams', connectionString: stranger('replica') },
        { region: 'ams', connectionString: world.replica(1).url, pooler: 'none' },
      ],
      promotionWaitMillis: 10_000,
    })
    for (let n = 0; n < 6; n += 1) expect(await who(pool)).toBe('nrt-2')
    const began = performance.now()
    const error = await note(pool, 'refused').catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: '08P01', message: '"trust" authentication failed' })
    expect(performance.now() - began).toBeLessThan(5_000)
    await pool.end()
  }, 60_000)

  it.each([8, 9])(
    'O4: in session mode N pools fit into default_pool_size when it is N × (max + 2): %d',
    async (max) => {
      const size = String(2 * (max + 2))
      await using pooler = await open(
        { pool_mode: 'session', default_pool_size: size, query_wait_timeout: '2', max_client_conn: '100' },
        command,
      )
      const pools = [0, 1].map(() => throughAt(pooler, 'ams', { pooler: 'session', max, promotionWaitMillis: 0 }))
      const leases = await Promise.all(
        pools.flatMap((pool) =>
          Array.from({ length: max }, async () => {
            const client = await pool.connect()
            await client.query('select 1 from note for update')
            return client
          }),
        ),
      )
      // Their watches and the readers of the catalog have sessions too, for longer than anybody may wait.
      await new Promise((resolve) => setTimeout(resolve, 3_000))
      for (const client of leases) {
        expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }])
        client.release()
      }
      for (const pool of pools) {
        expect(pool.status().servers[0]?.budget.own).toBeLessThanOrEqual(max + 2)
        await pool.end()
      }
    },
    60_000,
  )
})

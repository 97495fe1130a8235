import { hasPgBouncer, PgBouncer, World } from '@headwater/test-world'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RoutedPool } from '../src/index.ts'

let world: World
beforeAll(async () => {
  world = await World.start({ replicas: [] })
})
afterAll(() => world[Symbol.asyncDispose]())

/** `pnpm poolers` runs all of them. */
const MODES = ['session', 'transaction', ...(process.env['HEADWATER_PGBOUNCER'] === undefined ? [] : ['statement'])]

describe.skipIf(!hasPgBouncer).each(MODES)('behind PgBouncer in %s mode', (mode) => {
  let pooler: PgBouncer
  beforeAll(async () => {
    pooler = await PgBouncer.start({ writable: world.cluster.primary }, { pool_mode: mode })
  })
  afterAll(() => pooler[Symbol.asyncDispose]())

  it('S1, S4: nothing is prepared, no connection is shared, and two pools with many texts get their own answers', {
    timeout: 60_000,
  }, async () => {
    const primary = { region: 'ams', connectionString: pooler.url('writable') }
    const pools = [0, 1].map(() => world.pool('ams', { primary, replicas: [], max: 3, lanes: true }))
    const prepared = () => pools.map((pool) => pool.status().servers[0]?.prepared)
    const ask = async (pool: RoutedPool): Promise<void> => {
      for (let n = 0; n < 12; n += 1) {
        const { rows } = await pool.query(`select $1::int + ${n} as sum`, [n])
        expect(rows).toEqual([{ sum: 2 * n }])
        await pool.query('insert into note (body) values ($1)', ['s1'])
      }
    }
    await expect
      .poll(
        async () => {
          await Promise.all(pools.map(ask))
          return prepared().map((status) => status?.state)
        },
        { timeout: 30_000 },
      )
      .toEqual(['off', 'off'])
    expect(prepared().map((status) => status?.statements)).toEqual([0, 0])
    // A shared connection has nothing to share with either: nobody knows whose session is behind it.
    const lanes = pools.map((pool) => pool.status().servers[0]?.lanes)
    expect(lanes).toEqual(Array(2).fill({ state: 'off', why: 'not-prepared', connections: 0, reads: 0, served: 0 }))
    await Promise.all(pools.map((pool) => pool.end()))
  })
})

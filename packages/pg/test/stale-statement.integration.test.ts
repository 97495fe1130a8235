import { World } from '@headwater/test-world'
import type pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'

let world: World
beforeAll(async () => {
  world = await World.start()
})
afterAll(() => world[Symbol.asyncDispose]())
beforeEach(async () => {
  await world.change('drop table if exists thing; create table thing (a int); insert into thing values (1)')
})

const ALL = { name: 'all-things', text: 'select * from thing' }

async function migrate(): Promise<void> {
  await world.change('alter table thing add b int default 2')
}

const onClient = async <T>(pool: pg.Pool, use: (client: pg.PoolClient) => Promise<T>): Promise<T> => {
  const client = await pool.connect()
  try {
    return await use(client)
  } finally {
    client.release()
  }
}

/** At the primary and at the replica, through the pool, a client, a client in a transaction. */
const WAYS: readonly [string, (pool: pg.Pool, query: pg.QueryConfig) => Promise<pg.QueryResult>][] = [
  ['the pool', (pool, query) => pool.query(query)],
  ['a client', (pool, query) => onClient(pool, (client) => client.query(query))],
  [
    'a transaction',
    (pool, query) =>
      onClient(pool, async (client) => {
        await client.query('begin read only')
        const result = await client.query(query)
        await client.query('commit')
        return result
      }),
  ],
]

describe.each(['automatic', 'opt-in'] as const)(
  'R10: a named statement after a migration, with %s routing',
  (routing) => {
    it.each(WAYS)('through %s fails once for each connection that had it', async (_name, ask) => {
      const pool = world.pool('ams', { routing, max: 1 })
      expect((await ask(pool, ALL)).rows).toEqual([{ a: 1 }])
      await migrate()
      await expect(ask(pool, ALL)).rejects.toMatchObject({ code: '0A000', routine: 'RevalidateCachedQuery' })
      for (let n = 0; n < 3; n += 1) expect((await ask(pool, ALL)).rows).toEqual([{ a: 1, b: 2 }])
      await expect.poll(() => pool.totalCount).toBe(1)
    })
  },
)

it.each(WAYS)('R10: a named statement that its server has forgotten fails once, through %s', async (_name, ask) => {
  const pool = world.pool('ams', { routing: 'opt-in', max: 1 })
  await ask(pool, ALL)
  // What the app's own DISCARD ALL does, or somebody else's behind a pooler.
  await pool.query('deallocate all')
  await expect(ask(pool, ALL)).rejects.toMatchObject({ code: '26000' })
  for (let n = 0; n < 3; n += 1) expect((await ask(pool, ALL)).rows).toEqual([{ a: 1 }])
})

it('R10: a statement whose own text executes a name that does not exist costs no connection', async () => {
  const pool = world.pool('ams')
  const pid = async () => (await pool.query('select pg_backend_pid() as pid')).rows[0].pid
  const before = await pid()
  await expect(pool.query('execute nothing')).rejects.toMatchObject({ code: '26000' })
  expect(await pid()).toBe(before)
})

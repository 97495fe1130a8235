import { drizzle } from '@headwater/drizzle'
import { HeadwaterDialect } from '@headwater/kysely'
import { World } from '@headwater/test-world'
import { eq } from 'drizzle-orm'
import { drizzle as drizzleOverPg } from 'drizzle-orm/node-postgres'
import { integer, type PgDatabase, pgTable, text } from 'drizzle-orm/pg-core'
import { type Generated, Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { testTransaction } from 'pg-transactional-tests'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'

interface Database {
  note: { id: Generated<number>; body: string }
}
const note = pgTable('note', { id: integer().primaryKey().generatedAlwaysAsIdentity(), body: text().notNull() })

let world: World
beforeAll(async () => {
  world = await World.start()
})
afterAll(() => world[Symbol.asyncDispose]())

/** Code of an app, which takes what the app has: it writes, and reads what it wrote. */
async function withPool(pool: Pick<pg.Pool, 'query'>, body: string): Promise<number> {
  await pool.query('insert into note (body) values ($1)', [body])
  return (await pool.query('select body from note where body = $1', [body])).rows.length
}
async function withKysely(db: Kysely<Database>, body: string): Promise<number> {
  await db.insertInto('note').values({ body }).execute()
  return (await db.selectFrom('note').selectAll().where('body', '=', body).execute()).length
}
async function withDrizzle(db: PgDatabase<never>, body: string): Promise<number> {
  // A transaction of its own, which is a savepoint inside another.
  await db.transaction(async (tx) => {
    await tx.insert(note).values({ body })
  })
  return await db.$count(note, eq(note.body, body))
}

describe('R10: pg-transactional-tests, with a pg.Pool in place of the RoutedPool', () => {
  let pool: pg.Pool
  beforeAll(() => {
    testTransaction.start()
    pool = world.ending(new pg.Pool({ connectionString: world.cluster.primary.url }))
  })
  beforeEach(() => testTransaction.start())
  afterEach(() => testTransaction.rollback())
  afterAll(async () => {
    await testTransaction.rollback()
    await testTransaction.close()
    for (const body of ['pool', 'kysely', 'drizzle']) expect(await world.notes(body)).toBe(0)
  })

  test.each([1, 2])('each test sees its own rows only, time %i', async () => {
    expect(await withPool(pool, 'pool')).toBe(1)
    expect(await withKysely(new Kysely({ dialect: new PostgresDialect({ pool }) }), 'kysely')).toBe(1)
    expect(await withDrizzle(drizzleOverPg({ client: pool }) as unknown as PgDatabase<never>, 'drizzle')).toBe(1)
  })
})

describe.each(['ams', 'nrt'] as const)(
  'R5: a transaction that is rolled back by hand over a RoutedPool, in %s',
  (region) => {
    afterEach(async () => {
      for (const body of ['leased', 'trx', 'tx']) expect(await world.notes(body)).toBe(0)
    })

    test.each([1, 2])('pg: the leased client is the pool of the code under test, time %i', async () => {
      const client = await world.pool(region).connect()
      try {
        await client.query('begin read write')
        expect(await withPool(client, 'leased')).toBe(1)
      } finally {
        await client.query('rollback')
        client.release()
      }
    })

    test.each([1, 2])('Kysely: a controlled transaction is its database, time %i', async () => {
      const db = new Kysely<Database>({ dialect: new HeadwaterDialect({ pool: world.pool(region) }) })
      const trx = await db.startTransaction().setAccessMode('read write').execute()
      try {
        expect(await withKysely(trx, 'trx')).toBe(1)
      } finally {
        await trx.rollback().execute()
      }
    })

    test.each([1, 2])('Drizzle: tx is its database, and transactions inside are savepoints, time %i', async () => {
      const db = drizzle(world.pool(region))
      let seen = 0
      const rolledBack = db.transaction(async (tx) => {
        seen = await withDrizzle(tx as unknown as PgDatabase<never>, 'tx')
        tx.rollback()
      })
      await expect(rolledBack).rejects.toThrow(/[Rr]ollback/)
      expect(seen).toBe(1)
    })
  },
)

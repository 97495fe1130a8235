import { openWire, type Wire } from '@headwater/cluster'
import { OutcomeUnknown } from '@headwater/core'
import { drizzle } from '@headwater/drizzle'
import { HeadwaterDialect } from '@headwater/kysely'
import { ONCE_ONLY_MIGRATION, onceOnly, RoutedPool } from '@headwater/pg'
import { errorOf, World } from '@headwater/test-world'
import { sql as drizzleSql } from 'drizzle-orm'
import { Kysely, sql as kyselySql } from 'kysely'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'

const RETRIES = 40

let world: World
let wire: Wire
beforeAll(async () => {
  world = await World.start({
    replicas: [],
    schema: `create table payment (id text, payload jsonb);${ONCE_ONLY_MIGRATION}`,
  })
  // A migration may run again.
  await world.admin.query(ONCE_ONLY_MIGRATION)
  wire = await openWire(world.cluster.primary)
})
afterAll(async () => {
  await wire?.[Symbol.asyncDispose]()
  await world?.[Symbol.asyncDispose]()
})
beforeEach(async () => {
  await wire.heal()
  await world.admin.query('truncate payment, headwater_once')
})

/** What is paid: `insert` writes it in the transaction, and may be asked to fail. */
type Pay = (key: string, deed: (insert: () => PromiseLike<unknown>) => Promise<unknown>) => Promise<unknown>

function withPg(pool: pg.Pool): Pay {
  return async (key, deed) => {
    const client = await pool.connect()
    try {
      await client.query('begin')
      const result = await onceOnly(client, key, (tx) =>
        deed(() => tx.query('insert into payment (id) values ($1)', [key])),
      )
      await client.query('commit')
      return result
    } catch (error) {
      await client.query('rollback')
      throw error
    } finally {
      client.release()
    }
  }
}

const WAYS: Readonly<Record<string, (pool: RoutedPool) => Pay>> = {
  pg: withPg,
  Kysely: (pool) => {
    const db = new Kysely<unknown>({ dialect: new HeadwaterDialect({ pool }) })
    return (key, deed) =>
      db
        .transaction()
        .execute((trx) =>
          onceOnly(trx, key, (tx) => deed(() => kyselySql`insert into payment (id) values (${key})`.execute(tx))),
        )
  },
  Drizzle: (pool) => {
    const db = drizzle({ client: pool })
    return (key, deed) =>
      db.transaction((trx) =>
        onceOnly(trx, key, (tx) => deed(() => tx.execute(drizzleSql`insert into payment (id) values (${key})`))),
      )
  },
}

function open(): RoutedPool {
  const url = new URL(world.cluster.primary.url)
  url.port = String(wire.port)
  return world.ending(
    new RoutedPool({ primary: { connectionString: url.href }, replicas: [], trackCommits: true, logger: false }),
  )
}

const payments = async (): Promise<string[]> =>
  (await world.admin.query('select id from payment order by id')).rows.map(({ id }) => id)

describe.each(Object.entries(WAYS))('X6: onceOnly() in a transaction of %s', (_way, make) => {
  const payOnce =
    (pay: Pay) =>
    (key: string): Promise<unknown> =>
      pay(key, async (insert) => {
        await insert()
        return { paid: key }
      })

  it(`${RETRIES} deeds, each tried again after the answer to its COMMIT was lost: ${RETRIES} rows`, async () => {
    const pool = open()
    const pay = payOnce(make(pool))
    const keys = Array.from({ length: RETRIES }, (_, n) => `o'key\\${String(n).padStart(2, '0')}`)
    for (const [n, key] of keys.entries()) {
      wire.cut({ at: /commit/i, side: n % 2 === 0 ? 'behind' : 'before', how: 'reset' })
      const error = await errorOf(pay(key))
      const told = error instanceof OutcomeUnknown ? error : Reflect.get(Object(error), 'cause')
      expect(told).toBeInstanceOf(OutcomeUnknown)
      await wire.heal()
      expect(await pay(key)).toEqual({ paid: key })
      expect(await pay(key)).toEqual({ paid: key })
    }
    expect(await payments()).toEqual(keys)
  }, 120_000)

  it('twenty at the same time: one runs, the others wait for it and get its result', async () => {
    const pool = open()
    const pay = make(pool)
    let ran = 0
    const results = await Promise.all(
      Array.from({ length: 20 }, () =>
        pay('same', async (insert) => {
          ran += 1
          await insert()
          await new Promise((resolve) => setTimeout(resolve, 100))
          return { number: ran }
        }),
      ),
    )
    expect(results).toEqual(results.map(() => ({ number: 1 })))
    expect([ran, await payments()]).toEqual([1, ['same']])
  })

  it('one that fails lets the next run, also one that waits for it', async () => {
    const pay = make(open())
    let begun: () => void = () => undefined
    const isBegun = new Promise<void>((resolve) => {
      begun = resolve
    })
    const failing = pay('tried', async (insert) => {
      await insert()
      begun()
      await new Promise((resolve) => setTimeout(resolve, 200))
      throw new Error('no money')
    })
    const failed = errorOf(failing)
    await isBegun
    const second = payOnce(pay)('tried')
    expect(await failed).toMatchObject({ message: 'no money' })
    expect(await second).toEqual({ paid: 'tried' })
    expect(await payments()).toEqual(['tried'])
  })

  it('gives the same result the first time and later: as JSON says it', async () => {
    const pay = make(open())
    for (const [key, result, said] of [
      ['nothing', undefined, undefined],
      ['null', null, null],
      ['a date', { at: new Date(0) }, { at: '1970-01-01T00:00:00.000Z' }],
      ['a text', "it's \\ said", "it's \\ said"],
    ] as const) {
      const give = async () => result
      expect(await pay(key, give)).toEqual(said)
      expect(await pay(key, () => Promise.reject(new Error('it runs twice')))).toEqual(said)
    }
  })
})

describe('X6: onceOnly()', () => {
  it('works with pg’s own pool', async () => {
    const pool = world.ending(new pg.Pool({ connectionString: world.cluster.primary.url }))
    const pay = withPg(pool)
    for (let n = 0; n < 3; n += 1) await pay('bare', async (insert) => void (await insert()))
    expect(await payments()).toEqual(['bare'])
  })

  it('refuses what is no open transaction, and what is no key: the key would be taken, and the deed not done', async () => {
    const pool = open()
    const client = await pool.connect()
    const db = new Kysely<unknown>({ dialect: new HeadwaterDialect({ pool }) })
    const never = () => Promise.reject(new Error('it runs'))
    for (const outside of [client, pool, db, drizzle({ client: pool })]) {
      // @ts-expect-error Drizzle's database is no transaction, and says so in its type
      await expect(onceOnly(outside, 'key', never)).rejects.toThrow(/no transaction is open/)
    }
    await client.query('begin')
    for (const key of ['', 'a'.repeat(1_001)]) await expect(onceOnly(client, key, never)).rejects.toThrow(/the key/)
    await client.query('rollback')
    client.release()
    expect((await world.admin.query('select key from headwater_once')).rows).toEqual([])
  })

  it('a key that was deleted by age runs once more', async () => {
    const pay = withPg(open())
    const once = () => pay('old', async (insert) => void (await insert()))
    await once()
    await world.admin.query("update headwater_once set done_at = now() - interval '31 days'")
    await world.admin.query("delete from headwater_once where done_at < now() - interval '30 days'")
    await once()
    await once()
    expect(await payments()).toEqual(['old', 'old'])
  })
})

import type { Wire } from '@headwater/cluster'
import { drizzle } from '@headwater/drizzle'
import { HeadwaterDialect } from '@headwater/kysely'
import { RoutedPool } from '@headwater/pg'
import { openSlowWire, World } from '@headwater/test-world'
import { sql as drizzleSql } from 'drizzle-orm'
import { Kysely, sql as kyselySql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

// Transactions of four inserts, 10 ms from their server, whose connections are cut every 300 ms: all four are there, or none.

/** How many transactions each way runs; HEADWATER_HALF_COMMITS=1000 is the long form (a minute). */
const TRANSACTIONS = Number(process.env['HEADWATER_HALF_COMMITS'] ?? 200)
const AT_A_TIME = 20
const CUT_EACH_MILLIS = 300
const INSERTS = [1, 2, 3, 4]

let world: World
let wire: Wire
beforeAll(async () => {
  world = await World.start({ replicas: [], schema: 'create table part (whole text, n int)' })
  wire = await openSlowWire(world.cluster.primary.port, 5)
})
afterAll(async () => {
  await wire?.[Symbol.asyncDispose]()
  await world?.[Symbol.asyncDispose]()
})

/** What an app does with an insert that fails: it gives the transaction up, or goes on as if nothing were. */
type Manner = 'careful' | 'careless'

/** A careful one asks for all four at once; a careless one for one after the other, and swallows what goes wrong. */
async function insertAll(manner: Manner, insert: (n: number) => PromiseLike<unknown>): Promise<void> {
  if (manner === 'careful') return void (await Promise.all(INSERTS.map(insert)))
  for (const n of INSERTS) await Promise.resolve(insert(n)).catch(() => undefined)
}

type Transact = (whole: string, manner: Manner) => Promise<unknown>

const WAYS: Readonly<Record<string, (pool: RoutedPool) => Transact>> = {
  pg: (pool) => async (whole, manner) => {
    const client = await pool.connect()
    try {
      await client.query('begin')
      await insertAll(manner, (n) => client.query('insert into part values ($1, $2)', [whole, n]))
      await client.query('commit')
    } catch (error) {
      await client.query('rollback').catch(() => undefined)
      throw error
    } finally {
      client.release()
    }
  },
  Kysely: (pool) => {
    const db = new Kysely<unknown>({ dialect: new HeadwaterDialect({ pool }) })
    return (whole, manner) =>
      db
        .transaction()
        .execute((tx) => insertAll(manner, (n) => kyselySql`insert into part values (${whole}, ${n})`.execute(tx)))
  },
  Drizzle: (pool) => {
    const db = drizzle({ client: pool })
    return (whole, manner) =>
      db.transaction((tx) => insertAll(manner, (n) => tx.execute(drizzleSql`insert into part values (${whole}, ${n})`)))
  },
}

const CUTS: Readonly<Record<string, (application: string) => unknown>> = {
  'a reset': () => wire.reset(),
  pg_terminate_backend: (application) =>
    world.admin.query('select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1', [
      application,
    ]),
}

describe.each(Object.keys(CUTS))('X11: cut by %s', (cut) => {
  it.each(Object.keys(WAYS))(
    `no transaction of %s, of ${TRANSACTIONS}, is committed by half`,
    async (way) => {
      const application = `half-${crypto.randomUUID()}`
      const url = new URL(world.cluster.primary.url)
      url.port = String(wire.port)
      const pool = new RoutedPool({
        primary: { connectionString: url.href },
        replicas: [],
        application_name: application,
        logger: false,
      })
      const transact = WAYS[way]?.(pool)
      if (transact === undefined) throw new Error(`no way is named ${way}`)
      const timer = setInterval(() => void CUTS[cut]?.(application), CUT_EACH_MILLIS)
      let asked = 0
      const acknowledged = new Set<string>()
      const work = async (): Promise<void> => {
        while (asked < TRANSACTIONS) {
          const number = asked++
          const whole = `${application}-${number}`
          await transact(whole, number % 2 === 0 ? 'careful' : 'careless').then(
            () => acknowledged.add(whole),
            () => undefined,
          )
        }
      }
      try {
        await Promise.all(Array.from({ length: AT_A_TIME }, work))
      } finally {
        clearInterval(timer)
        await pool.end()
      }
      const { rows } = await world.admin.query<{ whole: string; parts: number }>(
        'select whole, count(*)::int as parts from part where whole like $1 group by whole',
        [`${application}-%`],
      )
      const half = rows.filter(({ parts }) => parts !== INSERTS.length).length
      const failed = asked - acknowledged.size
      console.info(
        `${way}, cut by ${cut}: ${asked} transactions, ${rows.length} committed, ${failed} failed, ${half} by half`,
      )
      expect(half).toBe(0)
      // Cut too seldom it would show nothing; cut too often, neither.
      expect(failed).toBeGreaterThan(TRANSACTIONS / 50)
      expect(rows.length).toBeGreaterThan(TRANSACTIONS / 10)
      // A COMMIT whose answer is lost may be there all the same; one that was answered is.
      for (const { whole } of rows) acknowledged.delete(whole)
      expect([...acknowledged]).toEqual([])
    },
    120_000,
  )
})

import { setTimeout as sleep } from 'node:timers/promises'
import { diagnostics, type ReplayToPrimary, type RouteEvent } from '@headwater/core'
import { inRequest, type Region, World } from '@headwater/test-world'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RoutedPool, RoutedPoolOptions } from '../src/index.ts'

let world: World

beforeAll(async () => {
  world = await World.start()
})

afterAll(async () => {
  await world?.[Symbol.asyncDispose]()
})

/** Writes a note; on a standby it answers `lost`, and nobody would hear of it. */
const swallowing = (name: string): string => `
  create or replace function ${name}(text) returns text language plpgsql as $$ begin
    insert into note (body) values ($1); return 'kept'; exception when others then return 'lost'; end $$`

const reading = (name: string): string => `
  create or replace function ${name}(text) returns text language sql stable as 'select count(*)::text from note where body = $1'`

/** A pool that goes by the catalog alone. */
const poolWithCatalog = (region: Region, options: RoutedPoolOptions = {}): Promise<RoutedPool> =>
  world.informedPool(region, { functions: {}, ...options })

/** Waits until a statement that says `is_standby` is answered by the replica. */
async function untilNextDoor(pool: RoutedPool, text: string): Promise<void> {
  const ask = async (): Promise<unknown> => {
    try {
      return (await inRequest(pool, () => pool.query(text))).rows[0]
    } catch (error) {
      return (error as Error).name
    }
  }
  // On a busy machine a reading takes seconds, and the next one waits twice as long.
  await expect.poll(ask, { timeout: 20_000 }).toMatchObject({ is_standby: true })
}

/** What becomes of a statement in a request: its first row, or the reason for which the request is replayed. */
async function outcomeIn(pool: RoutedPool, text: string): Promise<unknown> {
  try {
    return (await inRequest(pool, () => pool.query(text))).rows[0]
  } catch (error) {
    const { name, reason } = error as ReplayToPrimary
    return `${name}: ${reason}`
  }
}

const REPLAYED = 'ReplayToPrimary: newer-than-catalog'

describe('what another session has made since the catalog was read', () => {
  it('R1, P1: a function that swallows a refusal is not tried: its request is replayed, or it runs at the primary', async () => {
    const [away, home] = await Promise.all([poolWithCatalog('nrt'), poolWithCatalog('ams')])
    await world.change(swallowing('late_writer'))
    expect(await outcomeIn(away, "select late_writer('a-away')")).toBe(REPLAYED)
    expect(await outcomeIn(away, "select public.late_writer('a-away'), count_notes()")).toBe(REPLAYED)
    expect(await outcomeIn(home, "select late_writer('a-home')")).toEqual({ late_writer: 'kept' })
    expect(await world.notes('a-home')).toBe(1)
  })

  it('R1, P1: a view over such a function is not a read, wherever it stands in FROM', async () => {
    await world.admin.query(swallowing('view_writer'))
    const [away, home] = await Promise.all([poolWithCatalog('nrt'), poolWithCatalog('ams')])
    await world.change("create view late_view as select view_writer('d') as outcome")
    for (const text of [
      'select * from late_view',
      'select v.outcome from public.late_view as v',
      'select * from note right join late_view on true',
      'select * from (select 1) as one, "late_view"',
      'with one as (select 1) select * from one, (note right join late_view on true)',
      'select exists (select from late_view)',
      'table late_view',
    ])
      expect(await outcomeIn(away, text), text).toBe(REPLAYED)
    expect(await world.notes('d')).toBe(0)
    expect(await outcomeIn(home, 'select outcome from late_view')).toEqual({ outcome: 'kept' })
    expect(await world.notes('d')).toBe(1)
  })

  it('R1: the catalog is read again soon, and from then on a local replica answers what only reads', async () => {
    const pool = await poolWithCatalog('nrt')
    await world.change(`${reading('late_reader')}; create table late_table (a int)`)
    const text = "select is_standby, late_reader('x') from server left join late_table on true"
    expect(await outcomeIn(pool, text)).toBe(REPLAYED)
    await untilNextDoor(pool, text)
  })

  it('R1: for a name that does not exist the catalog is read again a bounded number of times', async () => {
    let loads = 0
    class Client extends pg.Client {
      override query(...args: never[]): never {
        const [config] = args as readonly unknown[]
        const text: unknown = typeof config === 'string' ? config : Reflect.get(Object(config), 'text')
        if (typeof text === 'string' && text.includes('pg_get_viewdef')) loads += 1
        return Reflect.apply(super.query, this, args) as never
      }
    }
    const pool = await poolWithCatalog('ams', {
      primary: { region: 'ams', connectionString: world.cluster.primary.url, Client },
      replicas: world.cluster.replicas.map(({ url }) => ({ region: 'ams', connectionString: url, Client })),
    })
    expect(loads).toBe(1)
    let asked = 0
    for (const end = performance.now() + 7000; performance.now() < end; asked += 2) {
      await expect(pool.query(`select nowhere(${asked})`)).rejects.toMatchObject({ code: '42883' })
      await expect(pool.query('select * from no_such_table')).rejects.toMatchObject({ code: '42P01' })
      await sleep(5)
    }
    expect(asked).toBeGreaterThan(100)
    expect(loads).toBeGreaterThanOrEqual(2)
    expect(loads).toBeLessThanOrEqual(3)
  }, 20_000)
})

describe('what this pool has changed', () => {
  it.each([
    ['by itself', (pool: RoutedPool, ddl: string) => pool.query(ddl)],
    [
      'with others',
      (pool: RoutedPool, ddl: string) => pool.query(`insert into note (body) values ('m'); ${ddl}; select 1`),
    ],
    [
      'in a DO',
      (pool: RoutedPool, ddl: string) => pool.query(`do $do$ begin perform 1; execute $ddl$${ddl}$ddl$; end $do$`),
    ],
    [
      'in a transaction of a lease',
      async (pool: RoutedPool, ddl: string) => {
        const client = await pool.connect()
        try {
          for (const text of ['begin', "insert into note (body) values ('m')", ddl, 'commit']) await client.query(text)
        } finally {
          client.release()
        }
      },
    ],
  ])('R1: a function that only read and now writes, replaced %s, loses nothing', async (how, change) => {
    const name = `replaced_${how.replaceAll(' ', '_')}`
    await world.change(reading(name))
    const pool = await poolWithCatalog('ams')
    await untilNextDoor(pool, `select is_standby, ${name}('x') from server`)
    await change(pool, swallowing(name))
    await world.cluster.waitUntilCaughtUp()
    expect(await outcomeIn(pool, `select ${name}('${how}') as outcome`)).toEqual({ outcome: 'kept' })
    expect(await world.notes(how)).toBe(1)
    // Once it has been read again, what only reads is next door again, and what writes is known to.
    await untilNextDoor(pool, 'select is_standby, count_notes() from server')
    expect(await outcomeIn(pool, `select ${name}('${how}') as outcome`)).toEqual({ outcome: 'kept' })
    expect(await world.notes(how)).toBe(2)
  })

  it('R1: a new function and a new view over it are judged by what they do as soon as the catalog is read again', async () => {
    const pool = await poolWithCatalog('ams')
    await pool.query(swallowing('made_here'))
    await pool.query("create view made_view as select made_here('b') as outcome")
    await world.cluster.waitUntilCaughtUp()
    expect(await outcomeIn(pool, 'select outcome from made_view')).toEqual({ outcome: 'kept' })
    expect(await outcomeIn(pool, "select made_here('b') as outcome")).toEqual({ outcome: 'kept' })
    await pool.query(reading('made_reader'))
    await world.cluster.waitUntilCaughtUp()
    await untilNextDoor(pool, "select is_standby, made_reader('x') from server")
    expect(await outcomeIn(pool, 'select outcome from made_view')).toEqual({ outcome: 'kept' })
    expect(await world.notes('b')).toBe(3)
  })

  it('R1: it is read again at the primary: a replica that is behind would bring back what it knew before', async () => {
    await world.change(reading('behind'))
    const pool = await poolWithCatalog('ams')
    const [replica] = world.cluster.replicas
    await replica?.pauseReplay()
    try {
      await pool.query(swallowing('behind'))
      await untilNextDoor(pool, 'select is_standby, count_notes() from server')
    } finally {
      await replica?.resumeReplay()
    }
    await world.cluster.waitUntilCaughtUp()
    expect(await outcomeIn(pool, "select behind('late') as outcome")).toEqual({ outcome: 'kept' })
    expect(await world.notes('late')).toBe(1)
  })

  it('R1: what is known holds while only temporary tables, indexes and rights change', async () => {
    const pool = await poolWithCatalog('ams')
    const reasons: string[] = []
    const listen = (event: unknown): void => void reasons.push((event as RouteEvent).decision.reason)
    await pool.query('create index note_body on note (body)')
    await pool.query('grant select on note to public')
    const client = await pool.connect()
    await client.query('create temp table scratch as select 1 as a')
    client.release(true)
    diagnostics.route.subscribe(listen)
    try {
      await untilNextDoor(pool, 'select is_standby, count_notes() from server')
    } finally {
      diagnostics.route.unsubscribe(listen)
    }
    expect(reasons).toEqual(['read'])
  })
})

import { setTimeout as sleep } from 'node:timers/promises'
import { withReplica } from '@headwater/core'
import { inRequest, World } from '@headwater/test-world'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RoutedPool, RoutedPoolOptions } from '../src/index.ts'

/** From the commit of a change to the right verdict. */
const PROMISED_MILLIS = 5000

let world: World

beforeAll(async () => {
  world = await World.start({
    replicas: ['one', 'two'],
    schema: `
      create function swallow(text) returns boolean language plpgsql as $$ begin
        insert into note (body) values ($1); return true; exception when others then return true; end $$;
      create function swallow(int, int) returns boolean language sql as 'select swallow($1::text)';
    `,
  })
})

afterAll(async () => {
  await world?.[Symbol.asyncDispose]()
})

/** What the app's own client sends to its server: the questions of ours, and the readings of the catalog. */
class Counted extends pg.Client {
  static asked = 0
  static loads = 0

  override query(...args: never[]): never {
    const [config] = args as readonly unknown[]
    const text: unknown = typeof config === 'string' ? config : Reflect.get(Object(config), 'text')
    if (typeof text === 'string' && text.includes('pg_get_viewdef')) Counted.loads += 1
    else if (typeof text === 'string' && text.includes('as fingerprint')) Counted.asked += 1
    return Reflect.apply(super.query, this, args) as never
  }

  static counts(): { asked: number; loads: number } {
    return { asked: Counted.asked, loads: Counted.loads }
  }

  static reset(): void {
    Counted.asked = 0
    Counted.loads = 0
  }
}

/** A pool in the primary's region, of one replica unless told otherwise, that goes by the catalog. */
function poolAtHome({
  replicas = 1,
  endpoint,
  ...options
}: Omit<RoutedPoolOptions, 'replicas'> & { replicas?: number; endpoint?: 'server' | 'load-balancer' } = {}) {
  const local = world.cluster.replicas.slice(0, replicas)
  return world.informedPool('ams', {
    functions: {},
    replicas: local.map(({ url }) => ({ region: 'ams', connectionString: url, endpoint, Client: Counted })),
    ...options,
  })
}

/** Whether a statement that says `is_standby` was answered by a replica. */
async function isNextDoor(pool: RoutedPool, text: string): Promise<boolean> {
  const { rows } = await pool.query<{ is_standby: boolean }>(text)
  return rows[0]?.is_standby === true
}

const untilNextDoor = (pool: RoutedPool, text: string) =>
  expect.poll(() => isNextDoor(pool, text), { timeout: 8000, interval: 20 }).toBe(true)

/** Asks every 20 ms until the primary answers, and gives how long after `since` the last answer of a replica was asked for. */
async function millisUntilAtPrimary(pool: RoutedPool, text: string, since: number): Promise<number> {
  for (let last = since; ; await sleep(20)) {
    const askedAt = performance.now()
    if (!(await isNextDoor(pool, text))) return last - since
    last = askedAt
    if (last - since > 2 * PROMISED_MILLIS) return last - since
  }
}

describe('what another session replaces', () => {
  it.for<[string, string, string, string]>([
    [
      'a function',
      "create function r1(text) returns boolean language sql stable as 'select true'",
      "create or replace function r1(text) returns boolean language sql as 'select swallow($1)'",
      "select is_standby, r1('x') from server",
    ],
    [
      'what a function calls',
      `create function r2b() returns boolean language sql stable as 'select true';
       create function r2() returns boolean language sql stable as 'select r2b()'`,
      "create or replace function r2b() returns boolean language sql as $$ select swallow('x') $$",
      'select is_standby, r2() from server',
    ],
    [
      'a function, by an overload',
      "create function r3(text) returns boolean language sql stable as 'select true'",
      "create function r3(int) returns boolean language sql as $$ select swallow('x') $$",
      'select is_standby, r3(null::text) from server',
    ],
    [
      'a function, by another name',
      `create function r4() returns boolean language sql stable as 'select true';
       create function r4b() returns boolean language sql as $$ select swallow('x') $$`,
      'alter function r4() rename to r4c; alter function r4b() rename to r4',
      'select is_standby, r4() from server',
    ],
    [
      'a view',
      'create view r5 as select true as a',
      "create or replace view r5 as select swallow('x') as a",
      'select is_standby, a from server, r5',
    ],
    [
      'a table, by a view',
      'create table r6 (a boolean)',
      "drop table r6; create view r6 as select swallow('x') as a",
      'select is_standby from server left join r6 on true',
    ],
    [
      'a schema',
      `create schema r7; create view r7.v as select true as a; create schema r7b;
       create view r7b.v as select swallow('x') as a`,
      'alter schema r7 rename to r7c; alter schema r7b rename to r7',
      'select is_standby from server, r7.v',
    ],
    [
      'a policy',
      `create table r8 (a text); create policy p on r8 using (true); alter table r8 enable row level security`,
      'alter policy p on r8 using (swallow(a))',
      'select is_standby from server left join r8 on true',
    ],
    [
      'a switch of row security',
      `create table r9 (a text); create policy p on r9 using (swallow(a))`,
      'alter table r9 enable row level security',
      'select is_standby from server left join r9 on true',
    ],
    [
      "a domain's check",
      'create domain r10 as text',
      'alter domain r10 add check (swallow(value))',
      "select is_standby, 'x'::r10 from server",
    ],
    [
      'the domain of a column',
      'create domain r11 as text check (swallow(value)); create table r11t (a text)',
      'alter table r11t alter a type r11',
      "select is_standby, json_populate_record(null::r11t, '{}') from server",
    ],
    [
      'a cast',
      'create type r12 as (a text); create function r12f(int) returns r12 language sql as $$ select row(swallow($1::text)::text)::r12 $$',
      'create cast (int as r12) with function r12f(int)',
      'select is_standby, null::r12 from server',
    ],
    [
      'an operator',
      `create function r13(text, text) returns boolean language sql stable as 'select true';
       create operator === (leftarg = text, rightarg = text, function = r13)`,
      'create operator === (leftarg = int, rightarg = int, function = swallow)',
      "select is_standby, 'x'::text === 'y' from server",
    ],
    [
      'the persistence of a table',
      'create table r14 (a int)',
      'alter table r14 set unlogged',
      'select is_standby from server left join r14 on true',
    ],
  ])(
    `R1: %s: within ${PROMISED_MILLIS} ms nothing that it does runs on a replica any more`,
    { concurrent: false },
    async ([, before, change, text]) => {
      await world.change(before)
      const pool = await poolAtHome({ functions: { server: 'read' } })
      await untilNextDoor(pool, text)
      // Somewhere between two questions.
      for (const end = performance.now() + Math.random() * 1500; performance.now() < end; await sleep(20)) {
        await pool.query(text)
      }
      await world.admin.query(change)
      const since = performance.now()
      expect(await millisUntilAtPrimary(pool, text, since)).toBeLessThan(PROMISED_MILLIS)
      for (let count = 0; count < 20; count += 1) expect(await isNextDoor(pool, text)).toBe(false)
      // What has not changed is next door again.
      await untilNextDoor(pool, 'select is_standby, count_notes() from server')
      expect(await isNextDoor(pool, text)).toBe(false)
      await pool.end()
    },
  )

  it('R1: no write is lost after that time, at home and away, with reads all the while', async () => {
    await world.change("create function s1(text) returns boolean language sql stable as 'select true'")
    const home = await poolAtHome({ replicas: 2 })
    const away = await world.informedPool('nrt', { functions: {} })
    const call = async (pool: RoutedPool, body: string): Promise<string> => {
      try {
        await inRequest(pool, () => pool.query('select s1($1)', [body]))
        return 'answered'
      } catch (error) {
        return (error as Error).name
      }
    }
    for (const pool of [home, away])
      for (let count = 0; count < 10; count += 1) expect(await call(pool, 'before')).toBe('answered')
    await world.admin.query("create or replace function s1(text) returns boolean language sql as 'select swallow($1)'")
    for (const end = performance.now() + PROMISED_MILLIS; performance.now() < end; await sleep(50)) {
      await Promise.all([call(home, 'between'), call(away, 'between')])
    }
    for (let count = 0; count < 20; count += 1) {
      expect(await call(home, 'after')).toBe('answered')
      expect(await call(away, 'after')).toBe('ReplayToPrimary')
    }
    expect(await world.notes('after')).toBe(20)
  }, 20_000)

  it('R1: what the primary alone may answer is next door within that time once it only reads, also when nothing else is read', async () => {
    await world.change("create function w1(text) returns boolean language sql as 'select swallow($1)'")
    const pool = await poolAtHome({ functions: { server: 'read' } })
    const text = "select is_standby, w1('x') from server"
    expect(await isNextDoor(pool, text)).toBe(false)
    await world.change("create or replace function w1(text) returns boolean language sql stable as 'select true'")
    await expect.poll(() => isNextDoor(pool, text), { timeout: PROMISED_MILLIS, interval: 50 }).toBe(true)
  })

  it.each(['server', 'load-balancer'] as const)(
    'R1: the first reads after a pause are as safe: their replica is asked before them (%s)',
    async (endpoint) => {
      await world.change("create or replace function i1(text) returns boolean language sql stable as 'select true'")
      const pool = await poolAtHome({ endpoint, catalog: { maxAgeMillis: 300 } })
      await Promise.all(Array.from({ length: 5 }, () => pool.query("select i1('before')")))
      await sleep(400)
      await world.change("create or replace function i1(text) returns boolean language sql as 'select swallow($1)'")
      await Promise.all(Array.from({ length: 5 }, () => pool.query('select i1($1)', [endpoint])))
      expect(await world.notes(endpoint)).toBe(5)
    },
  )

  it('R1: a catalog that was read from a replica which is behind does not judge what runs on one that is not', async () => {
    await world.change("create function b1(text) returns boolean language sql stable as 'select true'")
    const behind = world.replica(0)
    await behind.pauseReplay()
    try {
      await world.admin.query(
        "create or replace function b1(text) returns boolean language sql as 'select swallow($1)'",
      )
      await sleep(300)
      const pool = await poolAtHome({ replicas: 2 })
      await Promise.all(Array.from({ length: 20 }, () => inRequest(pool, () => pool.query("select b1('ahead')"))))
      await expect
        .poll(
          async () => {
            const before = await world.notes('settled')
            for (let count = 0; count < 4; count += 1) await pool.query("select b1('settled')")
            return (await world.notes('settled')) - before
          },
          { timeout: 5000 },
        )
        .toBe(4)
      for (let count = 0; count < 20; count += 1) await pool.query("select b1('all')")
      expect(await world.notes('all')).toBe(20)
    } finally {
      await behind.resumeReplay()
    }
  })

  it('R1: inside withReplica() no replica is asked: that is the word of the app', async () => {
    const pool = await poolAtHome({ catalog: { maxAgeMillis: 100 } })
    await sleep(200)
    Counted.reset()
    for (let count = 0; count < 5; count += 1) await withReplica(() => pool.query('select count_notes()'))
    expect(Counted.asked).toBe(0)
  })
})

describe('what this pool changes', () => {
  it('R1: a change that is rolled back changes nothing; what was known is next door again', async () => {
    await world.change("create function t1(text) returns boolean language sql stable as 'select true'")
    const pool = await poolAtHome({ functions: { server: 'read' } })
    const text = "select is_standby, t1('rolled back') from server"
    await untilNextDoor(pool, text)
    const client = await pool.connect()
    await client.query('begin')
    await client.query("create or replace function t1(text) returns boolean language sql as 'select swallow($1)'")
    expect(await isNextDoor(pool, text)).toBe(false)
    await client.query('rollback')
    client.release()
    await untilNextDoor(pool, text)
  })

  it('R1: beside the scope that makes the change, another reads what it needs at the primary from the commit on', async () => {
    await world.change("create function t2(text) returns boolean language sql stable as 'select true'")
    const pool = await poolAtHome({ functions: { server: 'read' } })
    await untilNextDoor(pool, "select is_standby, t2('x') from server")
    const change = pool.query(
      "create or replace function t2(text) returns boolean language sql as 'select swallow($1)'",
    )
    const during = pool.query("select t2('during')")
    await Promise.all([change, during])
    await Promise.all(Array.from({ length: 10 }, () => inRequest(pool, () => pool.query("select t2('at once')"))))
    expect(await world.notes('at once')).toBe(10)
  })
})

describe('what this pool changes without a word of it in the text', () => {
  it.each([
    ['a function', 'select change_now()'],
    ['a procedure', 'call change_by_procedure()'],
    ['a function that calls another', 'insert into note (body) values (change_by_another()::text)'],
    ['a DO that calls it', 'do $$ begin perform change_now(); end $$'],
  ])('R1: %s: what it replaces is known from its commit on', async (_what, text) => {
    await world.change(`
      create or replace function h1(text) returns boolean language sql stable as 'select true';
      create or replace function change_now() returns int language plpgsql as $change$ begin
        execute 'create or replace ' || $$function h1(text) returns boolean language sql as 'select swallow($1)'$$;
        return 1; end $change$;
      create or replace procedure change_by_procedure() language sql as
        $$create or replace function h1(text) returns boolean language sql as 'select swallow($1)'$$;
      create or replace function change_by_another() returns int language sql as 'select change_now()'`)
    const pool = await poolAtHome({ functions: { server: 'read' } })
    await untilNextDoor(pool, "select is_standby, h1('x') from server")
    await world.admin.query('truncate note')
    await pool.query(text)
    await Promise.all(Array.from({ length: 10 }, () => pool.query("select h1('hidden')")))
    await world.cluster.waitUntilCaughtUp()
    await Promise.all(Array.from({ length: 10 }, () => pool.query("select h1('hidden')")))
    expect(await world.notes('hidden')).toBe(20)
  })
})

describe('what it costs', () => {
  it('R1: nobody asks while nobody reads, and busy reads are asked beside, every two seconds', async () => {
    const pool = await poolAtHome()
    Counted.reset()
    const end = performance.now() + 5000
    while (performance.now() < end) await pool.query('select count_notes()')
    expect(Counted.asked).toBeGreaterThanOrEqual(2)
    expect(Counted.asked).toBeLessThanOrEqual(3)
    Counted.reset()
    await sleep(6000)
    expect(Counted.counts()).toEqual({ asked: 0, loads: 0 })
    await Promise.all(Array.from({ length: 10 }, () => pool.query('select count_notes()')))
    expect(Counted.counts()).toEqual({ asked: 1, loads: 0 })
  }, 20_000)

  it('R1: what applications do all day does not make the catalog be read again', async () => {
    await world.change('create table busy (id int generated always as identity primary key, a text)')
    await world.change('create materialized view summary as select count(*) from busy')
    const pool = await poolAtHome({ catalog: { maxAgeMillis: 100 } })
    Counted.reset()
    for (const text of [
      'insert into busy (a) select 1 from generate_series(1, 1000)',
      'analyze',
      'vacuum busy',
      'vacuum full busy',
      'truncate busy restart identity',
      'reindex table busy',
      'refresh materialized view summary',
      'create table tenant_1 (id serial, a text)',
      'alter table tenant_1 add b int',
      'create index on tenant_1 (a)',
      'create temp table scratch (a int)',
      'grant select on busy to public',
      'vacuum freeze pg_proc',
    ]) {
      await world.change(text)
      await sleep(110)
      await pool.query('select count_notes()')
    }
    expect(Counted.asked).toBeGreaterThanOrEqual(12)
    expect(Counted.loads).toBe(0)
  })

  it('X5: end() while a replica is asked leaves no session behind', async () => {
    const pool = await poolAtHome({ application_name: 'catalog_age', catalog: { maxAgeMillis: 100 } })
    for (const end = performance.now() + 300; performance.now() < end; ) await pool.query('select count_notes()')
    await sleep(45)
    await pool.query('select count_notes()')
    await pool.end()
    await expect
      .poll(() => world.replica().query("select from pg_stat_activity where application_name = 'catalog_age'"))
      .toEqual([])
  })
})

it('R1: without a primary and a replica next door, the catalog is read from a replica of another region', async () => {
  Counted.reset()
  const pool = world.pool('ams', {
    functions: {},
    promotionWaitMillis: 0,
    primary: { region: 'ams', host: '127.0.0.1', port: 1 },
    replicas: [{ region: 'nrt', connectionString: world.replica().url, Client: Counted }],
  })
  await expect(pool.query('select count_notes()')).rejects.toThrow()
  await expect.poll(() => Counted.loads).toBe(1)
})

import { AsyncLocalStorage } from 'node:async_hooks'
import { createRequire } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'
import { diagnostics, runInScope, Scope } from '@headwater/core'
import { World } from '@headwater/test-world'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { RoutedPool, RoutedPoolOptions } from '../src/index.ts'
import { ERRORS, FORMS, saidOf, VALUES } from './answers-of-types.ts'
import { untilPrepared } from './until-prepared.ts'
import { servedOf, untilShared } from './until-shared.ts'

const { Client: OldClient } = createRequire(import.meta.url)('pg-8.22') as typeof pg
const POINT = 'select id, name from item where id = $1'
/** Fast or slow, by its value. */
const COUNT = 'select count(*)::int as n from generate_series(1, $1::int) g where g % 7 = 1'
const SLOW = 2_000_000

let world: World
let bare: pg.Pool
/** Small reads of it share connections. */
let shared: RoutedPool
beforeAll(async () => {
  world = await World.start({
    schema: `
      create type mood as enum ('calm', 'wild');
      create type pair as (a int, b text);
      create domain short as text check (length(value) < 4);
      create table item (id int primary key, name text not null unique, mood mood, size numeric(6, 2), made timestamptz, data jsonb);
      insert into item select g, 'name ' || g, 'calm', g, now(), '{"a": 1}' from generate_series(1, 500) g;
      create function shout(t text) returns text language plpgsql as $$ begin raise notice 'it is %', t; return upper(t); end $$;
      analyze item`,
  })
  bare = new pg.Pool({ connectionString: world.cluster.primary.url, max: 1 })
  shared = world.pool('ams', { routing: 'opt-in', replicas: [], lanes: true, prepare: { perConnection: 1000 } })
  await untilPrepared(shared)
})
afterAll(async () => {
  await bare.end()
  await world[Symbol.asyncDispose]()
})

const PATIENT = { timeout: 20_000, interval: 100 }
const opened: RoutedPool[] = []
afterEach(async () => {
  await Promise.all(opened.splice(0).map((pool) => pool.end()))
})

/** A pool at the primary whose point reads share connections. */
async function open(options: RoutedPoolOptions = {}): Promise<RoutedPool> {
  const pool = world.pool('ams', { routing: 'opt-in', replicas: [], lanes: true, ...options })
  opened.push(pool)
  await untilPrepared(pool)
  await untilShared(pool, POINT, [1])
  return pool
}

function point(pool: RoutedPool, id: number): Promise<pg.QueryResult<{ id: number; name: string }>> {
  return pool.query(POINT, [id])
}

function points(pool: RoutedPool, count: number): Promise<pg.QueryResult<{ id: number; name: string }>[]> {
  return Promise.all(Array.from({ length: count }, (_, index) => point(pool, index + 1)))
}

describe('S4: small reads share connections', () => {
  it('many at once on four, each with its own answer', async () => {
    const pool = await open()
    // On a busy machine some find a lane that has waited too long, and run on connections of their own; a text that was slow once stays off for seconds.
    await expect
      .poll(async () => {
        const before = servedOf(pool)
        const reading = points(pool, 100)
        const { connections, reads } = pool.status().servers[0]?.lanes ?? {}
        const answers = await reading
        expect(answers.map(({ rows }) => rows[0]?.id)).toEqual(answers.map((_, index) => index + 1))
        return { connections, reads, served: servedOf(pool) - before }
      }, PATIENT)
      .toEqual({ connections: 4, reads: 100, served: 100 })
  })

  it('takes no connection longer than its reads: the counts are as ever, and so is the end', async () => {
    const pool = await open()
    const reading = points(pool, 40)
    await reading
    expect(pool.idleCount).toBe(pool.totalCount)
    expect(pool.status().servers[0]?.lanes).toMatchObject({ state: 'on', connections: 0, reads: 0 })
    await untilShared(pool, POINT, [1])
    const last = points(pool, 40)
    await new Promise(setImmediate)
    opened.splice(0)
    await pool.end()
    expect((await last).length).toBe(40)
    await expect(point(pool, 1)).rejects.toThrow('after calling end')
  })

  it('on one connection, when there is no more', async () => {
    const pool = await open({ max: 1 })
    const [answers, { rows }] = await Promise.all([points(pool, 50), pool.query('select 1 as one')])
    expect([answers.length, rows]).toEqual([50, [{ one: 1 }]])
  })

  it('never in a transaction, in a lease, or for a write', async () => {
    const pool = await open()
    const before = servedOf(pool)
    const client = await pool.connect()
    await client.query('begin')
    for (let n = 0; n < 3; n += 1) await client.query(POINT, [1])
    await client.query('commit')
    await client.query(POINT, [1])
    client.release()
    const write = 'update item set size = size where id = $1'
    for (let n = 0; n < 20; n += 1) await Promise.all([1, 2, 3].map((id) => pool.query(write, [id])))
    const locked = 'select id from item where id = $1 for update'
    for (let n = 0; n < 20; n += 1) await Promise.all([1, 2, 3].map((id) => pool.query(locked, [id])))
    expect(servedOf(pool)).toBe(before)
  })

  it('each belongs to its caller’s scope and async context', async () => {
    const pool = await open()
    const heard: unknown[] = []
    const hear = (event: unknown): void => void heard.push(Reflect.get(Object(event), 'scope'))
    const store = new AsyncLocalStorage<number>()
    const scopes = Array.from({ length: 20 }, () => new Scope({ kind: 'request' }))
    diagnostics.query.subscribe(hear)
    try {
      const before = servedOf(pool)
      const seen = await Promise.all(
        scopes.map((scope, index) =>
          runInScope(scope, () =>
            store.run(index, () => new Promise((told) => pool.query(POINT, [1], () => told(store.getStore())))),
          ),
        ),
      )
      expect(servedOf(pool) - before).toBe(20)
      expect(seen).toEqual(scopes.map((_, index) => index))
      expect(heard.toSorted()).toEqual(scopes.map(({ number }) => number).toSorted())
    } finally {
      diagnostics.query.unsubscribe(hear)
    }
  })
})

describe('S4: on a shared connection, every type and form is answered to the byte as by pg', () => {
  it.each(VALUES)('%s', async (type, ...values) => {
    const text = `select $1::${type} as v, $2::int as n, 1 as "a ""b", null as "__proto__"`
    await untilShared(shared, text, [null, 0])
    for (const [form, options] of Object.entries(FORMS)) {
      for (const value of values) {
        const query = (own: unknown, n: number) => ({ text, values: [own, n], ...options })
        const [left, own, right, theirs] = await Promise.all([
          saidOf(() => shared.query(query(null, 1))),
          saidOf(() => shared.query(query(value, 2))),
          saidOf(() => shared.query(query(null, 3))),
          saidOf(() => bare.query(query(value, 2))),
        ])
        expect(own, form).toEqual(theirs)
        expect([left, right], form).toEqual([
          await saidOf(() => bare.query(query(null, 1))),
          await saidOf(() => bare.query(query(null, 3))),
        ])
      }
    }
  })

  it('most of them on a shared one', () => {
    // A busy machine makes some slow, and slow reads leave.
    expect(servedOf(shared)).toBeGreaterThan(1_000)
  })
})

describe('S4: an error is that of pg, and no neighbour’s', () => {
  const cases = ERRORS.map(([text, good, ...bad]) => ({ text, good, bad }))
  it.each(cases)('$text', async ({ text, good, bad }) => {
    for (let n = 0; n < 30; n += 1) await shared.query(text, good)
    await untilShared(shared, POINT, [1])
    for (const values of bad) {
      const [before, own, after] = await Promise.all([
        point(shared, 1),
        saidOf(() => shared.query(text, values)),
        point(shared, 2),
      ])
      expect(own).toEqual(await saidOf(() => bare.query(text, values)))
      expect([before.rows[0]?.id, after.rows[0]?.id]).toEqual([1, 2])
    }
  })

  it('also when each second one fails', async () => {
    const text = 'select 10 / $1::int as v'
    await untilShared(shared, text, [5])
    const before = servedOf(shared)
    const answers = await Promise.allSettled(Array.from({ length: 60 }, (_, n) => shared.query(text, [n % 2])))
    expect(servedOf(shared) - before).toBe(60)
    answers.forEach((answer, n) => {
      if (answer.status === 'fulfilled') expect([n % 2, answer.value.rows]).toEqual([1, [{ v: 10 }]])
      else expect([n % 2, answer.reason.code]).toEqual([0, '22012'])
    })
  })
})

describe('S4: a read that proves slow', () => {
  it('leaves, and the others wait for it no more', async () => {
    const pool = await open()
    await untilShared(pool, COUNT, [1])
    const before = servedOf(pool)
    await pool.query(COUNT, [SLOW])
    const served = servedOf(pool)
    expect(served - before).toBe(1)
    await Promise.all(Array.from({ length: 10 }, () => pool.query(COUNT, [1])))
    expect(servedOf(pool)).toBe(served)
    await point(pool, 1)
    expect(servedOf(pool)).toBe(served + 1)
  })

  it('has no read go behind it that comes 2 ms later', async () => {
    const pool = await open({ lanes: { perServer: 1 } })
    await untilShared(pool, COUNT, [1])
    let isOver = false
    const slow = pool.query(COUNT, [SLOW]).finally(() => {
      isOver = true
    })
    await sleep(30)
    const before = servedOf(pool)
    await points(pool, 10)
    expect([isOver, servedOf(pool) - before]).toEqual([false, 0])
    await slow
  })

  it('is ended by query_timeout as in pg; those behind it have their answers', async () => {
    const pool = await open({ lanes: { perServer: 1 } })
    await untilShared(pool, COUNT, [1])
    await untilShared(pool, POINT, [1])
    const before = servedOf(pool)
    const limited: pg.QueryConfig = { text: COUNT, values: [SLOW], query_timeout: 20 } as pg.QueryConfig
    const [slow, ...others] = await Promise.allSettled([
      pool.query(limited),
      ...Array.from({ length: 5 }, (_, n) => point(pool, n + 1)),
    ])
    expect(slow).toMatchObject({ status: 'rejected', reason: { message: 'Query read timeout' } })
    expect(others.map(({ status }) => status)).toEqual(Array(5).fill('fulfilled'))
    expect(servedOf(pool) - before).toBeGreaterThanOrEqual(6)
  })

  it('is ended by statement_timeout as in pg; those behind it have their answers', async () => {
    const pool = await open({ lanes: { perServer: 1 }, statement_timeout: 50 })
    await untilShared(pool, COUNT, [1])
    const [slow, ...others] = await Promise.allSettled([
      pool.query(COUNT, [SLOW * 10]),
      ...Array.from({ length: 5 }, (_, n) => point(pool, n + 1)),
    ])
    expect(slow).toMatchObject({ status: 'rejected', reason: { code: '57014' } })
    expect(others.map(({ status }) => status)).toEqual(Array(5).fill('fulfilled'))
  })
})

describe('S4, X2: a read whose shared connection is lost is sent again', () => {
  it.each(['ams', 'nrt'] as const)('on one of its own, in %s', async (region) => {
    const server = region === 'ams' ? world.cluster.primary : world.replica(0)
    const application_name = `lane-lost-${region}`
    const atPrimary = region === 'ams' ? { replicas: [] } : {}
    const pool = world.pool(region, { lanes: { perServer: 1 }, application_name, ...atPrimary })
    opened.push(pool)
    await untilShared(pool, COUNT, [1])
    await untilShared(pool, POINT, [1])
    // Long enough to be met while it runs, on any machine.
    const many = SLOW * 3
    const reading = Promise.all([
      pool.query(COUNT, [many]).then(({ rows }) => rows[0].n as number),
      ...Array.from({ length: 20 }, async (_, n) => (await point(pool, n + 1)).rows[0]?.id),
    ])
    const terminate = `select pg_terminate_backend(pid) from pg_stat_activity
      where application_name = '${application_name}' and query like '%generate_series%' and state = 'active'`
    await expect.poll(async () => (await server.query(terminate)).length, { interval: 1, timeout: 10_000 }).toBe(1)
    const [count, ...ids] = await reading
    expect(count).toBe(Math.ceil(many / 7))
    expect(ids).toEqual(Array.from({ length: 20 }, (_, n) => n + 1))
  })
})

describe('S4: lanes are off, and status() says why', () => {
  it.each([
    ['not-wanted', {}],
    ['driver', { lanes: true, Client: OldClient }],
  ])('%s', async (why, options) => {
    const pool = world.pool('ams', { routing: 'opt-in', replicas: [], ...options } as RoutedPoolOptions)
    opened.push(pool)
    await Promise.all([1, 2, 3].map((n) => pool.query('select $1::int', [n])))
    expect(pool.status().servers[0]?.lanes).toEqual({ state: 'off', why, connections: 0, reads: 0, served: 0 })
  })
})

import { currentScope, runInScope } from '@headwater/core'
import { errorOf, FrontendTap, hasPgBouncer, PgBouncer, requestScope, World } from '@headwater/test-world'
import type pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { RoutedPool, RoutedPoolOptions } from '../src/index.ts'
import { USES, untilPrepared } from './until-prepared.ts'

let world: World
let tap: FrontendTap
beforeAll(async () => {
  world = await World.start({
    schema: 'create table item (n int primary key, name text); create role app login; grant all on item to app',
  })
  tap = await FrontendTap.open(world.cluster.primary)
})
afterAll(async () => {
  await tap?.[Symbol.asyncDispose]()
  await world?.[Symbol.asyncDispose]()
})
beforeEach(() => world.admin.query('truncate item'))

const opened: RoutedPool[] = []
afterEach(async () => {
  await Promise.all(opened.splice(0).map((pool) => pool.end()))
})

/** One connection to the primary, whose session is known to be the pool's own. */
async function open(url = tap.url, options: RoutedPoolOptions = {}): Promise<RoutedPool> {
  const pool = world.pool('ams', {
    max: 1,
    catalog: false,
    primary: { region: 'ams', connectionString: url },
    replicas: [],
    // It asks about no plans, on connections that the tap would count.
    prepare: { plans: 'server' },
    ...options,
  })
  opened.push(pool)
  await untilPrepared(pool)
  // The identity of the server is asked for with the first position of a connection.
  await inRequest(pool, () => pool.query('update item set name = $1', ['a']))
  tap.take()
  return pool
}

/** What a request does, and where its token says that the primary is. */
async function inRequest<Answer>(pool: RoutedPool, work: () => Promise<Answer>) {
  const scope = requestScope(pool, { isTracked: true, isWanted: true })
  const answer = await runInScope(scope, work)
  const { mustAskPrimary } = scope.session
  const seen = await scope.session.capturePosition()
  return { answer, mustAskPrimary, lsn: seen !== undefined && seen.lsn < 2n ** 63n ? seen.lsn : undefined }
}

const INSERT = 'insert into item values ($1, $2)'
const items = async () => (await world.admin.query('select n from item order by n')).rows.map(({ n }) => n)
const flushed = async () =>
  BigInt((await world.admin.query(`select (pg_current_wal_flush_lsn() - '0/0')::text as lsn`)).rows[0].lsn)

describe('S2: a single write and its token are one round trip', () => {
  it.each([
    ['with values', INSERT, [1, 'a'], 'PBDES Q'],
    ['a text', "insert into item values (1, 'a')", undefined, 'Q Q'],
  ])('%s', async (_what, text, values, shape) => {
    const pool = await open()
    const before = await flushed()
    const { answer, mustAskPrimary, lsn } = await inRequest(pool, () => pool.query(text, values))
    expect(answer).toMatchObject({ command: 'INSERT', rowCount: 1 })
    expect(mustAskPrimary).toBe(false)
    expect(lsn).toBeGreaterThan(before)
    expect(tap.take()).toBe(shape)
  })

  it('prepared, and on a leased client', async () => {
    const pool = await open()
    for (let n = 1; n <= USES + 1; n += 1) {
      tap.take()
      const { lsn } = await inRequest(pool, async () => {
        const client = await pool.connect()
        await client.query(INSERT, [n, 'a']).finally(() => client.release())
      })
      expect(lsn).toBeDefined()
    }
    expect(tap.take()).toBe('BES Q')
  })

  it('on a connection that has just been made: the client is not ready yet, and pg warns of nothing', async () => {
    const warned: string[] = []
    const hear = ({ message }: Error): void => void warned.push(message)
    process.on('warning', hear)
    try {
      const pool = world.pool('ams', { max: 1, catalog: false, replicas: [], pooler: 'none' })
      opened.push(pool)
      const { lsn } = await inRequest(pool, () => pool.query(INSERT, [1, 'first']))
      expect(lsn).toBeTypeOf('bigint')
      await new Promise((resolve) => setImmediate(resolve))
      expect(warned).toEqual([])
    } finally {
      process.off('warning', hear)
    }
  })

  it('of several only the last position counts: it is asked for at the end', async () => {
    const pool = await open()
    const { mustAskPrimary, lsn } = await inRequest(pool, async () => {
      for (const n of [1, 2, 3]) await pool.query(INSERT, [n, 'a'])
      return flushed()
    })
    expect(mustAskPrimary).toBe(true)
    expect(tap.take()).toBe('PBDES Q PBDES PBDES Q')
    expect(lsn).toBeGreaterThanOrEqual(await flushed().then((now) => now - 1_000_000n))
  })

  it.each([
    ['no token is wanted', {}],
    ['a time-out of pg is set', { query_timeout: 5_000 }],
  ])('nothing is asked behind it when %s', async (_what, options) => {
    const pool = await open(tap.url, options)
    const write = () => pool.query(INSERT, [1, 'a'])
    if (Object.keys(options).length > 0) await runInScope(requestScope(pool, { isWanted: true }), write)
    else await runInScope(requestScope(pool, {}), write)
    expect(tap.take()).toBe('PBDES')
    expect(currentScope()).toBeUndefined()
  })

  it('F2: the position is behind the commit: a replica that has it has the row', async () => {
    const pool = await open()
    for (let n = 1; n <= 20; n += 1) {
      const { lsn } = await inRequest(pool, () => pool.query(INSERT, [n, 'a']))
      await world.replica(0).query(`select pg_sleep(0)`)
      const isThere = `select pg_last_wal_replay_lsn() - '0/0' >= ${String(lsn)} as has, (select count(*) from item where n = ${n}) as rows`
      let found: unknown
      await expect
        .poll(async () => {
          found = await world.replica(0).query(isThere)
          return JSON.stringify(found).includes('"t"') || JSON.stringify(found).includes('true')
        })
        .toBe(true)
      expect(JSON.stringify(found)).toContain('1')
    }
  })
})

describe('S2, F2: the answer of the write is its own, whatever becomes of the question', () => {
  it('a user who may not ask has written, and has no position', async () => {
    await world.admin.query('revoke execute on function pg_current_wal_flush_lsn() from public')
    try {
      const pool = world.pool('ams', {
        max: 1,
        catalog: false,
        primary: { region: 'ams', connectionString: world.cluster.primary.url.replace('postgres@', 'app@') },
        replicas: [],
      })
      opened.push(pool)
      await untilPrepared(pool)
      const { answer, lsn } = await inRequest(pool, () => pool.query(INSERT, [1, 'a']))
      expect(answer).toMatchObject({ rowCount: 1 })
      expect(lsn).toBeUndefined()
      expect(await items()).toEqual([1])
      // It is not asked again, and the connection gives each its own answer.
      await inRequest(pool, () => pool.query(INSERT, [2, 'a']))
      expect((await pool.query('select n from item order by n')).rows).toEqual([{ n: 1 }, { n: 2 }])
    } finally {
      await world.admin.query('grant execute on function pg_current_wal_flush_lsn() to public')
    }
  })

  it('errors of the write, of the server and of pg, leave the connection in step', async () => {
    const pool = await open()
    const bad = new Error('no JSON of this')
    const odd: readonly (readonly [string, unknown[], object])[] = [
      [INSERT, [1, 'a'], { code: '23505' }],
      [INSERT, ['x', 'a'], { code: '22P02' }],
      ['insert into nowhere values ($1)', [1], { code: '42P01' }],
      ['insert into item values ($1', [1], { code: '42601' }],
      [
        INSERT,
        [
          1,
          {
            toJSON: () => {
              throw bad
            },
          },
        ],
        { message: bad.message },
      ],
      [INSERT, 'no array' as never, { message: 'Query values must be an array' }],
    ]
    await pool.query(INSERT, [1, 'a'])
    for (let round = 0; round < 3; round += 1) {
      for (const [text, values, error] of odd) {
        await inRequest(pool, async () => {
          expect(await errorOf(pool.query(text, values))).toMatchObject(error)
        })
        const { answer } = await inRequest(pool, () => pool.query('update item set name = $1 returning n', ['b']))
        expect(answer.rows).toEqual([{ n: 1 }])
        expect((await pool.query('select $1::int as n', [round])).rows).toEqual([{ n: round }])
      }
    }
    expect(pool.totalCount).toBe(1)
  })

  it('a statement that is outdated is sent again, behind the question: that position does not count', async () => {
    const pool = await open()
    const text = 'insert into item values ($1, $2) returning *'
    for (let n = 1; n <= USES; n += 1) await inRequest(pool, () => pool.query(text, [n, 'a']))
    await world.admin.query('alter table item add column more int default 7')
    try {
      const { answer, mustAskPrimary, lsn } = await inRequest(pool, () => pool.query(text, [100, 'a']))
      expect(answer.rows).toEqual([{ n: 100, name: 'a', more: 7 }])
      expect(mustAskPrimary).toBe(true)
      expect(lsn).toBeDefined()
      expect((await pool.query('select $1::int as n', [5])).rows).toEqual([{ n: 5 }])
    } finally {
      await world.admin.query('alter table item drop column more')
    }
  })

  it.each(['reset', 'end'] as const)('a %s after every number of bytes: what was answered is there', async (how) => {
    const wire = await world.cluster.wire(world.cluster.primary)
    const pool = await open(wire.url)
    let answered = 0
    let unknown = 0
    // Both answers are about 150 bytes.
    for (let afterBytes = 1; afterBytes < 200; afterBytes += 6) {
      await world.admin.query('truncate item')
      await pool.query('select $1::int as n', [1]).catch(() => undefined)
      wire.cut({ afterBytes, how, times: 1 })
      const outcome: unknown = await inRequest(pool, () => pool.query(INSERT, [afterBytes, 'a'])).then(
        ({ answer }) => answer,
        (error: unknown) => error,
      )
      await wire.heal()
      if (outcome instanceof Error) {
        unknown += 1
        expect(outcome).toMatchObject({ code: 'HEADWATER_OUTCOME_UNKNOWN' })
      } else {
        answered += 1
        expect(outcome).toMatchObject({ rowCount: 1 })
        expect(await items()).toEqual([afterBytes])
      }
    }
    expect(answered).toBeGreaterThan(3)
    expect(unknown).toBeGreaterThan(3)
    await wire.close()
  })
})

describe.skipIf(!hasPgBouncer)('S2: behind PgBouncer', () => {
  it('nothing is asked behind a write: the session may be somebody else’s by then', async () => {
    await using pooler = await PgBouncer.start({ home: world.cluster.primary }, { pool_mode: 'transaction' })
    const { hostname, port } = new URL(pooler.url('home'))
    await using front = await FrontendTap.open({ host: hostname, port: Number(port) })
    const url = new URL(front.url)
    url.pathname = '/home'
    for (const pooling of [undefined, 'transaction'] as const) {
      const primary = { region: 'ams', connectionString: url.href, pooler: pooling }
      const pool = world.pool('ams', { max: 1, catalog: false, primary, replicas: [] })
      opened.push(pool)
      for (let n = 1; n <= USES * 3; n += 1) await pool.query('select $1::int as n', [n])
      front.take()
      const { answer } = await inRequest(pool, () =>
        pool.query<pg.QueryResultRow>(INSERT, [pooling === undefined ? 1 : 2, 'a']),
      )
      expect(answer.rowCount).toBe(1)
      // Where it is asked for, that is in a turn of its own.
      expect(front.take()).toMatch(/^PBDES( Q)*$/)
    }
    expect(await items()).toEqual([1, 2])
  })
})

import { ConnectionLost } from '@headwater/core'
import { errorOf, FrontendTap, hasPgBouncer, PgBouncer, pgBouncers, World } from '@headwater/test-world'
import pg from 'pg'
import Cursor from 'pg-cursor'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { RoutedPool, RoutedPoolOptions } from '../src/index.ts'

import { USES, untilPrepared } from './until-prepared.ts'

let world: World
let tap: FrontendTap
let bare: pg.Pool
beforeAll(async () => {
  world = await World.start({
    schema: `
      create table item (n int primary key, name text);
      create function mind() returns int language plpgsql as $$ begin raise notice 'the gap'; return 1; end $$`,
  })
  tap = await FrontendTap.open(world.cluster.primary)
  bare = world.ending(new pg.Pool({ connectionString: world.cluster.primary.url, max: 1 }))
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

function open(options: RoutedPoolOptions = {}, region: 'ams' | 'nrt' = 'ams'): RoutedPool {
  const pool = world.pool(region, { max: 1, catalog: false, replicas: [], ...options })
  opened.push(pool)
  return pool
}

/** Through the tap, connected, with nothing left to ask. */
async function openTapped(options: RoutedPoolOptions = {}): Promise<RoutedPool> {
  const pool = open({ primary: { region: 'ams', connectionString: tap.url }, ...options })
  await pool.query('select 1')
  tap.take()
  return pool
}

type Ask = readonly [first: unknown, values?: unknown]
const ask = (client: pg.PoolClient, [first, values]: Ask): Promise<unknown> => {
  const given = first instanceof Function ? first() : first
  return Reflect.apply(client.query, client, values === undefined ? [given] : [given, values])
}

const INSERT = 'insert into item values ($1, $2)'
const items = async () => (await world.admin.query('select n from item order by n')).rows.map(({ n }) => n)

async function within<Result>(pool: pg.Pool, use: (client: pg.PoolClient) => Promise<Result>): Promise<Result> {
  const client = await pool.connect()
  try {
    return await use(client)
  } finally {
    client.release()
  }
}

const BEGINS = [
  'begin',
  'BEGIN;',
  'start transaction',
  'begin work',
  'begin isolation level serializable',
  'start transaction isolation level repeatable read, read write',
  'begin read only',
  'begin transaction isolation level serializable, read only, deferrable',
]

describe('S2: BEGIN is no round trip', () => {
  it.each(BEGINS)('%s and a statement with values under one Sync', async (begin) => {
    const pool = await openTapped()
    await within(pool, async (client) => {
      await client.query(begin)
      expect(tap.take()).toBe('')
      await client.query('select n from item where n = $1', [1])
      expect(tap.take()).toBe('PBEPBDES')
      await client.query('commit')
      expect(tap.take()).toBe('Q')
    })
  })

  it.each(BEGINS)('%s and a text in one message', async (begin) => {
    const pool = await openTapped()
    await within(pool, async (client) => {
      await client.query(begin)
      expect((await client.query('select current_setting($$transaction_isolation$$)')).rows).toHaveLength(1)
      await client.query('rollback')
      expect(tap.take()).toBe('Q Q')
    })
  })

  it('what is set and saved before the first statement goes with it', async () => {
    const pool = await openTapped()
    const { rows } = await within(pool, async (client) => {
      for (const text of ['begin', 'set transaction isolation level serializable', 'savepoint here'])
        await client.query(text)
      await client.query(INSERT, [1, 'a'])
      expect(tap.take()).toBe('PBEPBEPBEPBDES')
      await client.query('rollback to savepoint here')
      const answer = await client.query('select current_setting($1) as level, (select count(*)::int from item) as n', [
        'transaction_isolation',
      ])
      await client.query('commit')
      return answer
    })
    expect(rows).toEqual([{ level: 'serializable', n: 0 }])
  })

  it('a text that comes back is prepared, and its BEGIN is in the same write', async () => {
    // Then it asks about no plans, on a connection that the tap would count.
    const pool = await openTapped({ prepare: { plans: 'server' } })
    await untilPrepared(pool)
    for (let n = 1; n <= USES + 1; n += 1) {
      tap.take()
      await within(pool, async (client) => {
        await client.query('begin')
        await client.query(INSERT, [n, 'a'])
        await client.query('commit')
      })
    }
    expect(tap.take()).toBe('PBEBES Q')
    expect(await items()).toHaveLength(USES + 1)
  })

  it('on a replica too, and also where the session is not forced read-only', async () => {
    await using atReplica = await FrontendTap.open(world.replica(0))
    for (const [traits, shape] of [
      [{}, 'PBEPBDES Q'],
      [{ pooler: 'session' as const }, 'PBEPBEPBDES Q'],
    ] as const) {
      const replica = { region: 'nrt', connectionString: atReplica.url, ...traits }
      const pool = open({ replicas: [replica], prepare: false }, 'nrt')
      const who = async () =>
        within(pool, async (client) => {
          await client.query('begin read only')
          const { rows } = await client.query('select is_standby, $1::int as n from server', [1])
          await client.query('commit')
          return rows
        })
      await who()
      atReplica.take()
      expect(await who()).toEqual([{ is_standby: true, n: 1 }])
      // The pool's watch of the replica may ask on a connection of its own.
      expect(atReplica.take()).toContain(shape)
    }
  })

  it.each([
    ['a cursor', () => new Cursor('select n from item where n = $1', [1]), 'Q'],
    ['a statement with a name', () => ({ name: 'own', text: INSERT, values: [1, 'a'] }), 'Q PBDES'],
    ['a BEGIN with a comment', () => INSERT, 'Q PBDES'],
  ])('%s goes behind its BEGIN, as before', async (what, query, shape) => {
    const pool = await openTapped()
    await within(pool, async (client) => {
      await client.query(what === 'a BEGIN with a comment' ? '/* app */ begin' : 'begin')
      const sent = ask(client, [query(), what === 'a BEGIN with a comment' ? [1, 'a'] : undefined])
      if (sent instanceof Cursor) await sent.read(1).then(() => sent.close())
      else await sent
      expect(tap.take().startsWith(shape)).toBe(true)
      await client.query('rollback')
    })
  })
})

/** First statements in every form, right and wrong. */
const FIRSTS: Readonly<Record<string, Ask>> = {
  'a text': ["insert into item values (1, 'a') returning *"],
  'a text of two': ["insert into item values (1, 'a'); select n, name from item"],
  'a text with its own COMMIT': ["insert into item values (1, 'a'); commit; select 1 as n"],
  'a text with its own COMMIT, and an error behind it': ["insert into item values (1, 'a'); commit; select 1/0"],
  'no text': [''],
  'a comment': ['-- nothing'],
  'a semicolon': [' ; '],
  values: [INSERT, [1, 'a']],
  'no values': ['select 1 as n', []],
  arrays: [{ text: 'select n, n as n from generate_series(1, $1) n', values: [3], rowMode: 'array' }],
  'extended without values': [{ text: 'select 1 as n', queryMode: 'extended' }],
  'a notice': ['select mind()'],
  'a syntax error': ['select 1 from from item'],
  'a syntax error behind a quote': ["select 'a', 'b"],
  'a syntax error with values': ['select $1 from from item', [1]],
  'a table that is not there': ['select 1 from nowhere'],
  'a table that is not there, with values': ['select $1::int from nowhere', [1]],
  'a text of two, the second wrong': ["insert into item values (1, 'a'); select nothing from item"],
  'an error at run time': ['select 1/0'],
  'an error at run time, with values': ['select 1/$1::int', [0]],
  'a parameter without a value': ['select $1::int'],
  'too few values': [INSERT, [1]],
  'a value that no JSON is made of': [INSERT, [1, { toJSON: () => refuse() }]],
  'values that are no array': [INSERT, 'no array'],
  'what cannot run in a transaction': ['vacuum item'],
  COPY: ['copy item from stdin'],
  'a constraint': ["insert into item values (1, 'a'), (1, 'b')"],
  'what its session refuses': ['set work_mem = nonsense'],
}

function refuse(): never {
  throw new Error('no JSON of this')
}

/** All that an answer, or an error, says. */
async function saidOf(asked: Promise<unknown>): Promise<unknown> {
  try {
    const answer = await asked
    return (Array.isArray(answer) ? answer : [answer]).map(({ command, rowCount, rows, fields }) => ({
      command,
      rowCount,
      rows,
      fields: fields.map((field: pg.FieldDef) => field.name),
    }))
  } catch (error) {
    const { message, code, severity, position, detail, hint, where, routine } = error as pg.DatabaseError
    return { message, code, severity, position, detail, hint, where, routine }
  }
}

/** A transaction with its first statement, and what is true after it. */
async function storyOf(pool: pg.Pool, begin: string, first: Ask, end: string): Promise<unknown> {
  await world.admin.query('truncate item')
  const notices: unknown[] = []
  const said = await within(pool, async (client) => {
    const hear = ({ message }: { message: string | undefined }): void => void notices.push(message)
    client.on('notice', hear)
    const heard: unknown[] = [await saidOf(client.query(begin))]
    heard.push(await saidOf(ask(client, first)))
    heard.push(await saidOf(client.query('select count(*)::int as n from item')), client.getTransactionStatus?.())
    heard.push(await saidOf(client.query(end)), client.getTransactionStatus?.())
    heard.push(await saidOf(client.query('select 1 as n')))
    client.off('notice', hear)
    return heard
  })
  return { said, notices, items: await items() }
}

describe('S2, R10: the first statement of a transaction', () => {
  const stories = Object.entries(FIRSTS).flatMap(([name, first]) =>
    ['commit', 'rollback'].map((end) => [name, end, first] as const),
  )

  it.each(stories)('%s, then %s: as on bare pg', async (_name, end, first) => {
    const pool = open()
    for (const begin of ['begin', 'start transaction isolation level serializable']) {
      expect(await storyOf(pool, begin, first, end)).toEqual(await storyOf(bare, begin, first, end))
    }
  })

  it('as on bare pg when it is prepared: right, refused by a constraint, and wrong in its values', async () => {
    const pool = open()
    await untilPrepared(pool)
    for (let n = 1; n <= USES + 2; n += 1) {
      for (const values of [
        [n, 'a'],
        ['no number', 'a'],
        [1, { toJSON: refuse }],
      ]) {
        const first: Ask = [INSERT, values]
        expect(await storyOf(pool, 'begin', first, 'commit')).toEqual(await storyOf(bare, 'begin', first, 'commit'))
      }
    }
    const { rows } = await pool.query({ text: 'select statement from pg_prepared_statements', prepare: false } as never)
    expect(rows).toContainEqual({ statement: INSERT })
  })
})

/** What looks like BEGIN, and its server refuses. */
const WRONG = ['start transaction read only, read never', 'begin deferrable, , read only']

describe('S2: where BEGIN fails nothing commits', () => {
  const WRITES: Readonly<Record<string, Ask>> = {
    'a text': ["insert into item values (1, 'a')"],
    'a text of two': ["insert into item values (1, 'a'); insert into item values (2, 'a')"],
    values: [INSERT, [1, 'a']],
  }
  const cases = WRONG.flatMap((begin) => Object.entries(WRITES).map(([name, first]) => [begin, name, first] as const))

  it.each(cases)('%s: %s is not run, and what follows is refused until ROLLBACK', async (begin, _name, first) => {
    const own = (await errorOf(bare.query(begin))) as pg.DatabaseError
    await within(open(), async (client) => {
      await client.query(begin)
      expect(await errorOf(ask(client, first))).toMatchObject({ message: own.message, position: own.position })
      expect(await errorOf(ask(client, first))).toMatchObject({ message: own.message })
      expect(await errorOf(client.query('commit'))).toMatchObject({ message: own.message })
      expect(await items()).toEqual([])
      await client.query('rollback')
      await client.query("insert into item values (3, 'a')")
    })
    expect(await items()).toEqual([3])
  })

  it('also not a prepared statement', async () => {
    const pool = open()
    await untilPrepared(pool)
    const insert = (begin: string, n: number) =>
      within(pool, async (client) => {
        await client.query(begin)
        try {
          await client.query(INSERT, [n, 'a'])
          await client.query('commit')
        } catch (error) {
          await client.query('rollback')
          throw error
        }
      })
    for (let n = 1; n <= USES; n += 1) await insert('begin', n)
    for (const begin of WRONG) expect(await errorOf(insert(begin, 100))).toMatchObject({ code: '42601' })
    await insert('begin', 101)
    expect(await items()).toEqual([1, 2, 3, 4, 5, 6, 7, 101])
  })

  it('a primary that is read-only by default refuses the write, and nothing else', async () => {
    const pool = open({ options: '-c default_transaction_read_only=on', prepare: false })
    await within(pool, async (client) => {
      for (const first of Object.values(WRITES)) {
        await client.query('begin')
        expect(await errorOf(ask(client, first))).toMatchObject({ code: '25006' })
        expect(client.getTransactionStatus?.()).toBe('E')
        await client.query('rollback')
        await client.query('begin read write')
        await ask(client, first)
        await client.query('rollback')
      }
    })
    expect(await items()).toEqual([])
  })
})

describe('S2, X11: a connection that is lost between BEGIN and the first answer', () => {
  const WRITES: readonly Ask[] = [["insert into item values (1, 'a')"], [INSERT, [1, 'a']]]

  it.each([
    ['to-server', 'reset'],
    ['to-server', 'end'],
    ['to-client', 'reset'],
    ['to-client', 'end'],
  ] as const)('cut %s by a %s after every number of bytes: nothing commits, and COMMIT rejects', async (way, how) => {
    const wire = await world.cluster.wire(world.cluster.primary)
    const pool = open({ primary: { region: 'ams', connectionString: wire.url }, prepare: false })
    const cuts = { lost: 0, done: 0 }
    for (const first of WRITES) {
      // BEGIN and INSERT are about 120 bytes to the server, their answers about 60.
      for (let afterBytes = 0; afterBytes < 140; afterBytes += 5) {
        await pool.query('select 1')
        const client = await pool.connect()
        client.on('error', () => undefined)
        await client.query('begin')
        wire.cut({ afterBytes, way, how, times: 1 })
        const outcome = await ask(client, first).then(
          () => undefined,
          (error: unknown) => error,
        )
        await wire.heal()
        if (outcome === undefined) {
          cuts.done += 1
          await client.query('rollback').catch(() => undefined)
        } else {
          cuts.lost += 1
          expect(outcome).toBeInstanceOf(ConnectionLost)
          expect(outcome).toMatchObject({ retryable: true })
          for (const text of ['commit', "insert into item values (2, 'a')"]) {
            expect(await errorOf(client.query(text))).toBeInstanceOf(ConnectionLost)
          }
        }
        client.release()
        expect(await items()).toEqual([])
      }
    }
    expect(cuts.lost).toBeGreaterThan(10)
    await wire.close()
  })

  it.each(WRITES)('a server that is told to end the session: %s', async (...first) => {
    const application_name = `ended-${crypto.randomUUID()}`
    const pool = open({ application_name })
    await pool.query('select 1')
    const client = await pool.connect()
    client.on('error', () => undefined)
    await client.query('begin')
    const slow = String(first[0])
      .replace('values', 'select')
      .replace(/[()]/g, '')
      .replace("'a'", "'a' from pg_sleep(20)")
    const running = errorOf(
      client.query(
        slow.includes('$') ? 'insert into item select $1, $2 from pg_sleep(20)' : slow,
        first[1] as unknown[],
      ),
    )
    const end = `select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1 and state = 'active'`
    await expect.poll(async () => (await world.admin.query(end, [application_name])).rowCount).toBe(1)
    expect(await running).toMatchObject({ code: 'HEADWATER_CONNECTION_LOST', cause: { code: '57P01' } })
    expect(await errorOf(client.query('commit'))).toBeInstanceOf(ConnectionLost)
    client.release()
    expect(await items()).toEqual([])
  })

  it('a text with a COMMIT of its own whose answer is lost is unknown, as before', async () => {
    const wire = await world.cluster.wire(world.cluster.primary)
    const pool = open({ primary: { region: 'ams', connectionString: wire.url }, prepare: false })
    await pool.query('select 1')
    const client = await pool.connect()
    client.on('error', () => undefined)
    await client.query('begin')
    wire.cut({ at: /commit/, side: 'behind', times: 1 })
    const outcome = await errorOf(client.query("insert into item values (1, 'a'); commit"))
    expect(outcome).toMatchObject({ code: 'HEADWATER_OUTCOME_UNKNOWN' })
    expect(await errorOf(client.query('rollback'))).toMatchObject({ code: 'HEADWATER_OUTCOME_UNKNOWN' })
    client.release()
    await wire.close()
  })

  it('X2: on a replica it begins elsewhere', async () => {
    const wire = await world.cluster.wire(world.replica(0))
    const pool = open(
      {
        replicas: [{ region: 'nrt', connectionString: wire.url }],
        prepare: false,
      },
      'nrt',
    )
    const read = () =>
      within(pool, async (client) => {
        await client.query('begin read only')
        wire.cut({ afterBytes: 0, way: 'to-client' })
        const { rows } = await client.query('select is_standby, $1::int as n from server', [1])
        await client.query('commit')
        return rows
      })
    expect((await pool.query('select is_standby from server')).rows).toEqual([{ is_standby: true }])
    expect(await read()).toEqual([{ is_standby: false, n: 1 }])
    expect(wire.cuts).toBeGreaterThan(0)
    await wire.close()
  })
})

describe('S2: what does not end', () => {
  it('a statement that is cancelled is the only one that fails', async () => {
    const application_name = `cancelled-${crypto.randomUUID()}`
    const pool = open({ application_name })
    await within(pool, async (client) => {
      for (const [text, values] of [
        ["insert into item select 1, 'a' from pg_sleep(20)", undefined],
        ['insert into item select $1, $2 from pg_sleep(20)', [1, 'a']],
      ] as const) {
        await client.query('begin')
        const running = errorOf(ask(client, [text, values]))
        const cancel = `select pg_cancel_backend(pid) from pg_stat_activity where application_name = $1 and state = 'active'`
        await expect.poll(async () => (await world.admin.query(cancel, [application_name])).rowCount).toBe(1)
        expect(await running).toMatchObject({ code: '57014' })
        expect(await errorOf(client.query('select 1'))).toMatchObject({ code: '25P02' })
        expect((await client.query('commit')).command).toBe('ROLLBACK')
      }
    })
    expect(await items()).toEqual([])
  })

  it.each([
    ["insert into item select 1, 'a' from pg_sleep(1)", undefined],
    ['insert into item select $1, $2 from pg_sleep(1)', [1, 'a']],
  ])('a query_timeout: ROLLBACK ends the transaction, and what follows is outside of it (%s)', async (text, values) => {
    const pool = open({ query_timeout: 200, prepare: false })
    await pool.query('select 1')
    const client = await pool.connect()
    await client.query('begin')
    expect(await errorOf(client.query(text, values))).toMatchObject({ message: 'Query read timeout' })
    expect(client.getTransactionStatus?.()).not.toBe('I')
    await client.query({ text: 'rollback', query_timeout: 10_000 } as never)
    await client.query("insert into item values (7, 'a')")
    client.release()
    expect(await items()).toEqual([7])
  })
})

describe.skipIf(!hasPgBouncer).each(pgBouncers)('S2: behind PgBouncer $version in transaction mode', (command) => {
  it('goes with its BEGIN too, and nothing commits where that fails', async () => {
    await using pooler = await PgBouncer.start({ home: world.cluster.primary }, { pool_mode: 'transaction' }, command)
    const { hostname, port } = new URL(pooler.url('home'))
    await using front = await FrontendTap.open({ host: hostname, port: Number(port) })
    const url = new URL(front.url)
    url.pathname = '/home'
    const primary = { region: 'ams', connectionString: url.href, pooler: 'transaction' as const }
    const pool = open({ primary, max: 3 })
    await pool.query('select 1')
    const transact = (begin: string, first: Ask) =>
      within(pool, async (client) => {
        await client.query(begin)
        try {
          await ask(client, first)
          await client.query('commit')
        } catch (error) {
          await client.query('rollback')
          throw error
        }
      })
    front.take()
    await transact('begin', [INSERT, [1, 'a']])
    expect(front.take()).toBe('PBEPBDES Q')
    await transact('begin isolation level serializable', ["insert into item values (2, 'a')"])
    expect(front.take()).toBe('Q Q')
    for (const begin of WRONG) {
      for (const first of [[INSERT, [3, 'a']], ["insert into item values (3, 'a')"]] as const) {
        expect(await errorOf(transact(begin, first))).toMatchObject({ code: '42601' })
      }
    }
    const many = Array.from({ length: 30 }, (_, index) => transact('begin', [INSERT, [index + 10, 'a']]))
    await Promise.all(many)
    expect(await items()).toEqual([1, 2, ...many.map((_, index) => index + 10)])
  })
})

import { World } from '@headwater/test-world'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { RoutedPool, RoutedPoolOptions } from '../src/index.ts'
import { ERRORS, FORMS, saidOf, VALUES } from './answers-of-types.ts'
import { USES, untilPrepared } from './until-prepared.ts'

let world: World
let bare: pg.Pool
/** One connection that prepares, and has room for all. */
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
  shared = world.pool('ams', { routing: 'opt-in', max: 1, replicas: [], prepare: { perConnection: 1000 } })
  await untilPrepared(shared)
})
afterAll(async () => {
  await bare.end()
  await world[Symbol.asyncDispose]()
})

const opened: RoutedPool[] = []
afterEach(async () => {
  await Promise.all(opened.splice(0).map((pool) => pool.end()))
})

/** One connection to the primary, which prepares. */
async function open(options: RoutedPoolOptions = {}): Promise<RoutedPool> {
  const pool = world.pool('ams', { routing: 'opt-in', max: 1, replicas: [], ...options })
  opened.push(pool)
  await untilPrepared(pool)
  return pool
}

async function preparedTexts(pool: pg.Pool): Promise<string[]> {
  const query = { text: 'select statement from pg_prepared_statements order by prepare_time', prepare: false }
  const { rows } = await pool.query<{ statement: string }>(query)
  return rows.map(({ statement }) => statement)
}

describe('S1: prepared, every type and form is answered to the byte as by pg', () => {
  it.each(VALUES)('%s', async (type, ...values) => {
    // `$2` makes it hot with any value.
    const text = `select $1::${type} as v, $2::int as n, 1 as "a ""b", null as "__proto__"`
    for (let n = 0; n < USES; n += 1) await shared.query({ text, values: [null, n] })
    expect(await preparedTexts(shared)).toContain(text)
    for (const [form, options] of Object.entries(FORMS)) {
      for (const value of values) {
        for (let n = 0; n < 2; n += 1) {
          const query = { text, values: [value, n], ...options }
          const [own, theirs] = await Promise.all([
            saidOf(() => shared.query({ ...query })),
            saidOf(() => bare.query({ ...query })),
          ])
          expect(own, form).toEqual(theirs)
        }
      }
    }
    expect(await preparedTexts(shared)).toContain(text)
  })
})

describe('S1: prepared, every error is that of pg, field by field', () => {
  const cases = ERRORS.map(([text, good, ...bad]) => ({ text, good, bad }))
  it.each(cases)('$text', async ({ text, good, bad }) => {
    for (let n = 0; n < USES; n += 1) await shared.query(text, good)
    expect(await preparedTexts(shared)).toContain(text)
    for (const values of [good, ...bad, good]) {
      for (const form of [{}, { rowMode: 'array' }]) {
        const query = { text, values, ...form }
        expect(await saidOf(() => shared.query(query))).toEqual(await saidOf(() => bare.query(query)))
      }
    }
  })

  it('in a transaction: the error, and what follows it', async () => {
    const pool = await open()
    const text = 'select 10 / $1::int as v'
    const story = async (from: pg.Pool): Promise<unknown[]> => {
      const client = await from.connect()
      const said: unknown[] = []
      for (const [sql, values] of [
        ['begin', undefined],
        [text, [5]],
        [text, [0]],
        [text, [5]],
        ['rollback', undefined],
        [text, [2]],
      ] as const) {
        said.push(await saidOf(() => client.query(sql, values as unknown as unknown[])))
      }
      client.release()
      return said
    }
    for (let n = 0; n < USES; n += 1) await pool.query(text, [1])
    expect(await story(pool)).toEqual(await story(bare))
  })

  it('notices come as they do from pg', async () => {
    const pool = await open()
    const heard = async (from: pg.Pool): Promise<string[]> => {
      const client = await from.connect()
      const notices: string[] = []
      client.on('notice', ({ message = '' }) => notices.push(message))
      for (let n = 0; n < USES + 2; n += 1) await client.query('select shout($1)', [String(n)])
      client.release()
      return notices
    }
    expect(await heard(pool)).toEqual(await heard(bare))
  })
})

describe('S1: what is prepared', () => {
  const TEXT = 'select id, name from item where id = $1'
  const use = async (
    pool: RoutedPool,
    text = TEXT,
    values: unknown[] | undefined = [1],
    times = USES,
  ): Promise<void> => {
    for (let n = 0; n < times; n += 1) await pool.query(text, values)
  }

  it('a text that comes back, under a hash of it, and status() tells', async () => {
    const pool = await open()
    await use(pool)
    const { rows } = await pool.query({ text: 'select name, statement from pg_prepared_statements', prepare: false })
    expect(rows.filter(({ statement }) => statement === TEXT)).toEqual([
      { name: expect.stringMatching(/^hw_[\w-]{24}$/), statement: TEXT },
    ])
    const [primary] = pool.status().servers
    expect(primary?.prepared).toMatchObject({ state: 'on', statements: rows.length, slower: [] })
    expect(primary?.prepared.estimatedBytes).toBeGreaterThan(0)
  })

  it('reads without values too; the answer is that of the simple protocol', async () => {
    const pool = await open()
    const text = 'select count(*)::int as n from item;'
    for (let n = 0; n < USES + 3; n += 1) {
      expect(await saidOf(() => pool.query(text))).toEqual(await saidOf(() => bare.query(text)))
    }
    expect(await preparedTexts(pool)).toContain(text)
  })

  it('on a replica, through a lease and in its transactions', async () => {
    const pool = world.pool('ams', { max: 1 })
    opened.push(pool)
    const prepared = () => pool.status().servers.find(({ name }) => name === 'replica-0')?.prepared.statements
    await expect
      .poll(
        async () => {
          await pool.query(TEXT, [1])
          return prepared()
        },
        { timeout: 20_000 },
      )
      .toBeGreaterThan(0)
    const client = await pool.connect()
    await client.query('begin read only')
    const before = prepared() ?? 0
    const inside = 'select name from item where id = $1'
    for (let n = 0; n < USES; n += 1) expect((await client.query(inside, [3])).rows).toEqual([{ name: 'name 3' }])
    expect(prepared()).toBe(before + 1)
    await client.query('commit')
    client.release()
  })

  it.each<[string, string, unknown[] | undefined, object]>([
    ['a text seen once', 'select 7 as seven', [], {}],
    ['a query with prepare: false', TEXT, [1], { prepare: false }],
    ['a query that fetches in parts', TEXT, [1], { rows: 1 }],
    ['a write without values', 'update item set name = name where id = 1', undefined, {}],
    ['several statements', 'select 1; select 2', undefined, {}],
    ['BEGIN and COMMIT', 'begin; commit', undefined, {}],
    ['a setting', "set statement_timeout = '1min'", undefined, {}],
    ['EXPLAIN', 'explain select 1', undefined, {}],
    ['a text over the size', `select $1::int /* ${'x'.repeat(9_000)} */`, [1], {}],
  ])('not %s', async (what, text, values, form) => {
    const pool = await open()
    const times = what === 'a text seen once' ? 1 : USES + 2
    for (let n = 0; n < times; n += 1) await pool.query({ text, values, ...form } as pg.QueryConfig)
    expect(await preparedTexts(pool)).not.toContain(text)
  })

  it('not what the app names itself, which pg goes on preparing under that name', async () => {
    const pool = await open()
    for (let n = 0; n < USES + 2; n += 1) await pool.query({ name: 'mine', text: TEXT, values: [n] })
    const { rows } = await pool.query({
      text: 'select name from pg_prepared_statements where statement = $1',
      values: [TEXT],
    })
    expect(rows).toEqual([{ name: 'mine' }])
  })

  it('nothing with prepare: false', async () => {
    const pool = world.pool('ams', { routing: 'opt-in', max: 1, prepare: false })
    opened.push(pool)
    await use(pool, TEXT, [1], 20)
    expect(await preparedTexts(pool)).toEqual([])
    expect(pool.status().servers[0]?.prepared).toEqual({ state: 'off', statements: 0, estimatedBytes: 0, slower: [] })
  })

  it('fields that an app writes into are its own', async () => {
    const pool = await open()
    await use(pool)
    for (let n = 0; n < 4; n += 1) {
      const { rows, fields } = await pool.query(TEXT, [1])
      expect(rows).toEqual([{ id: 1, name: 'name 1' }])
      for (const field of fields) field.name = 'changed'
      fields.length = 0
    }
  })

  it('texts with their values written into them fill nothing', async () => {
    const pool = await open()
    for (let n = 0; n < 40; n += 1) await use(pool, `select name from item where id = ${n} and name <> 'x${n}'`, [])
    const texts = (await preparedTexts(pool)).filter((text) => text.includes('and name <>'))
    expect(texts.length).toBeLessThanOrEqual(10)
    expect(texts.length).toBeGreaterThan(0)
  })

  it('more hot texts than places: those that are in use stay, and nothing is prepared in turn', async () => {
    const pool = await open({ prepare: { perConnection: 5 } })
    const text = (n: number) => `select id, ${'name, '.repeat(n)} size from item where id = $1`
    for (let round = 0; round < USES + 4; round += 1) {
      for (let n = 0; n < 12; n += 1) expect((await pool.query(text(n), [1])).rows).toHaveLength(1)
    }
    expect((await preparedTexts(pool)).length).toBeLessThanOrEqual(5)
    // Those that are not used for long make room, and are closed.
    await use(pool, TEXT, [1], 60)
    const texts = await preparedTexts(pool)
    expect(texts).toContain(TEXT)
    expect(texts.length).toBeLessThanOrEqual(5)
  })
})

describe('S1: what makes a prepared statement useless costs one silent repeat', () => {
  const TEXT = 'select * from moving where a = $1'
  const start = async (): Promise<RoutedPool> => {
    await world.change(
      'drop table if exists moving; create table moving (a int primary key); insert into moving values (1)',
    )
    const pool = await open()
    for (let n = 0; n < USES; n += 1) expect((await pool.query(TEXT, [1])).rows).toEqual([{ a: 1 }])
    expect(await preparedTexts(pool)).toContain(TEXT)
    return pool
  }

  it('a column more, by somebody else', async () => {
    const pool = await start()
    await world.change('alter table moving add b int default 2')
    for (let n = 0; n < 3; n += 1) expect((await pool.query(TEXT, [1])).rows).toEqual([{ a: 1, b: 2 }])
  })

  it('a column of another type, by this pool, on all its connections', async () => {
    const pool = await start()
    await pool.query('alter table moving alter a type text')
    for (let n = 0; n < 3; n += 1) expect((await pool.query(TEXT, ['1'])).rows).toEqual([{ a: '1' }])
  })

  it.each(['discard all', 'deallocate all', 'select 1; deallocate all'])('%s', async (text) => {
    const pool = await start()
    await pool.query(text)
    for (let n = 0; n < 3; n += 1) expect((await pool.query(TEXT, [1])).rows).toEqual([{ a: 1 }])
  })

  it('DEALLOCATE where nobody sees it', async () => {
    const pool = await start()
    await pool.query("do $$ begin execute 'deal' || 'locate all'; end $$")
    expect(await preparedTexts(pool)).toEqual([])
    for (let n = 0; n < 3; n += 1) expect((await pool.query(TEXT, [1])).rows).toEqual([{ a: 1 }])
  })

  it('in a transaction the error is the server’s, and the next transaction is right', async () => {
    const pool = await start()
    await world.change('alter table moving add b int default 2')
    const client = await pool.connect()
    await client.query('begin')
    await expect(client.query(TEXT, [1])).rejects.toMatchObject({ code: '0A000' })
    await client.query('rollback')
    await client.query('begin')
    expect((await client.query(TEXT, [1])).rows).toEqual([{ a: 1, b: 2 }])
    await client.query('commit')
    client.release()
  })

  it('a table that is dropped and made again', async () => {
    const pool = await start()
    await world.change('drop table moving')
    await expect(pool.query(TEXT, [1])).rejects.toMatchObject({ code: '42P01' })
    await world.change('create table moving (a int primary key, c text); insert into moving values (1, $$x$$)')
    for (let n = 0; n < 3; n += 1) expect((await pool.query(TEXT, [1])).rows).toEqual([{ a: 1, c: 'x' }])
  })

  it('another search_path', async () => {
    const pool = await start()
    await world.change(
      'create schema if not exists other; drop table if exists other.moving; create table other.moving (a int, z int); insert into other.moving values (1, 9)',
    )
    const client = await pool.connect()
    await client.query('set search_path = other')
    expect((await client.query(TEXT, [1])).rows).toEqual([{ a: 1, z: 9 }])
    await client.query('reset search_path')
    expect((await client.query(TEXT, [1])).rows).toEqual([{ a: 1 }])
    client.release()
  })

  it('an error that a function raises with the same code is the app’s own', async () => {
    const pool = await open()
    const text = 'select fails($1)'
    await world.change(`create or replace function fails(n int) returns int language plpgsql as $$ begin
      if n > 0 then perform nextval('tries'); raise exception 'own' using errcode = '26000'; end if; return n; end $$;
      create sequence if not exists tries`)
    for (let n = 0; n < USES; n += 1) await pool.query(text, [0])
    await expect(pool.query(text, [1])).rejects.toMatchObject({ code: '26000', message: 'own' })
    expect((await pool.query('select last_value::int as n, is_called from tries')).rows).toEqual([
      { n: 1, is_called: true },
    ])
  })
})

import { WHO, World } from '@headwater/test-world'
import pg from 'pg'
import Cursor from 'pg-cursor'
import QueryStream from 'pg-query-stream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

let world: World
beforeAll(async () => {
  world = await World.start()
})
afterAll(() => world[Symbol.asyncDispose]())

/**
 * Every form in which pg.Pool and its clients take a query. Each is run on bare pg at the primary too, so that what we
 * hold ourselves to is what pg does.
 */
const SETUPS = [
  { name: 'bare pg.Pool at the primary', who: 'primary', make: () => world.admin },
  { name: 'RoutedPool, at home', who: 'nrt', make: () => world.informedPool('ams') },
  { name: 'RoutedPool, away', who: 'nrt', make: () => world.informedPool('nrt') },
  {
    name: 'RoutedPool, explicit mode at home',
    who: 'primary',
    make: () => world.informedPool('ams', { routing: 'opt-in' }),
  },
] as const

type Result = pg.QueryResult<{ who: string }>

describe.each(SETUPS)('$name', ({ who, make }) => {
  let pool: pg.Pool
  beforeAll(async () => {
    pool = await make()
  })

  const withClient = async <T>(use: (client: pg.PoolClient) => Promise<T>): Promise<T> => {
    const client = await pool.connect()
    try {
      return await use(client)
    } finally {
      client.release()
    }
  }

  const PARAMETERS = `${WHO} where $1::int = 1`

  describe.each(['pool', 'client'] as const)('%s.query', (holder) => {
    const run = <T>(use: (target: pg.Pool | pg.PoolClient) => Promise<T>): Promise<T> =>
      holder === 'pool' ? use(pool) : withClient(use)

    it('text', async () => {
      const result: Result = await run((target) => target.query(WHO))
      expect(result.rows).toEqual([{ who }])
      expect(result).toMatchObject({ command: 'SELECT', rowCount: 1 })
      expect(result.fields[0]?.name).toBe('who')
    })

    it('text and values', async () => {
      expect((await run((target) => target.query(PARAMETERS, [1]))).rows).toEqual([{ who }])
    })

    it('config', async () => {
      const config = Object.freeze({ text: PARAMETERS, values: [1] })
      expect((await run((target) => target.query(config))).rows).toEqual([{ who }])
    })

    it('config and values', async () => {
      expect((await run((target) => target.query({ text: PARAMETERS }, [1]))).rows).toEqual([{ who }])
    })

    it('a config whose fields are getters of a class (SQL template libraries)', async () => {
      class Sql {
        readonly strings = [PARAMETERS]
        get text(): string {
          return this.strings.join('')
        }
        get values(): number[] {
          return [1]
        }
      }
      expect((await run((target) => target.query(new Sql()))).rows).toEqual([{ who }])
    })

    it('rowMode array and own types', async () => {
      const types = { getTypeParser: () => (text: string) => `<${text}>` } as unknown as pg.CustomTypesConfig
      const { rows } = await run((target) => target.query({ text: WHO, rowMode: 'array', types }))
      expect(rows).toEqual([[`<${who}>`]])
    })

    it('a named statement, more than once, and one that fails first', async () => {
      const name = `named-${holder}`
      for (const value of [1, 1, 2]) {
        const { rows } = await run((target) => target.query({ name, text: PARAMETERS, values: [value] }))
        expect(rows).toEqual(value === 1 ? [{ who }] : [])
      }
      const bad = { name: `bad-${holder}`, text: 'select 1 / $1::int as n', values: [0] }
      await expect(run((target) => target.query(bad))).rejects.toMatchObject({ code: '22012' })
      expect((await run((target) => target.query({ ...bad, values: [1] }))).rows).toEqual([{ n: 1 }])
    })

    it('callback forms: text; text and values; config', async () => {
      const call = (
        start: (target: pg.Pool | pg.PoolClient, done: (error: Error | null, result: Result) => void) => unknown,
      ) =>
        run(
          (target) =>
            new Promise<Result>((resolve, reject) => {
              const returned = start(target, (error, result) => (error ? reject(error) : resolve(result)))
              if (holder === 'client') expect(returned).toBeUndefined()
            }),
        )
      expect((await call((target, done) => target.query(WHO, done))).rows).toEqual([{ who }])
      expect((await call((target, done) => target.query(PARAMETERS, [1], done))).rows).toEqual([{ who }])
      expect((await call((target, done) => target.query({ text: WHO }, done))).rows).toEqual([{ who }])
      await expect(call((target, done) => target.query('select 1/0', done))).rejects.toMatchObject({ code: '22012' })
    })

    it('several statements in one text give an array of results', async () => {
      const results: unknown = await run((target) => target.query(`select 1 as n; ${WHO}`))
      expect(results).toMatchObject([{ rows: [{ n: 1 }] }, { rows: [{ who }] }])
    })

    it('an empty text', async () => {
      expect(await run((target) => target.query(''))).toMatchObject({ rows: [], rowCount: null })
    })

    it('a database error comes unchanged, with a stack that leads here', async () => {
      const error: unknown = await run((target) => target.query('select 1/0')).catch((reason: unknown) => reason)
      expect(error).toBeInstanceOf(pg.DatabaseError)
      expect(error).toMatchObject({ code: '22012', severity: 'ERROR', routine: 'int4div' })
      expect((error as Error).stack).toContain('forms.integration.test.ts')
    })

    it('null and undefined are refused as pg refuses them', async () => {
      for (const nothing of [null, undefined]) {
        await expect(run(async (target) => target.query(nothing as unknown as string))).rejects.toThrow(TypeError)
      }
    })

    it('pg.Query as a Submittable', async () => {
      const rows = await run(
        (target) =>
          new Promise<unknown[]>((resolve, reject) => {
            const seen: unknown[] = []
            const query = new pg.Query(WHO)
            query.on('row', (row) => seen.push(row))
            query.on('end', () => resolve(seen))
            query.on('error', reject)
            target.query(query)
          }),
      )
      expect(rows).toEqual([{ who }])
    })
  })

  it('client: pg-cursor, read before it is sent, and closed', async () => {
    const rows = await withClient(async (client) => {
      const cursor = client.query(
        new Cursor<{ n: number; who: string }>(`select n, who from server, generate_series(1, 5) n`),
      )
      const first = await cursor.read(2)
      const second = await cursor.read(2)
      await cursor.close()
      const after = await client.query<{ who: string }>(WHO)
      return [...first, ...second, ...after.rows]
    })
    expect(rows).toEqual([1, 2, 3, 4].map((n) => ({ n, who }) as object).concat([{ who }]))
  })

  it('client: pg-query-stream', async () => {
    const seen = await withClient(async (client) => {
      const stream = client.query(new QueryStream(`select n, who from server, generate_series(1, 300) n`))
      const rows: unknown[] = []
      for await (const row of stream) rows.push(row)
      return rows
    })
    expect(seen).toHaveLength(300)
    expect(seen[0]).toEqual({ n: 1, who })
  })

  it('client: a Submittable that fails reports it itself', async () => {
    await withClient(async (client) => {
      const cursor = client.query(new Cursor('select 1/0'))
      await expect(cursor.read(1)).rejects.toMatchObject({ code: '22012' })
      await cursor.close()
      expect((await client.query(WHO)).rows).toEqual([{ who }])
    })
  })

  it('client: queries that are not awaited run in order', async () => {
    const order = await withClient((client) =>
      Promise.all([1, 2, 3].map(async (n) => (await client.query(`select ${n} as n`)).rows[0].n)),
    )
    expect(order).toEqual([1, 2, 3])
  })

  it('connect() with a callback, its release, and a second release', async () => {
    const outcome = await new Promise<unknown>((resolve, reject) => {
      pool.connect((error, client, release) => {
        if (error !== undefined || client === undefined) return reject(error)
        client.query(WHO, (failure: Error | null, result: Result) => {
          release()
          if (failure) return reject(failure)
          expect(() => client.release()).toThrow('already been released')
          resolve(result.rows)
        })
      })
    })
    expect(outcome).toEqual([{ who }])
  })

  it('a released client never comes back inside a transaction', async () => {
    const client = await pool.connect()
    await client.query('begin')
    await client.query(WHO)
    if (!(pool === world.admin)) {
      client.release()
      await Promise.all(
        Array.from({ length: 4 }, () => withClient(async (next) => expect(next.getTransactionStatus()).toBe('I'))),
      )
      const openTransactions = async () =>
        (
          await world.admin.query(
            "select count(*)::int as open from pg_stat_activity where state like 'idle in transaction%'",
          )
        ).rows[0].open
      await expect.poll(openTransactions).toBe(0)
      await expect.poll(() => pool.idleCount).toBe(pool.totalCount)
    } else {
      await client.query('rollback')
      client.release()
    }
  })

  it('is a pg.Pool, with its counts, options and events', async () => {
    expect(pool).toBeInstanceOf(pg.Pool)
    expect(pool.constructor.name).toContain('Pool')
    const seen: string[] = []
    const listeners = (['acquire', 'release'] as const).map((event) => {
      const listener = () => seen.push(event)
      pool.on(event, listener)
      return [event, listener] as const
    })
    await pool.query(WHO)
    expect(seen).toEqual(['acquire', 'release'])
    for (const [event, listener] of listeners) pool.removeListener(event, listener)
    expect(pool.totalCount).toBeGreaterThan(0)
    expect(pool.idleCount).toBe(pool.totalCount)
    expect(pool.waitingCount).toBe(0)
    expect(pool.options.max).toBeGreaterThan(0)
  })
})

describe('RoutedPool does what pg.Pool leaves out', () => {
  it('an error of the statement does not cost the connection', async () => {
    const pool = world.pool('nrt')
    await pool.query(WHO)
    for (let n = 0; n < 5; n += 1) await expect(pool.query('select 1/0')).rejects.toMatchObject({ code: '22012' })
    expect(pool.totalCount).toBe(1)
  })

  it('BEGIN through the pool leaves no transaction behind for the next', async () => {
    const pool = world.pool('ams', { max: 1 })
    await pool.query('begin')
    await pool.query("insert into note (body) values ('kept')")
    expect(await world.notes('kept')).toBe(1)
  })

  it('pool.query(new QueryStream()) gives the stream, and its connection comes back', async () => {
    const pool = world.pool('nrt')
    const rows: unknown[] = []
    for await (const row of pool.query(new QueryStream('select n from generate_series(1, 3) n'))) rows.push(row)
    expect(rows).toHaveLength(3)
    await expect.poll(() => pool.idleCount).toBe(1)
  })

  it('what a connect listener sends does not cut a cursor short', async () => {
    const pool = world.pool('nrt', { max: 1 })
    pool.on('connect', (client) => client.query("set work_mem = '8MB'"))
    const client = await pool.connect()
    const cursor = client.query(new Cursor<{ n: number }>('select n from generate_series(1, 10) n'))
    expect(await cursor.read(2)).toHaveLength(2)
    client.release()
    await cursor.close().catch(() => undefined)
    expect((await pool.query(WHO)).rows).toEqual([{ who: 'nrt' }])
  })

  it('LISTEN holds the client at the primary and delivers notifications', async () => {
    const pool = world.pool('ams')
    const client = await pool.connect()
    const heard = new Promise((resolve) => client.on('notification', (message) => resolve(message.payload)))
    await client.query('listen news')
    await world.admin.query("notify news, 'hello'")
    expect(await heard).toBe('hello')
    expect((await client.query(WHO)).rows).toEqual([{ who: 'primary' }])
    client.release(true)
  })

  it('X5: end() leaves no connection behind, also with a callback, and only once', async () => {
    const pool = world.pool('nrt')
    await pool.query(WHO)
    await pool.end()
    expect(pool.totalCount).toBe(0)
    await expect(pool.end()).rejects.toThrow('more than once')
    await expect(pool.query(WHO)).rejects.toThrow('after calling end')
    await expect(pool.connect()).rejects.toThrow('after calling end')
    await new Promise<void>((resolve) => world.pool('nrt').end(resolve))
  })
})

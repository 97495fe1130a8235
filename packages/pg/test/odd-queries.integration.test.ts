import { inJob, WHO, World } from '@headwater/test-world'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { thrownToTheProcess } from './thrown-to-the-process.ts'

let world: World
beforeAll(async () => {
  world = await World.start()
})
afterAll(() => world[Symbol.asyncDispose]())

const SETUPS = [
  {
    name: 'bare pg.Pool at the primary',
    make: () => {
      const bare = new pg.Pool({ connectionString: world.cluster.primary.url })
      bare.on('error', () => undefined)
      return bare
    },
  },
  { name: 'RoutedPool, at home', make: () => world.pool('ams') },
  { name: 'RoutedPool, explicit mode', make: () => world.pool('ams', { routing: 'opt-in' }) },
] as const

const cyclic: { self?: unknown } = {}
cyclic.self = cyclic

/** What has no place on the wire, each with the error that pg has for it. */
const UNSENDABLE = [
  ['a value that JSON has no form for', { text: 'select $1::json', values: [{ id: 1n }] }, /BigInt/],
  ['a cyclic value', { text: 'select $1::json', values: [cyclic] }, /circular/],
  ['a text that is undefined', { text: undefined }, /either text or a name/],
  ['no text', {}, /either text or a name/],
  ['a number', 5, /either text or a name/],
  ['values that are no array', { text: 'select $1', values: 'no array' }, /must be an array/],
] as const

describe.each(SETUPS)('R10: $name', ({ name, make }) => {
  let pool: pg.Pool
  beforeAll(() => {
    pool = make()
  })
  afterAll(async () => {
    if (!pool.ending) await pool.end()
  })

  describe.each(UNSENDABLE)('%s', (_name, query, message) => {
    // What an app in JavaScript may pass.
    const odd = query as unknown as string

    it('is rejected by pool.query, and its connection is not lost', async () => {
      for (let n = 0; n < 12; n += 1) await expect(pool.query(odd)).rejects.toThrow(message)
      expect((await pool.query('select 1 as n')).rows).toEqual([{ n: 1 }])
      await expect.poll(() => pool.idleCount).toBe(pool.totalCount)
    })

    it('reaches a callback once', async () => {
      const told: unknown[] = []
      pool.query(odd, (error: Error) => told.push(error))
      await expect.poll(() => told).toHaveLength(1)
      await pool.query('select 1')
      expect(told).toEqual([expect.objectContaining({ message: expect.stringMatching(message) })])
    })

    it('is rejected by a client as its first query and later, which goes on', async () => {
      const client = await pool.connect()
      for (let n = 0; n < 2; n += 1) {
        await expect(client.query(odd)).rejects.toThrow(message)
        expect((await client.query('select 1 as n')).rows).toEqual([{ n: 1 }])
        await expect(client.query('select 1 / 0')).rejects.toMatchObject({ code: '22012' })
      }
      client.release()
      await expect.poll(() => pool.idleCount).toBe(pool.totalCount)
    })

    it('in a transaction is an error of its own, and the transaction goes on', async () => {
      const client = await pool.connect()
      await client.query('begin')
      await expect(client.query(odd)).rejects.toThrow(message)
      await client.query(`insert into note (body) values ('around the odd one')`)
      await client.query('rollback')
      client.release()
      expect(await world.notes('around the odd one')).toBe(0)
    })
  })

  describe.each(['pool', 'client'] as const)('new pg.Query(…) with a callback, given to %s.query', (holder) => {
    const ask = async (text: string) => {
      const client = holder === 'pool' ? undefined : await pool.connect()
      const target = client ?? pool
      try {
        return await new Promise<unknown>((resolve) => {
          const callback = (error: unknown, result: pg.QueryResult) => resolve(error ?? result.rows)
          Reflect.apply(target.query, target, [new pg.Query(text), callback])
        })
      } finally {
        client?.release()
      }
    }

    it('calls back with the result', async () => {
      expect(await ask('select 1 as n')).toEqual([{ n: 1 }])
    })

    it('calls back with the error', async () => {
      expect(await ask('select 1 / 0')).toMatchObject({ code: '22012' })
      expect(await ask('select 1 as n')).toEqual([{ n: 1 }])
    })
  })

  it('a named statement is known by its name alone from then on', async () => {
    const client = await pool.connect()
    const insert = {
      name: 'insert-note',
      text: 'insert into note (body) values ($1)',
      values: [`named ${pool.options.max}`],
    }
    await client.query(insert)
    const again = { name: insert.name, values: ['by name alone'] } as unknown as pg.QueryConfig
    await client.query(again)
    await client.query(again)
    client.release()
    await world.admin
      .query(`delete from note where body = 'by name alone'`)
      .then(({ rowCount }) => expect(rowCount).toBe(2))
  })

  it('a name that stands for two texts is rejected, and the client goes on', async () => {
    const client = await pool.connect()
    await client.query({ name: 'one', text: 'select 1 as n' })
    await expect(client.query({ name: 'one', text: 'select 2 as n' })).rejects.toThrow(/must be unique/)
    await expect(client.query('select 1 / 0')).rejects.toMatchObject({ code: '22012' })
    expect((await client.query({ name: 'one', text: 'select 1 as n' })).rows).toEqual([{ n: 1 }])
    client.release()
  })

  // Thrown in the callback of an error, bare pg loses the rest of what its socket had read, and hangs.
  const ends = name.startsWith('bare') ? (['result'] as const) : (['result', 'error'] as const)
  it.each(ends)('a throw in the callback of a %s reaches the process, and costs no connection', async (end) => {
    const text = end === 'error' ? 'select 1 / 0' : 'select 1'
    for (const holder of ['pool', 'client'] as const) {
      const client = holder === 'client' ? await pool.connect() : undefined
      const target = client ?? pool
      const thrown = await thrownToTheProcess(() => {
        target.query(text, () => {
          throw new Error('thrown by the app')
        })
      })
      expect(thrown).toMatchObject({ message: 'thrown by the app' })
      if (client === undefined) continue
      expect((await client.query('select 1 as n')).rows).toEqual([{ n: 1 }])
      client.release()
    }
    await expect.poll(() => pool.idleCount).toBe(pool.totalCount)
  })
})

it('R10: a Submittable that throws when it is sent gets the error, and costs its connection', async () => {
  const pool = world.pool('ams', { max: 1 })
  for (const holder of ['pool', 'client'] as const) {
    const client = holder === 'client' ? await pool.connect() : undefined
    const target: Pick<pg.PoolClient, 'query'> = client ?? pool
    const heard: unknown[] = []
    const thrown = new Error('cannot be sent')
    target.query({
      text: WHO,
      submit: () => {
        throw thrown
      },
      handleError: (error: unknown) => heard.push(error),
    } as unknown as pg.Submittable)
    await expect.poll(() => heard).toContain(thrown)
    client?.release()
    expect((await pool.query(WHO)).rows).toEqual([{ who: 'nrt' }])
  }
})

it('R10: a name that is not a string rejects, and costs its connection; pg throws, or ends the process', async () => {
  const pool = world.pool('ams', { max: 1 })
  const odd = { name: 5, text: 'select 1' } as unknown as pg.QueryConfig
  for (let n = 0; n < 3; n += 1) await expect(pool.query(odd)).rejects.toThrow(TypeError)
  const client = await pool.connect()
  await expect(client.query(odd)).rejects.toThrow(TypeError)
  await client.query('begin')
  await client.query("insert into note (body) values ('half')")
  await expect(client.query(odd)).rejects.toThrow(TypeError)
  await expect(client.query('commit')).rejects.toThrow(/terminated/)
  client.release()
  expect(await world.notes('half')).toBe(0)
  // Its COMMIT was not answered, so a read outside any scope would stay at the primary for a while.
  expect((await inJob(() => pool.query(WHO))).rows).toEqual([{ who: 'nrt' }])
})

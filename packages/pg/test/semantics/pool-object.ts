import pg from 'pg'
import { type Area, ask, call, endOf, property, withClient } from './row.ts'

/** The pool as an object: what libraries look at before they use it. */
export const POOL_OBJECT: Area = {
  title: 'The pool as an object',
  rows: [
    { says: 'a pool is an `instanceof pg.Pool`', run: ({ open }) => open() instanceof pg.Pool, gives: true },
    {
      says: 'its class is named `BoundPool`: rate-limiter-flexible, PostGraphile and others ask for `Pool` or `BoundPool`',
      run: ({ open }) => open().constructor.name,
      gives: 'BoundPool',
    },
    {
      says: '`pool.Client` is a subclass of `pg.Client` or that class',
      run: ({ open }) => {
        const Client = property(open(), 'Client')
        return Client === pg.Client || (Client as typeof pg.Client).prototype instanceof pg.Client
      },
      gives: true,
    },
    {
      says: 'a new pool has opened nothing: all counts are 0, and it is neither `ending` nor `ended`',
      run: ({ open }) => {
        const { totalCount, idleCount, waitingCount, expiredCount, ending, ended } = open()
        return [totalCount, idleCount, waitingCount, expiredCount, ending, ended]
      },
      gives: [0, 0, 0, 0, false, false],
    },
    {
      says: '`pool.options` has the defaults of pg',
      run: ({ open }) => {
        const { max, min, maxUses, allowExitOnIdle, maxLifetimeSeconds, idleTimeoutMillis } = open().options
        return [max, min, maxUses, allowExitOnIdle, maxLifetimeSeconds, idleTimeoutMillis]
      },
      gives: [10, 0, Number.POSITIVE_INFINITY, false, 0, 10_000],
    },
    {
      says: '`pool.options` has what was given, `poolSize` as `max` too',
      run: ({ open }) => {
        const { max, idleTimeoutMillis } = open({ poolSize: 3, idleTimeoutMillis: 7 } as pg.PoolConfig).options
        return [max, idleTimeoutMillis]
      },
      gives: [3, 7],
    },
    {
      says: 'a password is hidden from `JSON.stringify`, spreads and logs of `pool.options`, and can be read',
      run: ({ open }) => {
        const { options } = open({ password: 'hush' })
        return [Object.keys(options).includes('password'), options.password]
      },
      gives: [false, 'hush'],
    },
    {
      says: 'the options that were given stay as they were',
      run: ({ open }) => {
        const options = Object.freeze({ max: 2, idleTimeoutMillis: 50 })
        open(options)
        return options
      },
      gives: { max: 2, idleTimeoutMillis: 50 },
    },
    {
      says: 'after one query the pool holds one idle client',
      run: async ({ open }) => {
        const pool = open()
        await pool.query('select 1')
        return [pool.totalCount, pool.idleCount, pool.waitingCount]
      },
      gives: [1, 1, 0],
    },
    {
      says: 'a client in use counts as not idle, and one that waits for a place as waiting',
      run: async ({ open }) => {
        const pool = open({ max: 1 })
        const client = await pool.connect()
        await client.query('begin')
        await client.query('select 1')
        const next = pool.query("insert into note (body) values ('waited')")
        await new Promise(setImmediate)
        const seen = [pool.totalCount, pool.idleCount, pool.waitingCount]
        await client.query('commit')
        client.release()
        await next
        return [...seen, pool.totalCount, pool.idleCount, pool.waitingCount]
      },
      gives: [1, 0, 1, 1, 1, 0],
    },
    {
      says: 'clients are served in the order in which they asked',
      run: async ({ open }) => {
        const pool = open({ max: 1 })
        const order: number[] = []
        await Promise.all(
          [1, 2, 3, 4].map(async (turn) => {
            await pool.query("insert into note (body) values ('in turn')")
            order.push(turn)
          }),
        )
        return order
      },
      gives: [1, 2, 3, 4],
    },
    {
      says: '`max` limits the connections',
      run: async ({ open }) => {
        const pool = open({ max: 2 })
        await Promise.all(Array.from({ length: 9 }, () => pool.query("insert into note (body) values ('many')")))
        return pool.totalCount
      },
      gives: 2,
    },
    {
      says: '`max` limits the connections, whatever is read and written',
      run: async ({ open }) => {
        const pool = open({ max: 1 })
        await Promise.all([pool.query('select 1'), pool.query("insert into note (body) values ('beside a read')")])
        return pool.totalCount
      },
      gives: 1,
      differs: { here: '`max` holds for each server', why: 'a connection leads to one server', gives: 2 },
    },
    {
      says: '`pool.query` with a function for a query calls it with an error',
      run: ({ open }) =>
        new Promise((resolve) => {
          ask(open(), (error: Error) => resolve(error.message))
        }),
      gives: 'Passing a function as the first parameter to pool.query is not supported',
    },
    {
      says: '`pool.on`, `once`, `off` and `emit` are those of an EventEmitter',
      run: ({ open }) => {
        const pool = open()
        const heard: unknown[] = []
        const listener = (...given: unknown[]): number => heard.push(given)
        call(pool, 'on', 'own event', listener)
        call(pool, 'emit', 'own event', 1, 2)
        call(pool, 'off', 'own event', listener)
        call(pool, 'emit', 'own event', 3)
        return heard
      },
      gives: [[1, 2]],
    },
    {
      says: '`await using pool` is not offered: a pool has no `Symbol.asyncDispose`',
      run: ({ open }) => Symbol.asyncDispose in open(),
      gives: false,
    },
    {
      says: 'what a client throws in the app leaves the pool as it was',
      run: async ({ open }) => {
        const pool = open({ max: 1 })
        const end = await endOf(() =>
          withClient(pool, async () => {
            throw new Error('of the app')
          }),
        )
        await pool.query('select 1')
        return end
      },
      gives: 'rejects with Error: of the app',
    },
  ],
}

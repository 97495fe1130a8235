import pg from 'pg'
import Cursor from 'pg-cursor'
import QueryStream from 'pg-query-stream'
import { type Area, ask, calledWith, endOf, rowsOf, withClient } from './row.ts'

/** What the pool tells, how it ends, and queries that send themselves. */
export const EVENTS_AND_END: Area = {
  title: 'Events, end() and Submittables',
  rows: [
    {
      says: 'the events of one `pool.query`, in order: connect, acquire, release',
      run: async ({ open }) => {
        const pool = open()
        const seen: string[] = []
        for (const event of ['connect', 'acquire', 'release', 'remove', 'error'] as const)
          pool.on(event as 'connect', () => seen.push(event))
        await pool.query('select 1')
        return seen
      },
      gives: ['connect', 'acquire', 'release'],
    },
    {
      says: 'a second query connects no more',
      run: async ({ open }) => {
        const pool = open()
        await pool.query('select 1')
        let connected = 0
        pool.on('connect', () => {
          connected += 1
        })
        await pool.query('select 2')
        return connected
      },
      gives: 0,
    },
    {
      says: '`connect`, `acquire` and `remove` give a client, which is an `instanceof pg.Client`',
      run: async ({ open }) => {
        const pool = open()
        const seen: boolean[] = []
        for (const event of ['connect', 'acquire', 'remove'] as const)
          pool.on(event, (client) => seen.push(client instanceof pg.Client))
        await pool.query('select 1')
        await pool.end()
        await new Promise((resolve) => setTimeout(resolve, 50))
        return seen
      },
      gives: [true, true, true],
    },
    {
      says: '`release` gives the error of `release(error)`, and the client',
      run: async ({ open }) => {
        const pool = open()
        const heard: unknown[] = []
        pool.on('release', (error, client) => heard.push([error, client instanceof pg.Client]))
        const gaveUp = new Error('gave up')
        for (const how of [undefined, gaveUp]) {
          const client = await pool.connect()
          await client.query('select 1')
          client.release(how)
        }
        return [heard, gaveUp]
      },
      gives: [
        [
          [undefined, true],
          [new Error('gave up'), true],
        ],
        new Error('gave up'),
      ],
    },
    {
      says: '`remove` is told when a client is closed',
      run: async ({ open }) => {
        const pool = open()
        const removed = new Promise((resolve) => pool.once('remove', () => resolve('removed')))
        const client = await pool.connect()
        await client.query('select 1')
        client.release(true)
        return removed
      },
      gives: 'removed',
    },
    {
      says: 'what a `connect` listener sends runs before the query that made the connection',
      run: async ({ open }) => {
        const pool = open()
        pool.on('connect', (client) => client.query("set work_mem = '8MB'"))
        return [
          await rowsOf(pool, 'show work_mem'),
          await withClient(pool, (client) => rowsOf(client, 'show work_mem')),
        ]
      },
      gives: [[{ work_mem: '8MB' }], [{ work_mem: '8MB' }]],
    },
    {
      says: '`onConnect` is waited for, on each connection',
      run: ({ open }) =>
        rowsOf(
          open({ onConnect: (client: pg.Client) => client.query("set work_mem = '9MB'") } as unknown as pg.PoolConfig),
          'show work_mem',
        ),
      gives: [{ work_mem: '9MB' }],
    },
    {
      says: '`onConnect` that fails: the query fails with its error, and nothing is left behind',
      run: async ({ open }) => {
        const onConnect = async (): Promise<never> => {
          throw new Error('not this one')
        }
        const pool = open({ onConnect } as unknown as pg.PoolConfig)
        const end = await endOf(() => pool.query("insert into note (body) values ('x')"))
        return [end, pool.totalCount]
      },
      gives: ['rejects with Error: not this one', 0],
    },
    {
      says: '`verify` that fails: the query fails with its error',
      run: async ({ open }) => {
        const verify = (_client: unknown, done: (error: Error) => void): void => done(new Error('not verified'))
        const pool = open({ verify } as unknown as pg.PoolConfig)
        return endOf(() => pool.query("insert into note (body) values ('x')"))
      },
      gives: 'rejects with Error: not verified',
    },
    {
      says: '`end()` closes all, and sets `ending` at once and `ended` at last',
      run: async ({ open }) => {
        const pool = open()
        await Promise.all([pool.query('select 1'), pool.query("insert into note (body) values ('x')")])
        const ended = pool.end()
        const isEnding = pool.ending
        await ended
        return [isEnding, pool.ending, pool.ended, pool.totalCount]
      },
      gives: [true, true, true, 0],
    },
    {
      says: '`end()` of a pool that was never used',
      run: ({ open }) => endOf(() => open().end()),
      gives: 'is answered',
    },
    {
      says: '`end(callback)` returns nothing, and calls without an error',
      run: async ({ open }) => {
        const pool = open()
        let returned: unknown = 'not called'
        const [error] = await calledWith((callback) => {
          returned = Reflect.apply(pool.end, pool, [callback])
        })
        return [returned, Boolean(error)]
      },
      gives: [undefined, false],
    },
    {
      says: 'a second `end()` rejects, by its callback too',
      run: async ({ open }) => {
        const pool = open()
        await pool.end()
        const [error] = await calledWith((callback) => Reflect.apply(pool.end, pool, [callback]))
        return [await endOf(() => pool.end()), (error as Error).message]
      },
      gives: ['rejects with Error: Called end on pool more than once', 'Called end on pool more than once'],
    },
    {
      says: 'after `end()` queries and `connect()` reject, by their callbacks too',
      run: async ({ open }) => {
        const pool = open()
        await pool.end()
        const [error] = await calledWith((callback) => ask(pool, 'select 1', callback))
        const [refused] = await calledWith((callback) => Reflect.apply(pool.connect, pool, [callback]))
        return [
          await endOf(() => pool.query('select 1')),
          await endOf(() => pool.connect()),
          (error as Error).message,
          (refused as Error).message,
        ]
      },
      gives: [
        'rejects with Error: Cannot use a pool after calling end on the pool',
        'rejects with Error: Cannot use a pool after calling end on the pool',
        'Cannot use a pool after calling end on the pool',
        'Cannot use a pool after calling end on the pool',
      ],
    },
    {
      says: '`end()` waits for leased clients, which are served until they are released',
      run: async ({ open }) => {
        const pool = open()
        const client = await pool.connect()
        const order: string[] = []
        const ended = pool.end().then(() => order.push('ended'))
        await client.query('select 1')
        order.push('served')
        client.release()
        await ended
        return order
      },
      gives: ['served', 'ended'],
    },
    {
      says: '`end()` waits for queries that run',
      run: async ({ open }) => {
        const pool = open()
        await pool.query('select 1')
        const running = rowsOf(pool, 'select 1 as n from pg_sleep(0.1)')
        await new Promise((resolve) => setTimeout(resolve, 30))
        await pool.end()
        return running
      },
      gives: [{ n: 1 }],
    },
    ...(['pool', 'client'] as const).map((holder) => ({
      says: `\`${holder}.query(new pg.Query(…))\` emits \`row\` and \`end\`${holder === 'client' ? ', and `error`' : ''}`,
      run: async ({ open }: { open(): pg.Pool }) => {
        const hear = async (target: pg.Pool | pg.PoolClient): Promise<unknown[]> => {
          const heard: unknown[] = []
          const all = ['select n from generate_series(1, 2) n', 'select 1/0']
          for (const text of holder === 'client' ? all : all.slice(0, 1)) {
            const query = new pg.Query(text)
            await new Promise<void>((resolve) => {
              query.on('row', (row: unknown) => heard.push(row))
              query.on('end', () => resolve())
              query.on('error', (error: Error) => {
                heard.push((error as pg.DatabaseError).code)
                resolve()
              })
              target.query(query)
            })
          }
          return heard
        }
        const pool = open()
        return holder === 'pool' ? hear(pool) : withClient(pool, hear)
      },
      gives: holder === 'client' ? [{ n: 1 }, { n: 2 }, '22012'] : [{ n: 1 }, { n: 2 }],
    })),
    {
      says: 'the error of `pool.query(new pg.Query(…))` rejects the promise that it gives',
      run: async ({ open }) => {
        const query = new pg.Query('select 1/0')
        let isEmitted = false
        query.on('error', () => {
          isEmitted = true
        })
        const end = await endOf(() => ask(open(), query))
        await new Promise((resolve) => setTimeout(resolve, 100))
        return [end, isEmitted]
      },
      gives: ['rejects with 22012', false],
      differs: {
        here: 'is emitted by the query, as on a client',
        why: 'it gives no promise',
        gives: ['is answered', true],
      },
    },
    {
      says: '`client.query(new pg.Query(…))` gives that query back',
      run: ({ open }) =>
        withClient(open(), async (client) => {
          const query = new pg.Query('select 1')
          const ended = new Promise<void>((resolve) => query.on('end', () => resolve()))
          const isSame = client.query(query) === query
          await ended
          return isSame
        }),
      gives: true,
    },
    {
      says: '`pool.query(new pg.Query(…))` gives a promise',
      run: async ({ open }) => {
        const query = new pg.Query('select 1')
        const ended = new Promise<void>((resolve) => query.on('end', () => resolve()))
        const given = ask(open(), query)
        await ended
        return given instanceof Promise
      },
      gives: true,
      differs: {
        here: 'gives that query back, as its types say',
        why: 'a stream from `pool.query` can be read',
        gives: false,
      },
    },
    {
      says: 'a cursor reads in parts, and is closed; the client goes on',
      run: ({ open }) =>
        withClient(open(), async (client) => {
          const cursor = client.query(new Cursor<{ n: number }>('select n from generate_series(1, 5) n'))
          const parts = [await cursor.read(2), await cursor.read(2)]
          await cursor.close()
          return [...parts, await rowsOf(client, 'select 1 as n')]
        }),
      gives: [[{ n: 1 }, { n: 2 }], [{ n: 3 }, { n: 4 }], [{ n: 1 }]],
    },
    {
      says: 'a cursor whose statement fails rejects its read, and the client goes on',
      run: ({ open }) =>
        withClient(open(), async (client) => {
          const cursor = client.query(new Cursor('select 1/0'))
          const end = await endOf(() => cursor.read(1))
          await cursor.close()
          return [end, await rowsOf(client, 'select 1 as n')]
        }),
      gives: ['rejects with 22012', [{ n: 1 }]],
    },
    {
      says: 'a stream gives its rows, and one that is left early frees its client',
      run: ({ open }) =>
        withClient(open(), async (client) => {
          let rows = 0
          for await (const _row of client.query(new QueryStream('select n from generate_series(1, 300) n'))) rows += 1
          for await (const _row of client.query(new QueryStream('select n from generate_series(1, 300) n'))) break
          return [rows, await rowsOf(client, 'select 1 as n')]
        }),
      gives: [300, [{ n: 1 }]],
    },
  ],
}

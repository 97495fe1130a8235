import pg from 'pg'
import { type Area, ask, call, calledWith, endOf, property, rowsOf, withClient } from './row.ts'

const SLEEP = 'select pg_sleep(20)'
const isRunning = () => new Promise((resolve) => setTimeout(resolve, 100))

/** How clients are taken and given back. */
export const CONNECT_AND_RELEASE: Area = {
  title: 'connect() and release()',
  rows: [
    {
      says: '`connect()` gives a promise of a client with `query` and `release`',
      run: ({ open }) =>
        withClient(open(), async (client) => [
          typeof client.query,
          typeof client.release,
          await rowsOf(client, 'select 1 as n'),
        ]),
      gives: ['function', 'function', [{ n: 1 }]],
    },
    {
      says: '`connect(callback)` returns nothing, and calls with no error, the client and its `release`',
      run: async ({ open }) => {
        const pool = open()
        let returned: unknown = 'not called'
        const [error, client, release] = await calledWith((callback) => {
          returned = Reflect.apply(pool.connect, pool, [callback])
        })
        const found = [returned, error, release === (client as pg.PoolClient).release]
        ;(release as () => void)()
        return found
      },
      gives: [undefined, undefined, true],
    },
    {
      says: '`connect()` opens a connection, and fails when no server listens',
      run: ({ open }) => endOf(async () => (await open(NOWHERE).connect()).release()),
      gives: 'rejects with ECONNREFUSED',
      differs: {
        here: 'opens nothing: the first statement does, and fails. `connect: "eager"` opens and fails as pg does',
        why: 'the first statement shows where the client belongs (R3)',
        gives: 'is answered',
      },
    },
    {
      says: 'with `connect: "eager"`, an option of RoutedPool alone, `connect()` fails when no server listens',
      run: ({ open }) => endOf(async () => (await open({ ...NOWHERE, ...EAGER }).connect()).release()),
      gives: 'rejects with ECONNREFUSED',
    },
    {
      says: '`connect(callback)`, eager, calls with that error, no client, and a `release` that does nothing',
      run: async ({ open }) => {
        const pool = open({ ...NOWHERE, ...EAGER })
        const [error, client, release] = await calledWith((callback) => Reflect.apply(pool.connect, pool, [callback]))
        ;(release as () => void)()
        return [(error as { code: string }).code, client]
      },
      gives: ['ECONNREFUSED', undefined],
    },
    {
      says: '`connect()`, eager, has its connection: it counts at once, and `processID` is known',
      run: async ({ open }) => {
        const pool = open({ max: 1, ...EAGER })
        return withClient(pool, async (client) => [
          pool.totalCount,
          pool.idleCount,
          typeof property(client, 'processID'),
        ])
      },
      gives: [1, 0, 'number'],
    },
    {
      says: '`connect()`, eager, of a full pool waits, and gives the place that comes free',
      run: async ({ open }) => {
        const pool = open({ max: 1, ...EAGER })
        const client = await pool.connect()
        const next = pool.connect()
        await new Promise(setImmediate)
        const waiting = pool.waitingCount
        client.release()
        ;(await next).release()
        return waiting
      },
      gives: 1,
    },
    {
      says: '`connect()`, eager, of a full pool fails after `connectionTimeoutMillis`, in these words',
      run: async ({ open }) => {
        const pool = open({ max: 1, connectionTimeoutMillis: 700, ...EAGER })
        return withClient(pool, () => endOf(() => pool.connect()))
      },
      gives: 'rejects with Error: timeout exceeded when trying to connect',
    },
    {
      says: '`connect()` of a full pool fails after `connectionTimeoutMillis`',
      run: async ({ open }) => {
        const pool = open({ max: 1, connectionTimeoutMillis: 700 })
        return withClient(pool, async (holder) => {
          await holder.query("insert into note (body) values ('holds')")
          return endOf(async () => (await pool.connect()).release())
        })
      },
      gives: 'rejects with Error: timeout exceeded when trying to connect',
      differs: {
        here: 'its first statement fails, with the same error',
        why: 'it opens nothing',
        gives: 'is answered',
      },
    },
    {
      says: 'a statement of a full pool fails after `connectionTimeoutMillis`, in these words and without a code',
      run: async ({ open }) => {
        const pool = open({ max: 1, connectionTimeoutMillis: 700 })
        return withClient(pool, async (holder) => {
          await holder.query("insert into note (body) values ('holds')")
          return endOf(() => pool.query("insert into note (body) values ('no place')"))
        })
      },
      gives: 'rejects with Error: timeout exceeded when trying to connect',
    },
    {
      says: 'a client that is released twice throws',
      run: async ({ open }) => {
        const client = await open().connect()
        client.release()
        return endOf(() => client.release())
      },
      gives: 'throws Error: Release called on client which has already been released to the pool.',
    },
    {
      says: '`release` works without its client: `finally(client.release)`',
      run: async ({ open }) => {
        const pool = open({ max: 1 })
        const { release } = await pool.connect()
        release()
        return rowsOf(pool, 'select 1 as n')
      },
      gives: [{ n: 1 }],
    },
    {
      says: '`release(true)` and `release(error)` close the connection',
      run: async ({ open }) => {
        const pool = open({ max: 1 })
        const seen: number[] = []
        for (const how of [true, new Error('the app gave up')]) {
          const client = await pool.connect()
          await client.query('select 1')
          client.release(how)
          seen.push(pool.totalCount)
        }
        return seen
      },
      gives: [0, 0],
    },
    {
      says: '`release(true)` aborts what runs, and frees the place at once',
      run: async ({ open }) => {
        const pool = open({ max: 1 })
        const client = await pool.connect()
        client.on('error', () => undefined)
        await client.query('select 1')
        const running = endOf(() => client.query(SLEEP))
        await isRunning()
        client.release(true)
        return [await running, await rowsOf(pool, 'select 1 as n')]
      },
      gives: ['rejects with Error: Connection terminated', [{ n: 1 }]],
    },
    {
      says: '`release()` while a query runs lets it end',
      run: async ({ open }) => {
        const client = await open().connect()
        const running = rowsOf(client, 'select 1 as n from pg_sleep(0.1)')
        client.release()
        return running
      },
      gives: [{ n: 1 }],
    },
    {
      says: 'a client that was released runs queries all the same, among those of whoever has the connection now',
      run: async ({ open }) => {
        const client = await open().connect()
        await client.query('select 1')
        client.release()
        return endOf(() => client.query('select 1'))
      },
      gives: 'is answered',
      differs: {
        here: 'rejects: `Client was released to the pool and is not queryable`',
        why: 'in pg it runs inside a stranger’s transaction',
        gives: 'rejects with Error: Client was released to the pool and is not queryable',
      },
    },
    {
      says: 'a client that is released inside a transaction comes back inside it',
      run: async ({ open }) => {
        const pool = open({ max: 1 })
        await withClient(pool, async (client) => {
          await client.query('begin')
          await client.query("insert into note (body) values ('left open')")
        })
        return withClient(pool, async (client) => {
          await client.query("insert into note (body) values ('by the next')")
          return call(client, 'getTransactionStatus')
        })
      },
      gives: 'T',
      differs: {
        here: 'is rolled back first',
        why: 'the next would write into it, and lose what it wrote',
        gives: 'I',
      },
    },
    {
      says: '`client.connect()` of a leased client rejects: it is connected',
      run: ({ open }) => withClient(open(), (client) => endOf(() => client.connect())),
      gives: 'rejects with Error: Client has already been connected. You cannot reuse a client.',
    },
    {
      says: '`client.end()`, then `release()`: its place is free',
      run: async ({ open }) => {
        const pool = open({ max: 1 })
        const client = await pool.connect()
        await client.query('select 1')
        await call(client, 'end')
        const after = await endOf(() => client.query('select 1'))
        client.release()
        return [after, await rowsOf(pool, 'select 1 as n')]
      },
      gives: ['rejects with Error: Client was closed and is not queryable', [{ n: 1 }]],
    },
    {
      says: '`client.end()` and `release()` in one breath',
      run: async ({ open }) => {
        const pool = open({ max: 1 })
        const client = await pool.connect()
        await client.query('select 1')
        const ended = call(client, 'end')
        client.release()
        await ended
        return rowsOf(pool, 'select 1 as n')
      },
      gives: [{ n: 1 }],
    },
    {
      says: '`client.end(callback)` returns nothing, and calls without an error',
      run: async ({ open }) => {
        const client = await open().connect()
        await client.query('select 1')
        let returned: unknown = 'not called'
        const given = await calledWith((callback) => {
          returned = call(client, 'end', callback)
        })
        client.release()
        return [returned, given[0]]
      },
      gives: [undefined, undefined],
    },
    {
      says: '`client.end()` aborts what runs',
      run: async ({ open }) => {
        const client = await open().connect()
        client.on('error', () => undefined)
        await client.query('select 1')
        const running = endOf(() => client.query(SLEEP))
        await isRunning()
        await call(client, 'end')
        client.release()
        return running
      },
      gives: 'rejects with Error: Connection terminated',
    },
    {
      says: 'a leased client is an `instanceof pg.Client`, of a class that is named `Client`',
      run: ({ open }) => withClient(open(), async (client) => [client instanceof pg.Client, client.constructor.name]),
      gives: [true, 'Client'],
    },
    {
      says: 'a leased client is an instance of the class that the app gave as `Client`',
      run: ({ open }) => {
        class Own extends pg.Client {}
        return withClient(open({ Client: Own } as pg.PoolConfig), async (client) => client instanceof Own)
      },
      gives: true,
      differs: {
        here: 'an instance of `pg.Client` alone; its connections (`on("connect")`) are of that class',
        why: 'a lease may use two connections, one after the other',
        gives: false,
      },
    },
    {
      says: 'what `on("connect")` puts on a client is seen on the leased client',
      run: async ({ open }) => {
        const pool = open()
        pool.on('connect', (client) => Reflect.set(client, 'tag', 'seen'))
        return withClient(pool, async (client) => {
          await client.query('select 1')
          return property(client, 'tag')
        })
      },
      gives: 'seen',
      differs: {
        here: 'is not: it stays on the connection. What it sends (SET and the like) holds, as in pg',
        why: 'a lease may use two connections, one after the other',
        gives: undefined,
      },
    },
    {
      says: '`acquire` and `release` events give the client that `connect()` gives',
      run: async ({ open }) => {
        const pool = open()
        const seen: unknown[] = []
        pool.on('acquire', (client) => seen.push(client))
        return withClient(pool, async (client) => {
          await client.query('select 1')
          return seen[0] === client
        })
      },
      gives: true,
      differs: {
        here: 'they give the connection that it uses',
        why: 'a lease may use two connections, one after the other',
        gives: false,
      },
    },
    {
      says: '`client.user`, `database`, `host`, `port`, `ssl` say where it leads, also before its first statement',
      run: ({ open, world }) =>
        withClient(open(), async (client) => {
          const { username, port } = new URL(world.cluster.primary.url)
          const { user, database, host, port: own, ssl } = client
          return [user === username, database, host, String(own) === port, ssl]
        }),
      gives: [true, 'postgres', '127.0.0.1', true, false],
    },
    {
      says: '`client.connectionParameters` has what another client needs to go to the same place',
      run: ({ open }) =>
        withClient(open(), async (client) => {
          const other = new pg.Client(property(client, 'connectionParameters') as pg.ClientConfig)
          await other.connect()
          const { rows } = await other.query('select 1 as n')
          await other.end()
          return rows
        }),
      gives: [{ n: 1 }],
    },
    {
      says: '`client.processID` and `secretKey` are numbers once a statement has run',
      run: ({ open }) =>
        withClient(open(), async (client) => {
          const { rows } = await client.query('select pg_backend_pid() as pid')
          const { processID } = client as unknown as { processID: number }
          return [processID === rows[0].pid, typeof property(client, 'secretKey')]
        }),
      gives: [true, 'number'],
    },
    {
      says: '`client.processID` is known as soon as there is a client',
      run: ({ open }) => withClient(open(), async (client) => typeof property(client, 'processID')),
      gives: 'number',
      differs: {
        here: '`null` before the first statement, and another when the next statement goes to another server',
        why: 'it has no connection yet',
        gives: 'object',
      },
    },
    {
      says: '`client.connection` is pg’s own connection once a statement has run',
      run: ({ open }) =>
        withClient(open(), async (client) => {
          await client.query('select 1')
          return property(client, 'connection') instanceof pg.Connection
        }),
      gives: true,
    },
    {
      says: '`client.escapeIdentifier` and `escapeLiteral`',
      run: ({ open }) =>
        withClient(open(), async (client) => [client.escapeIdentifier('a"b'), client.escapeLiteral("it's \\ here")]),
      gives: ['"a""b"', " E'it''s \\\\ here'"],
    },
    {
      says: '`client.ref()` and `unref()` can be called before and after its first statement',
      run: ({ open }) =>
        withClient(open(), async (client) => {
          call(client, 'unref')
          call(client, 'ref')
          await client.query('select 1')
          call(client, 'unref')
          call(client, 'ref')
        }),
      gives: undefined,
    },
    {
      says: '`client.getTransactionStatus()` is I, T in a transaction, E in a failed one, and I after it',
      run: ({ open }) =>
        withClient(open(), async (client) => {
          const seen: unknown[] = []
          const note = (): number => seen.push(call(client, 'getTransactionStatus'))
          note()
          await client.query('begin')
          note()
          await endOf(() => client.query('select 1/0'))
          // The state comes a message behind the error; a second answer comes behind both.
          await endOf(() => client.query('select 1'))
          note()
          await client.query('rollback')
          note()
          return seen
        }),
      gives: ['I', 'T', 'E', 'I'],
    },
    {
      says: 'queries that nobody awaits run one at a time, in the order of the calls',
      run: ({ open }) =>
        withClient(open(), async (client) => {
          const order: unknown[] = []
          await Promise.all(
            [1, 2, 3].map(async (n) => {
              await client.query(`select pg_sleep(${0.05 / n})`)
              order.push(n)
            }),
          )
          return order
        }),
      gives: [1, 2, 3],
    },
    {
      says: 'a query that is queued behind one that fails runs',
      run: ({ open }) =>
        withClient(open(), async (client) => {
          const failing = endOf(() => client.query('select 1/0'))
          return [await rowsOf(client, 'select 2 as n'), await failing]
        }),
      gives: [[{ n: 2 }], 'rejects with 22012'],
    },
    {
      says: '`client.activeQuery` is the query that runs (deprecated by pg)',
      run: ({ open }) =>
        withClient(open(), async (client) => {
          await client.query('select 1')
          const running = client.query('select pg_sleep(0.1)')
          await new Promise((resolve) => setTimeout(resolve, 50))
          const query = property(client, '_activeQuery')
          await running
          return typeof query
        }),
      gives: 'object',
      differs: {
        here: '`undefined`, as are `queryQueue` and what begins with an underscore',
        why: 'pg’s own insides; the connection (`pool.on("connect")`) has them',
        gives: 'undefined',
      },
    },
    {
      says: 'a plain object is no query: `client.query({})` rejects, and the client goes on',
      run: ({ open }) =>
        withClient(open(), async (client) => [
          await endOf(() => ask(client, {})),
          await rowsOf(client, 'select 1 as n'),
        ]),
      gives: [
        'rejects with Error: A query must have either text or a name. Supplying neither is unsupported.',
        [{ n: 1 }],
      ],
    },
  ],
}

const NOWHERE = Object.freeze({ host: '127.0.0.1', port: 1, connectionString: undefined })
const EAGER = Object.freeze({ connect: 'eager' })

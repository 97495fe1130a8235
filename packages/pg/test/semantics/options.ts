import pg from 'pg'
import { inOwnProcess } from './own-process.ts'
import { type Area, endOf, property, rowsOf, withClient } from './row.ts'

const later = (millis: number) => new Promise((resolve) => setTimeout(resolve, millis))

/** Options of the session, each as pg hands it to the server. */
const SETTINGS: readonly [string, pg.PoolConfig, string, string][] = [
  ['application_name', { application_name: 'own-name' }, 'application_name', 'own-name'],
  ['statement_timeout', { statement_timeout: 1234 }, 'statement_timeout', '1234ms'],
  ['lock_timeout', { lock_timeout: 1235 }, 'lock_timeout', '1235ms'],
  [
    'idle_in_transaction_session_timeout',
    { idle_in_transaction_session_timeout: 1236 },
    'idle_in_transaction_session_timeout',
    '1236ms',
  ],
  ['options', { options: '-c work_mem=8MB' }, 'work_mem', '8MB'],
]

/** What options of pg and pg-pool do. */
export const OPTIONS: Area = {
  title: 'Options',
  rows: [
    ...SETTINGS.map(([name, options, setting, value]) => ({
      says: `\`${name}\` reaches each session, for reads and in transactions`,
      run: async ({ open }: { open(options?: pg.PoolConfig): pg.Pool }) => {
        const pool = open(options)
        const lone = await rowsOf(pool, `select current_setting('${setting}') as v`)
        return withClient(pool, async (client) => {
          await client.query('begin; select 1')
          const inside = await rowsOf(client, `select current_setting('${setting}') as v`)
          await client.query('rollback')
          return [lone, inside]
        })
      },
      gives: [[{ v: value }], [{ v: value }]],
    })),
    {
      says: '`statement_timeout` cancels a statement (57014)',
      run: ({ open }) => endOf(() => open({ statement_timeout: 50 }).query('select pg_sleep(5)')),
      gives: 'rejects with 57014',
    },
    {
      says: '`query_timeout` of the pool rejects, and the pool goes on',
      run: async ({ open }) => {
        const pool = open({ query_timeout: 100, max: 1 })
        return [await endOf(() => pool.query('select pg_sleep(1)')), await rowsOf(pool, 'select 1 as n')]
      },
      gives: ['rejects with Error: Query read timeout', [{ n: 1 }]],
    },
    {
      says: '`query_timeout` on a client counts from the call, its time in the queue included',
      run: ({ open }) =>
        withClient(open({ query_timeout: 150 }), async (client) => {
          const ends = await Promise.all([1, 2].map(() => endOf(() => client.query('select pg_sleep(0.1)'))))
          return ends[1]
        }),
      gives: 'rejects with Error: Query read timeout',
      differs: {
        here: 'from when it is sent',
        why: 'until then it may still go to another server',
        gives: 'is answered',
      },
    },
    {
      says: '`idleTimeoutMillis` closes idle clients',
      run: async ({ open }) => {
        const pool = open({ idleTimeoutMillis: 30 })
        await pool.query('select 1')
        await later(200)
        return pool.totalCount
      },
      gives: 0,
    },
    {
      says: '`min` keeps that many idle clients beyond it',
      run: async ({ open }) => {
        const pool = open({ idleTimeoutMillis: 30, min: 1 })
        await pool.query('select 1')
        await later(200)
        return pool.totalCount
      },
      gives: 1,
    },
    {
      says: '`maxUses` closes a client that was used so often',
      run: async ({ open }) => {
        const pool = open({ maxUses: 2 })
        const seen: number[] = []
        for (let use = 0; use < 3; use += 1) {
          await pool.query("insert into note (body) values ('used')")
          seen.push(pool.totalCount)
        }
        return seen
      },
      gives: [1, 0, 1],
    },
    {
      says: '`maxLifetimeSeconds` closes a client of that age, and counts it as expired while it is in use',
      run: async ({ open }) => {
        const pool = open({ maxLifetimeSeconds: 0.1 })
        const expired = await withClient(pool, async (client) => {
          await client.query("insert into note (body) values ('old')")
          await later(200)
          return pool.expiredCount
        })
        await later(20)
        return [expired, pool.totalCount]
      },
      gives: [1, 0],
    },
    {
      says: '`allowExitOnIdle` lets the process end while clients are idle',
      run: (subject) => inOwnProcess(subject, { allowExitOnIdle: true, idleTimeoutMillis: 60_000 }, ALL_WAYS),
      gives: 'lives',
    },
    {
      says: '`log` is called with what the pool does',
      run: async ({ open }) => {
        const lines: unknown[] = []
        await open({ log: (...given: unknown[]) => lines.push(given[0]) } as pg.PoolConfig).query('select 1')
        return ['connecting new client', 'new client connected'].map((line) => lines.includes(line))
      },
      gives: [true, true],
    },
    {
      says: '`log` hears `dispatching query` from `pool.query`',
      run: async ({ open }) => {
        const lines: unknown[] = []
        await open({ log: (...given: unknown[]) => lines.push(given[0]) } as pg.PoolConfig).query('select 1')
        return lines.includes('dispatching query')
      },
      gives: true,
      differs: { here: 'does not', why: 'the channel `headwater:route` says more', gives: false },
    },
    {
      says: '`password` may be a function, asked for each connection',
      run: async ({ open }) => {
        const asked: unknown[] = []
        const pool = open({
          password: () => {
            asked.push('asked')
            return 'secret'
          },
        })
        return [await rowsOf(pool, 'select 1 as n'), asked.length]
      },
      gives: [[{ n: 1 }], 0],
    },
    {
      says: '`Client` is the class of the pool’s connections',
      run: async ({ open }) => {
        let made = 0
        class Own extends pg.Client {
          constructor(config?: string | pg.ClientConfig) {
            super(config)
            made += 1
          }
        }
        await open({ Client: Own, logger: false } as pg.PoolConfig).query('select 1')
        return made > 0
      },
      gives: true,
    },
    {
      says: '`Promise` is the class of the promises that the pool and its clients give (deprecated by pg)',
      run: async ({ open }) => {
        class Own<T> extends Promise<T> {}
        const pool = open({ Promise: Own } as pg.PoolConfig)
        const given = [pool.query('select 1'), pool.connect()]
        const [, client] = await Promise.all(given)
        const asked = (client as pg.PoolClient).query('select 1')
        await asked
        ;(client as pg.PoolClient).release()
        const ended = pool.end()
        await ended
        return [...given, asked, ended].map((promise) => promise instanceof Own)
      },
      gives: [true, true, true, true],
    },
    {
      says: '`keepAlive` reaches the socket',
      run: async ({ open }) => {
        const pool = open({ keepAlive: true, keepAliveInitialDelayMillis: 1000 })
        return [await rowsOf(pool, 'select 1 as n'), pool.options.keepAlive]
      },
      gives: [[{ n: 1 }], true],
    },
    {
      says: '`ssl` is asked for: a server without TLS refuses',
      run: ({ open }) => endOf(() => open({ ssl: true }).query("insert into note (body) values ('x')")),
      gives: 'rejects with Error: The server does not support SSL connections',
    },
    {
      says: 'without `connectionTimeoutMillis` a connection is waited for without end',
      run: async ({ open }) => {
        let config: pg.ClientConfig | undefined
        class Own extends pg.Client {
          constructor(given?: pg.ClientConfig) {
            super(given)
            // The pool's own questions come later, with limits of their own.
            config ??= given
          }
        }
        await open({ Client: Own } as pg.PoolConfig).query('select 1')
        return config?.connectionTimeoutMillis
      },
      gives: undefined,
      differs: { here: 'for 10 seconds', why: 'a host that drops packets would hang every query', gives: 10_000 },
    },
    {
      says: '`pipeline: true` sends the queries of a client without waiting for answers',
      run: ({ open }) => endOf(async () => open({ pipeline: true } as pg.PoolConfig).query('select 1')),
      gives: 'is answered',
      differs: {
        here: 'is refused: `OptionsInvalid`, naming it',
        why: 'each statement of a lease is sent when the one before it was answered: it may go elsewhere',
        gives: 'rejects with HEADWATER_OPTIONS_INVALID',
      },
    },
    {
      says: '`connect: "eager"` is unknown to pg, and ignored; another value too',
      run: ({ open }) => endOf(() => open({ connect: 'soon' } as pg.PoolConfig)),
      gives: 'is answered',
      differs: {
        here: 'anything but `lazy` and `eager` is refused: `OptionsInvalid`',
        why: 'an option that is misspelt says so at once',
        gives: 'throws HEADWATER_OPTIONS_INVALID',
      },
    },
    {
      says: '`client.password` is hidden from logs, and can be read',
      run: ({ open }) =>
        withClient(open({ password: 'hush' }), async (client) => {
          await client.query('select 1')
          return [Object.keys(client).includes('password'), typeof property(client, 'password')]
        }),
      gives: [false, 'object'],
    },
  ],
}

/** Uses a pool in every way, and then does nothing more. */
const ALL_WAYS = `await pool.query('select 1')
const client = await pool.connect()
await client.query('begin; select 1')
await client.query('commit')
client.release()`

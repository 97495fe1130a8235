import pg from 'pg'
import { inOwnProcess } from './own-process.ts'
import { type Area, ask, endOf, property, rowsOf, type Subject, withClient } from './row.ts'

/** Ends the sessions of one application at the primary. */
async function terminate({ world }: Subject, application: string): Promise<void> {
  const text = 'select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1'
  await world.admin.query(text, [application])
  await new Promise((resolve) => setTimeout(resolve, 100))
}

const named = (label: string): string => `${label}-${crypto.randomUUID().slice(0, 8)}`

/** Errors, transactions, and connections that are lost. */
export const ERRORS_AND_TRANSACTIONS: Area = {
  title: 'Errors, transactions and lost connections',
  rows: [
    {
      says: 'a database error is a `pg.DatabaseError` with all fields of the server',
      run: async ({ open }) => {
        const error = await open()
          .query('select * from nowhere')
          .catch((reason: unknown) => reason)
        const { code, severity, routine, position, message } = error as pg.DatabaseError
        return [error instanceof pg.DatabaseError, code, severity, routine, position, message]
      },
      gives: [true, '42P01', 'ERROR', 'parserOpenTable', '15', 'relation "nowhere" does not exist'],
    },
    ...(['pool', 'client'] as const).map((holder) => ({
      says: `the stack of a database error leads to the call of \`${holder}.query\``,
      run: async ({ open }: Subject) => {
        const stackOf = async (target: pg.Pool | pg.PoolClient): Promise<string> => {
          try {
            await target.query('select 1/0')
            return ''
          } catch (error) {
            return String((error as Error).stack)
          }
        }
        const stack = holder === 'pool' ? await stackOf(open()) : await withClient(open(), stackOf)
        return stack.includes('stackOf')
      },
      gives: true,
    })),
    {
      says: 'the stack of a pg error (a time-out, a full pool) leads to the call too',
      run: async ({ open }: Subject) => {
        async function theCaller(pool: pg.Pool): Promise<string> {
          try {
            await ask(pool, { text: 'select pg_sleep(0.2)', query_timeout: 30 })
            return ''
          } catch (error) {
            return String((error as Error).stack)
          }
        }
        return (await theCaller(open())).includes('theCaller')
      },
      gives: true,
    },
    {
      says: 'an error of a statement through `pool.query` closes its connection',
      run: async ({ open }) => {
        const pool = open()
        await pool.query('select 1')
        await endOf(() => pool.query('select 1/0'))
        return pool.totalCount
      },
      gives: 0,
      differs: {
        here: 'keeps it: the session is as it was',
        why: 'a new connection for each typing error of a user costs a login',
        gives: 1,
      },
    },
    {
      says: 'an error on a client keeps its connection',
      run: async ({ open }) => {
        const pool = open()
        await withClient(pool, (client) => endOf(() => client.query('select 1/0')))
        return pool.totalCount
      },
      gives: 1,
    },
    {
      says: 'in a failed transaction everything rejects with 25P02 until ROLLBACK; COMMIT answers ROLLBACK',
      run: ({ open }) =>
        withClient(open(), async (client) => {
          await client.query('begin')
          await endOf(() => client.query('select 1/0'))
          const inside = await endOf(() => client.query('select 1'))
          return [inside, (await client.query('commit')).command, await rowsOf(client, 'select 1 as n')]
        }),
      gives: ['rejects with 25P02', 'ROLLBACK', [{ n: 1 }]],
    },
    {
      says: 'ROLLBACK TO a savepoint goes on with the transaction',
      run: ({ open, world }) =>
        withClient(open(), async (client) => {
          const body = named('savepoint')
          await client.query('begin')
          await client.query('insert into note (body) values ($1)', [body])
          await client.query('savepoint here')
          await endOf(() => client.query('select 1/0'))
          await client.query('rollback to savepoint here')
          await client.query('insert into note (body) values ($1)', [body])
          await client.query('commit')
          return world.notes(body)
        }),
      gives: 2,
    },
    {
      says: 'BEGIN inside a transaction warns, COMMIT and ROLLBACK outside one warn too',
      run: ({ open }) =>
        withClient(open(), async (client) => {
          const heard: unknown[] = []
          client.on('notice', ({ code }) => heard.push(code))
          await client.query("begin; insert into note (body) values ('x')")
          await client.query('begin')
          await client.query('rollback')
          await client.query('commit')
          await client.query('rollback')
          return heard
        }),
      gives: ['25001', '25P01', '25P01'],
    },
    {
      says: 'BEGIN is sent at once: its error, and that of the server, come with it',
      run: async (subject) => {
        const application_name = named('begin')
        const client = await subject.open({ application_name }).connect()
        client.on('error', () => undefined)
        await client.query('begin')
        const { rows } = await subject.world.admin.query(
          `select count(*)::int as n from pg_stat_activity where application_name = $1 and query ilike 'begin%'`,
          [application_name],
        )
        await client.query('rollback')
        client.release()
        return rows
      },
      gives: [{ n: 1 }],
      differs: {
        here: 'is answered at once, and goes with the first statement, which gets its error; `BEGIN; COMMIT` sends nothing',
        why: 'the first statement shows where the transaction belongs (R3), and BEGIN is no round trip of its own (S2)',
        gives: [{ n: 0 }],
      },
    },
    {
      says: 'the server sees each text as it was given, in `pg_stat_activity` and in its log',
      run: async (subject) => {
        const application_name = named('seen')
        return withClient(subject.open({ application_name }), async (client) => {
          await client.query('begin')
          await client.query("insert into note (body) values ('seen')")
          const { rows } = await subject.world.admin.query(
            `select query from pg_stat_activity where application_name = $1 and query like '%note%'`,
            [application_name],
          )
          await client.query('rollback')
          return rows
        })
      },
      gives: [{ query: "insert into note (body) values ('seen')" }],
      differs: {
        here: 'the first one of a transaction behind its BEGIN in one text, when it has no values',
        why: 'they go in one round trip (S2); one with values is seen as it was given',
        gives: [{ query: "begin\n;insert into note (body) values ('seen')" }],
      },
    },
    {
      says: 'SET through a client holds for that client, and SET LOCAL until the transaction ends',
      run: ({ open }) =>
        withClient(open(), async (client) => {
          const show = async () => (await client.query("select current_setting('work_mem') as v")).rows[0].v
          await client.query("set work_mem = '8MB'")
          const set = await show()
          await client.query('begin')
          await client.query("set local work_mem = '9MB'")
          const local = await show()
          await client.query('commit')
          const after = await show()
          await client.query('reset work_mem')
          return [set, local, after]
        }),
      gives: ['8MB', '9MB', '8MB'],
    },
    {
      says: 'a temporary table, PREPARE and an advisory lock are there for the next statement of the client',
      run: ({ open }) =>
        withClient(open(), async (client) => {
          await client.query('create temp table own_rows as select 1 as n')
          await client.query('prepare own_plan as select n from own_rows')
          await client.query('select pg_advisory_lock(77)')
          const { rows } = await client.query('select pg_advisory_unlock(77) as held')
          const plan = await rowsOf(client, 'execute own_plan')
          await client.query('drop table own_rows; deallocate own_plan')
          return [plan, rows]
        }),
      gives: [[{ n: 1 }], [{ held: true }]],
    },
    {
      says: 'a client whose connection is lost in a transaction rejects everything, ROLLBACK too, and can be released',
      run: async (subject) => {
        const application_name = named('lost')
        const pool = subject.open({ max: 1, application_name })
        pool.on('error', () => undefined)
        const client = await pool.connect()
        client.on('error', () => undefined)
        await client.query('begin')
        await client.query("insert into note (body) values ('lost')")
        await terminate(subject, application_name)
        const ends = [await endOf(() => client.query('select 1')), await endOf(() => client.query('rollback'))]
        client.release()
        return [ends.map((end) => end.slice(0, 12)), await rowsOf(pool, 'select 1 as n')]
      },
      gives: [['rejects with', 'rejects with'], [{ n: 1 }]],
    },
    {
      says: 'it rejects with `Client has encountered a connection error and is not queryable`',
      run: async (subject) => {
        const application_name = named('lost')
        const client = await subject.open({ application_name }).connect()
        client.on('error', () => undefined)
        await client.query('begin')
        await client.query("insert into note (body) values ('lost')")
        await terminate(subject, application_name)
        const end = await endOf(() => client.query('select 1'))
        client.release()
        return end
      },
      gives: 'rejects with Error: Client has encountered a connection error and is not queryable',
      differs: {
        here: 'with `ConnectionLost`, whose `cause` is the error that ended it (57P01)',
        why: 'it says more, and whether all may be done again (X6)',
        gives: 'rejects with HEADWATER_CONNECTION_LOST',
      },
    },
    {
      says: 'a statement whose session a stopping server or an administrator ends rejects with 57P01',
      run: async (subject) => {
        const application_name = named('ended')
        const client = await subject.open({ application_name }).connect()
        client.on('error', () => undefined)
        await client.query('begin')
        await client.query("insert into note (body) values ('ended')")
        const running = endOf(() => client.query("insert into note (body) select 'ended' from pg_sleep(5)"))
        await terminate(subject, application_name)
        const end = await running
        client.release()
        return end
      },
      gives: 'rejects with 57P01',
      differs: {
        here: 'with `ConnectionLost`, which has its words in its message and that error as `cause`; a single write too: it was rolled back',
        why: 'it says whether all may be done again (X6)',
        gives: 'rejects with HEADWATER_CONNECTION_LOST',
      },
    },
    {
      says: 'a connection that breaks without a word in a transaction rejects with `Connection terminated unexpectedly`, no code',
      run: async ({ open }) => {
        const client = await open().connect()
        client.on('error', () => undefined)
        await client.query('begin')
        await client.query("insert into note (body) values ('broken')")
        const running = endOf(() => client.query("insert into note (body) select 'broken' from pg_sleep(5)"))
        await breakConnection(client)
        const end = await running
        client.release()
        return end
      },
      gives: 'rejects with Error: Connection terminated unexpectedly',
      differs: {
        here: 'with `ConnectionLost`, which has these words in its message and that error as `cause`',
        why: 'it says whether all may be done again (X6)',
        gives: 'rejects with HEADWATER_CONNECTION_LOST',
      },
    },
    {
      says: 'a write whose connection breaks before its answer comes rejects with the same words',
      run: async ({ open }) => {
        const client = await open().connect()
        client.on('error', () => undefined)
        await client.query("insert into note (body) values ('whole')")
        const running = endOf(() => client.query("insert into note (body) select 'broken' from pg_sleep(5)"))
        await breakConnection(client)
        const end = await running
        client.release()
        return end
      },
      gives: 'rejects with Error: Connection terminated unexpectedly',
      differs: {
        here: 'with `OutcomeUnknown`, likewise; a COMMIT and a time-out of pg’s own (`query_timeout`) too',
        why: 'it may be committed, so it must not be tried again unseen (X6)',
        gives: 'rejects with HEADWATER_OUTCOME_UNKNOWN',
      },
    },
    {
      says: 'a client that lost its connection with nothing open on it rejects too',
      run: async (subject) => {
        const application_name = named('idle')
        const client = await subject.open({ application_name }).connect()
        client.on('error', () => undefined)
        await client.query('select 1')
        await terminate(subject, application_name)
        await subject.world.cluster.replicas[0]?.query(
          `select pg_terminate_backend(pid) from pg_stat_activity where application_name = '${application_name}'`,
        )
        await new Promise((resolve) => setTimeout(resolve, 100))
        const end = await endOf(() => client.query('select 1'))
        client.release()
        return end
      },
      gives: 'rejects with Error: Client has encountered a connection error and is not queryable',
      differs: {
        here: 'goes on over another connection: nothing was open, written, set, locked or half read',
        why: 'each statement of a lease is routed by itself',
        gives: 'is answered',
      },
    },
    {
      says: 'its `error` listener hears of it',
      run: async (subject) => {
        const application_name = named('heard')
        const client = await subject.open({ application_name }).connect()
        const heard = new Promise((resolve) => client.once('error', resolve))
        client.on('error', () => undefined)
        await client.query("insert into note (body) values ('x')")
        await terminate(subject, application_name)
        const { code } = (await heard) as { code: string }
        client.release()
        return code
      },
      gives: '57P01',
    },
    {
      says: 'an idle client that loses its connection is removed, and `pool.on("error")` hears of it',
      run: async (subject) => {
        const application_name = named('idle')
        const pool = subject.open({ application_name })
        const heard = new Promise((resolve) =>
          pool.once('error', (error, client) => resolve([property(error, 'code'), typeof client])),
        )
        pool.on('error', () => undefined)
        await pool.query("insert into note (body) values ('x')")
        await terminate(subject, application_name)
        return [await heard, pool.totalCount]
      },
      gives: [['57P01', 'object'], 0],
    },
    {
      says: 'without such a listener it ends the process',
      run: (subject) => inOwnProcess(subject, { idleTimeoutMillis: 60_000, application_name: 'unheard' }, LOSE_IDLE),
      gives: 'ends: error: terminating connection due to administrator command',
      differs: {
        here: 'does not: the pool makes another',
        why: 'an idle connection that dies concerns nobody',
        gives: 'lives',
      },
    },
    {
      says: 'a leased client that loses its connection, without a listener, ends the process',
      run: (subject) => inOwnProcess(subject, { idleTimeoutMillis: 60_000, application_name: 'unheard' }, LOSE_LEASED),
      gives: 'ends: error: terminating connection due to administrator command',
      differs: { here: 'does not: its queries reject', why: 'they say so', gives: 'lives' },
    },
    {
      says: 'a named statement whose table was changed fails once on each connection that had it (0A000)',
      run: async ({ open, world }) => {
        const table = named('migrated').replaceAll('-', '_')
        await world.change(`create table ${table} (a int); insert into ${table} values (1)`)
        const pool = open({ max: 1 })
        const query = { name: table, text: `select * from ${table}` }
        await pool.query(query)
        await world.change(`alter table ${table} add b int`)
        return [await endOf(() => pool.query(query)), await rowsOf(pool, query)]
      },
      gives: ['rejects with 0A000', [{ a: 1, b: null }]],
    },
    {
      says: 'on a client it fails for the life of the connection',
      run: async ({ open, world }) => {
        const table = named('migrated').replaceAll('-', '_')
        await world.change(`create table ${table} (a int); insert into ${table} values (1)`)
        const pool = open({ max: 1 })
        const query = { name: table, text: `select * from ${table}` }
        await withClient(pool, (client) => client.query(query))
        await world.change(`alter table ${table} add b int`)
        await withClient(pool, (client) => endOf(() => client.query(query)))
        return withClient(pool, (client) => endOf(() => client.query(query)))
      },
      gives: 'rejects with 0A000',
      differs: {
        here: 'fails once: the connection is closed when the client is released',
        why: 'it is of no use for that name',
        gives: 'is answered',
      },
    },
  ],
}

/** Closes the socket under a query that runs. */
async function breakConnection(client: pg.PoolClient): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 100))
  client.connection.stream.destroy()
}

const TERMINATE = `
const admin = new (await import('pg')).default.Client(pool.options.connectionString)
await admin.connect()
await admin.query("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'unheard'")
await admin.end()
await new Promise((resolve) => setTimeout(resolve, 200))
await pool.end()`
const LOSE_IDLE = `await pool.query("insert into note (body) values ('x')")${TERMINATE}`
const LOSE_LEASED = `const client = await pool.connect()
await client.query("insert into note (body) values ('x')")
setTimeout(() => client.release(true), 300)${TERMINATE}`

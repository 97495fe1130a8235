import { getToken, runInScope, runWithToken, Scope, see, withReplica } from '@headwater/core'
import { SECRET } from '../stage.ts'
import { find, times, write } from './acts.ts'
import { type Handler, newNote } from './life.ts'
import type { Ancestor } from './row.ts'

export const FLY_POSTGRES: Ancestor = {
  title: 'fly_postgres 0.3.4, fly_rpc 0.3 (Elixir)',
  rows: [
    {
      there:
        'after a write, wait until the replica has its LSN, then go on (`await`, the default): a job reads its write next door',
      mark: '+',
      here: '`await pool.caughtUp()`; without it reads come home by themselves',
      run: (life) =>
        runInScope(new Scope(), async () => {
          const note = newNote()
          await write({ pool: life.pool, region: 'nrt' }, note)
          return `${await life.pool.caughtUp()}, ${await find(life, note)}`
        }),
      seen: 'true, nrt has 1',
    },
    {
      there: '`await: false`',
      mark: '+',
      here: 'the default: no write waits for a replica',
      run: (life) =>
        life.behind(() => runInScope(new Scope(), () => write({ pool: life.pool, region: 'nrt' }, newNote()))),
      seen: 'nrt',
    },
    {
      there: '`rpc_primary`, `rpc_and_wait`: many statements for one crossing, outside HTTP',
      mark: '~',
      here: 'call a POST route of your own with `getToken()`, and `see()` what it answers',
      why: 'code is not sent between regions; without a route each statement of a job crosses by itself',
      run: (life) =>
        life.behind(() =>
          runInScope(new Scope(), async () => {
            const note = newNote()
            const five: Handler = (here) => times(5, () => write(here, note))
            const token = await getToken({ secret: SECRET })
            const headers = token === undefined ? {} : { 'headwater-token': token }
            const { way, headers: answered } = await life.ask(five, { method: 'POST', headers })
            see(answered.get('headwater-token') ?? undefined, { secret: SECRET })
            return `${way}; the job then reads: ${await find(life, note)}`
          }),
        ),
      seen: 'nrt > ams; the job then reads: primary has 5',
    },
    {
      there: '`replication_timeout`',
      mark: '+',
      here: '`maxWaitMillis`',
      run: async (life) => {
        const note = newNote()
        const pool = await life.stage.world.informedPool('nrt', { maxWaitMillis: 5_000 })
        const replica = life.stage.world.replica()
        const token = await runInScope(new Scope(), async () => {
          await write({ pool, region: 'nrt' }, newNote())
          await pool.caughtUp()
          await replica.lag(150)
          await write({ pool, region: 'nrt' }, note)
          return getToken({ secret: SECRET })
        })
        const found = await runWithToken(token, () => find({ pool }, note), { secret: SECRET })
        await replica.lag(0)
        return `150 ms behind: ${found}`
      },
      seen: '150 ms behind: nrt has 1',
    },
    {
      there: 'transactions with writes, from a replica (#35 asks, open)',
      mark: '++',
      here: 'BEGIN is held, the request replayed as a whole',
      run: async (life) => {
        const note = newNote()
        const handler: Handler = async (here) => {
          const client = await here.pool.connect()
          try {
            await client.query('begin')
            await client.query('select count(*) from note')
            await client.query('insert into note (body) values ($1)', [note])
            await client.query('commit')
            return here.region
          } finally {
            client.release()
          }
        }
        const { way } = await life.ask(handler)
        return `${way}, ${await life.notes(note)} row`
      },
      seen: 'nrt > ams, 1 row',
    },
    {
      there: 'read-only transactions next door (#32)',
      mark: '+',
      run: async (life) => {
        const handler: Handler = async ({ pool }) => {
          const client = await pool.connect()
          try {
            await client.query('begin read only')
            const found = await find({ pool: { query: client.query.bind(client) as typeof pool.query } }, newNote())
            await client.query('commit')
            return found
          } finally {
            client.release()
          }
        }
        const { way, text } = await life.ask(handler)
        return `${way}: ${text}`
      },
      seen: 'nrt: "nrt has 0"',
    },
    {
      there: 'a transaction that fails, and the question for the LSN: 25P02 (#29)',
      mark: '+',
      run: async (life) => {
        const handler: Handler = async (here) => {
          await write(here, newNote())
          const client = await here.pool.connect()
          try {
            await client.query('begin')
            await client.query('insert into note (id, body) overriding system value select id, body from note limit 1')
          } catch (error) {
            await client.query('rollback')
            throw Object.assign(new Error('the app’s own'), {
              status: Reflect.get(Object(error), 'code') === '23505' ? 422 : 500,
            })
          } finally {
            client.release()
          }
        }
        await life.write('the first')
        await life.stage.world.admin.query('alter table note drop constraint if exists note_pkey, add primary key (id)')
        const { way, status, headers } = await life.ask(handler, { method: 'POST' })
        return `${way}: ${status}, ${headers.has('headwater-token') ? 'a token' : 'no token'}`
      },
      seen: 'nrt > ams: 422, a token',
    },
    {
      there: '`is_primary?`, `my_region`: crons at one place',
      mark: '+',
      here: '`pool.status()`',
      run: async (life) => {
        const { ams, nrt } = life.stage.pools
        return [ams, nrt]
          .map((pool) => `${pool.status().region}: ${pool.status().isAtHome ? 'home' : 'away'}`)
          .join(', ')
      },
      seen: 'ams: home, nrt: away',
    },
    {
      there: 'several repos',
      mark: 'n',
      why: 'two databases have no common position: a request that writes to both reads both at their primaries until its token expires',
    },
    {
      there: '`make_connection_read_only!`, to develop against',
      mark: '++',
      here: 'real standbys in a second (`@headwater/cluster`), and each session on a replica is read-only',
      run: async (life) => {
        const { rows } = await withReplica(() => life.pool.query<{ read_only: string }>('select read_only from server'))
        return `read_only: ${rows.map((row) => row.read_only).join()}`
      },
      seen: 'read_only: on',
    },
    {
      there: 'flycast URLs, rewriting',
      mark: '+',
      here: '`<db>.flycast` and `.internal` give the replica’s',
      shownBy: [
        '../packages/pg/test/fly-environment.test.ts',
        'alone gives an instance abroad its replica, and one at home none',
      ],
    },
  ],
}

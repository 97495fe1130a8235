import { PrimaryUnavailable, runInScope, SessionUnavailable, withReplica } from '@headwater/core'
import {
  accountOf,
  hasPgBouncer,
  hasPgpool,
  inRequest,
  PgBouncer,
  pgBouncers,
  requestScope,
  startPgpool,
  untilCatalogIsRead,
  WHO,
  World,
} from '@headwater/test-world'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RoutedPool, RoutedPoolOptions } from '../src/index.ts'

let world: World
beforeAll(async () => {
  world = await World.start({ replicas: ['ams'] })
})
afterAll(() => world[Symbol.asyncDispose]())

const servers = () => ({ home: world.cluster.primary, replica: world.replica(0) })
const note = (pool: RoutedPool, body: string) => pool.query('insert into note (body) values ($1)', [body])

function poolThrough(pooler: PgBouncer, options: RoutedPoolOptions = {}): RoutedPool {
  return world.pool('ams', {
    primary: { region: 'ams', connectionString: pooler.url('home') },
    replicas: [{ region: 'ams', connectionString: pooler.url('replica') }],
    max: 3,
    promotionWaitMillis: 0,
    ...options,
  })
}

/** Runs `text` in `count` sessions of a database at once, as another app with plain pg. */
async function inSessions(pooler: PgBouncer, database: string, count: number, text: string): Promise<unknown[]> {
  const clients = Array.from({ length: count }, () => new pg.Client(pooler.url(database)))
  await Promise.all(clients.map((client) => client.connect()))
  try {
    const results = await Promise.all(clients.map((client) => client.query(`${text}; select pg_sleep(0.05)`)))
    return results.map((result) => (result as unknown as pg.QueryResult[])[0]?.rows[0])
  } finally {
    await Promise.all(clients.map((client) => client.end()))
  }
}

const POISON =
  "set default_transaction_read_only = on; set search_path = nowhere; set plan_cache_mode = 'force_generic_plan'"
const FOUND = `select current_setting('default_transaction_read_only') as readonly, current_setting('plan_cache_mode') as plans,
  current_setting('search_path') as path, (select count(*)::int from pg_prepared_statements where name !~ '^PGBOUNCER_') as statements`

/** `pnpm poolers` runs all of them. */
const isWhole = process.env['HEADWATER_PGBOUNCER'] !== undefined
const CONFIGURATIONS = [
  { name: 'session mode without a reset', settings: { pool_mode: 'session', server_reset_query: '' } },
  { name: 'transaction mode', settings: { pool_mode: 'transaction' } },
  {
    name: 'transaction mode with a reset each time',
    settings: { pool_mode: 'transaction', server_reset_query_always: '1' },
  },
]

describe.skipIf(!hasPgBouncer).each(pgBouncers)('behind a hostile PgBouncer $version', (command) => {
  describe.each(isWhole ? CONFIGURATIONS : CONFIGURATIONS.slice(0, 2))('in $name', ({ settings }) => {
    let pooler: PgBouncer
    beforeAll(async () => {
      pooler = await PgBouncer.start(servers(), settings, command)
    })
    afterAll(() => pooler[Symbol.asyncDispose]())

    it('B3: nothing of ours stays on a session, and a client sees its own writes', async () => {
      const pool = poolThrough(pooler)
      await untilCatalogIsRead(pool)
      for (let n = 0; n < 8; n += 1) {
        await inRequest(pool, async () => {
          await note(pool, 'hostile')
          expect((await pool.query("select count(*)::int as n from note where body = 'hostile'")).rows).toEqual([
            { n: n + 1 },
          ])
        })
        const writer = requestScope(pool, { isWanted: true })
        await runInScope(writer, () => note(pool, 'told'))
        const minPosition = await writer.session.capturePosition()
        const read = () => pool.query("select count(*)::int as n from note where body = 'told'")
        expect((await runInScope(requestScope(pool, { minPosition }), read)).rows).toEqual([{ n: n + 1 }])
        const { rows } = await pool.query({ name: 'who-is', text: 'select who, $1::int as n from server', values: [n] })
        expect(rows).toMatchObject([{ n }])
      }
      const client = await pool.connect()
      await client.query('begin')
      await client.query("insert into note (body) values ('hostile lease')")
      await client.query('commit')
      client.release()
      await pool.end()
      for (const database of ['home', 'replica']) {
        const clean = { readonly: 'off', plans: 'auto', path: '"$user", public', statements: 0 }
        expect(await inSessions(pooler, database, 4, FOUND)).toEqual(Array(4).fill(clean))
      }
      await world.change("delete from note where body in ('hostile', 'told')")
    })

    it('X7: what another app has set on a session is its own, and no news of the primary', async () => {
      await inSessions(pooler, 'home', 8, POISON)
      const pool = poolThrough(pooler)
      await pool.query(WHO).catch(() => undefined)
      // The pool's watch has had its answer.
      await expect.poll(() => pool.status().servers[0]?.timeline).toBe(1)
      const refused = await note(pool, 'poisoned').catch((error: unknown) => error)
      // As bare pg: written, or refused by that session.
      expect(refused).not.toBeInstanceOf(PrimaryUnavailable)
      expect(pool.status().servers[0]).toMatchObject({ role: 'primary' })
      await pool.end()
      await pooler.tell('RECONNECT')
    })
  })

  describe('whose mode is changed while it runs', () => {
    it('X2, F1: unsaid, it goes on: no query fails, nothing is lost, nothing is seen late', async () => {
      await using pooler = await PgBouncer.start(servers(), { pool_mode: 'session' }, command)
      const pool = poolThrough(pooler, { max: 2 })
      await untilCatalogIsRead(pool)
      const failures: unknown[] = []
      let isOver = false
      let done = 0
      const caller = async (name: string): Promise<void> => {
        for (let n = 0; !isOver; n += 1) {
          try {
            await inRequest(pool, async () => {
              await note(pool, `changed ${command.version} ${name}`)
              const { rows } = await pool.query('select count(*)::int as n from note where body = $1', [
                `changed ${command.version} ${name}`,
              ])
              expect(rows).toEqual([{ n: n + 1 }])
            })
            await pool.query({ name: 'who-is', text: 'select who, $1::int as n from server', values: [n] })
            const client = await pool.connect()
            await client.query('begin')
            await client.query('select 1 from note')
            await client.query('commit')
            client.release()
            done += 1
          } catch (error) {
            failures.push(error)
          }
        }
      }
      const callers = ['one', 'two'].map(caller)
      for (const mode of ['transaction', 'session', 'transaction']) {
        const before = done
        await pooler.setMode('home', mode)
        await pooler.setMode('replica', mode)
        await expect.poll(() => done + failures.length).toBeGreaterThan(before + 20)
      }
      isOver = true
      await Promise.all(callers)
      expect(failures).toEqual([])
      await pool.end()
    })

    it('B2: said to keep sessions, it is found out, and what needs one is refused from then on', async () => {
      await using pooler = await PgBouncer.start(servers(), { pool_mode: 'session' }, command)
      const told: string[] = []
      const logger = { info: () => undefined, warn: (message: string) => void told.push(message) }
      const pool = poolThrough(pooler, { pooler: 'session', logger })
      const client = await pool.connect()
      await client.query("select set_config('app.tenant', '7', false)")
      expect((await client.query("select current_setting('app.tenant') as tenant")).rows).toEqual([{ tenant: '7' }])
      client.release()
      await pooler.setMode('home', 'transaction')
      const needy = () =>
        pool.query("select set_config('app.tenant', '7', false)").then(
          () => undefined,
          (error: unknown) => error,
        )
      await expect
        .poll(
          async () => {
            await Promise.all(
              Array.from({ length: 3 }, () =>
                pool.query('insert into note (body) select $1 from pg_sleep(0.02)', ['x']),
              ),
            )
            return needy()
          },
          { timeout: 15_000 },
        )
        .toBeInstanceOf(SessionUnavailable)
      expect(told.filter((message) => message.includes('HEADWATER_POOLER_SHARES'))).toHaveLength(1)
      await pool.end()
    })
  })
})

describe.skipIf(!hasPgpool)('behind pgpool-II that keeps connections for the next client', () => {
  const KEEPS = { connection_cache: 'on', max_pool: 4, num_init_children: 8 }

  it('B3, X1: a read-only session of ours is none of another app', async () => {
    const replica = world.replica(0)
    await using front = await startPgpool([replica], await accountOf(replica), KEEPS)
    const pool = world.pool('ams', {
      primary: { region: 'ams', connectionString: world.cluster.primary.url },
      replicas: [{ region: 'ams', connectionString: front.url }],
      catalog: false,
    })
    const setting = "select current_setting('default_transaction_read_only') as readonly, pg_sleep(0.02)::text"
    const ours = await Promise.all(Array.from({ length: 4 }, () => withReplica(() => pool.query(setting))))
    expect(ours.map(({ rows }) => rows[0]?.readonly)).toEqual(Array(4).fill('on'))
    await pool.end()
    const others = Array.from({ length: 7 }, () => new pg.Client(front.url))
    await Promise.all(others.map((other) => other.connect()))
    const theirs = await Promise.all(others.map((other) => other.query(setting)))
    await Promise.all(others.map((other) => other.end()))
    expect(theirs.map(({ rows }) => rows[0]?.readonly)).toEqual(Array(7).fill('off'))
  })

  it.each([
    { balances: 'off', sees: 1 },
    // As its page says: nobody can know there, so it is not to be used.
    { balances: 'on', sees: 0 },
  ])('R4, O1: with load_balance_mode = $balances a client sees $sees of its own writes', async ({ balances, sees }) => {
    const told: string[] = []
    const logger = { info: () => undefined, warn: (message: string) => void told.push(message) }
    await using behind = await World.start({ replicas: ['ams'] })
    const { primary } = behind.cluster
    const settings = { ...KEEPS, load_balance_mode: balances, backend_weight0: 0, backend_weight1: 1 }
    await using front = await startPgpool([primary, behind.replica()], await accountOf(primary), settings)
    await behind.replica().query('select pg_wal_replay_pause()')
    const pool = behind.pool('ams', {
      primary: { region: 'ams', connectionString: front.url, pooler: 'session' },
      replicas: [],
      catalog: false,
      logger,
    })
    const { rows } = await inRequest(pool, async () => {
      await note(pool, 'own')
      return pool.query("select count(*)::int as n from note where body = 'own'")
    })
    expect(rows).toEqual([{ n: sees }])
    expect(await behind.notes('own')).toBe(1)
    if (balances === 'on')
      await expect.poll(() => told.join(), { timeout: 10_000 }).toContain('HEADWATER_FRONT_BALANCES')
    else expect(told.join()).not.toContain('HEADWATER_FRONT_BALANCES')
    await pool.end()
  })
})

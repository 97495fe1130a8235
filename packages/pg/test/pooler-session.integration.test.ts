import { SessionUnavailable, withPrimary } from '@headwater/core'
import { hasPgBouncer, inRequest, PgBouncer, pgBouncers, untilHome, WHO, World } from '@headwater/test-world'
import pg from 'pg'
import Cursor from 'pg-cursor'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RoutedPool, RoutedPoolOptions } from '../src/index.ts'

let world: World
beforeAll(async () => {
  world = await World.start({ replicas: ['nrt'] })
})
afterAll(() => world[Symbol.asyncDispose]())

/** The process that the client began with: past a pooler, its own. */
const processOf = (client: object): unknown => Reflect.get(client, 'processID')

/** Each leaves something in its session, or asks for what was left there. */
const NEEDS_SESSION = [
  'listen news',
  "set application_name = 'other'",
  'select pg_advisory_lock(7)',
  'create temp table pile (a int)',
  'select 1 as a into temp heap',
  'prepare p as select 1',
  'declare c cursor with hold for select 1',
  "select set_config('app.tenant', '7', false)",
  'discard all',
] as const

describe.skipIf(!hasPgBouncer).each(pgBouncers)('behind PgBouncer $version in transaction mode', (command) => {
  let pooler: PgBouncer
  beforeAll(async () => {
    pooler = await PgBouncer.start(
      { home: world.cluster.primary, replica: world.replica(0) },
      { pool_mode: 'transaction', default_pool_size: '3' },
      command,
    )
  })
  afterAll(() => pooler[Symbol.asyncDispose]())

  const poolIn = (
    region: 'ams' | 'nrt',
    options: RoutedPoolOptions = {},
    primary: RoutedPoolOptions = {},
  ): RoutedPool =>
    world.pool(region, {
      primary: { region: 'ams', connectionString: pooler.url('home'), ...primary },
      replicas: [{ region: 'nrt', connectionString: pooler.url('replica'), pooler: 'transaction' }],
      ...options,
    })

  /** What others on this pooler find in the sessions that it shares. */
  async function leftBehind(): Promise<unknown> {
    const other = new pg.Pool({ connectionString: pooler.url('home'), max: 6 })
    try {
      const looks = Array.from({ length: 6 }, async () => {
        const { rows } = await other.query(
          `select current_setting('default_transaction_read_only') as readonly, coalesce(current_setting('app.tenant', true), '') as tenant,
             (select count(*)::int from pg_prepared_statements where name !~ '^PGBOUNCER_') as statements,
             (select count(*)::int from pg_listening_channels()) as channels,
             (select count(*)::int from pg_cursors) as cursors,
             (select count(*)::int from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()) as locks,
             (select count(*)::int from pg_class where relpersistence = 't' and pg_table_is_visible(oid)) as temporary,
             pg_sleep(0.02)::text as held`,
        )
        return rows[0]
      })
      return [...new Set((await Promise.all(looks)).map((row) => JSON.stringify(row)))].map((row) => JSON.parse(row))
    } finally {
      await other.end()
    }
  }
  const NOTHING = {
    readonly: 'off',
    tenant: '',
    statements: 0,
    channels: 0,
    cursors: 0,
    locks: 0,
    temporary: 0,
    held: '',
  }
  const isNothing = (found: unknown): void => expect(found).toEqual([NOTHING])

  it.each(NEEDS_SESSION)('B2: without a direct URL it is refused, and leaves nothing: %s', async (text) => {
    for (const pooling of ['transaction', undefined] as const) {
      const pool = poolIn('ams', {}, { pooler: pooling })
      const refusal = { code: 'HEADWATER_SESSION_UNAVAILABLE', reason: 'no-direct-address', retryable: false }
      await expect(pool.query(text)).rejects.toMatchObject(refusal)
      const client = await pool.connect()
      await expect(client.query(text)).rejects.toBeInstanceOf(SessionUnavailable)
      // The client goes on.
      expect((await client.query(WHO)).rows).toEqual([{ who: 'primary' }])
      await client.query('begin')
      await client.query('select 1')
      await expect(client.query(text)).rejects.toMatchObject({ code: 'HEADWATER_SESSION_UNAVAILABLE' })
      await client.query('rollback')
      client.release()
    }
    isNothing(await leftBehind())
  })

  it('B2: with a direct URL it goes there by itself, and the client stays there', async () => {
    const pool = poolIn('ams', {}, { direct: world.cluster.primary.url })
    const client = await pool.connect()
    try {
      await client.query("select set_config('app.tenant', '7', false)")
      for (let n = 0; n < 5; n += 1) {
        const { rows } = await client.query("select current_setting('app.tenant') as tenant, pg_backend_pid() as pid")
        expect(rows).toEqual([{ tenant: '7', pid: processOf(client) }])
      }
      await client.query('create temp table pile (a int)')
      await client.query('insert into pile values (1)')
      expect((await client.query('select a from pile')).rows).toEqual([{ a: 1 }])
      await client.query('prepare p as select 2 as two')
      expect((await client.query('execute p')).rows).toEqual([{ two: 2 }])
      await client.query('declare c cursor with hold for select 3 as three')
      expect((await client.query('fetch 1 from c')).rows).toEqual([{ three: 3 }])
      const heard = new Promise((resolve) => client.on('notification', resolve))
      await client.query('listen pooled_news')
      await pool.query("select pg_notify('pooled_news', 'hello')")
      expect(await heard).toMatchObject({ channel: 'pooled_news', payload: 'hello' })
    } finally {
      client.release(true)
    }
    isNothing(await leftBehind())
  })

  it('B2: one lock of a session is held by one client at a time', async () => {
    const pool = poolIn('ams', {}, { direct: world.cluster.primary.url })
    const [one, two] = await Promise.all([pool.connect(), pool.connect()])
    const tryLock = async (client: pg.PoolClient) =>
      (await client.query('select pg_try_advisory_lock(42) as got')).rows[0].got
    expect(await tryLock(one)).toBe(true)
    expect(await tryLock(two)).toBe(false)
    await one.query('select pg_advisory_unlock(42)')
    expect(await tryLock(two)).toBe(true)
    one.release()
    two.release(true)
  })

  it('B2: a client that was behind the pooler goes to the direct URL when it needs a session, also in a transaction that begins so', async () => {
    const pool = poolIn('ams', {}, { direct: world.cluster.primary.url })
    const client = await pool.connect()
    try {
      await client.query("insert into note (body) values ('before')")
      expect((await client.query('select pg_backend_pid() as pid')).rows).not.toEqual([{ pid: processOf(client) }])
      await client.query('begin')
      await client.query("set session app.tenant = '8'")
      expect((await client.query('select pg_backend_pid() as pid')).rows).toEqual([{ pid: processOf(client) }])
      await client.query('commit')
      expect((await client.query("select current_setting('app.tenant') as tenant")).rows).toEqual([{ tenant: '8' }])
    } finally {
      client.release(true)
    }
    const late = await pool.connect()
    await late.query('begin')
    await late.query('select 1 from note')
    await expect(late.query("set session app.tenant = '9'")).rejects.toMatchObject({ reason: 'transaction-open' })
    await late.query("set local app.tenant = '9'")
    await late.query('create temp table short (a int) on commit drop')
    await late.query('rollback')
    late.release()
    isNothing(await leftBehind())
  })

  it('B2: a transaction that is open before the pooler was found out sets nothing on its session', async () => {
    const pool = poolIn('ams', {}, { direct: world.cluster.primary.url })
    const client = await pool.connect()
    await client.query('begin')
    await client.query('select 1 from note')
    await expect(client.query("set session app.tenant = '9'")).rejects.toMatchObject({ reason: 'transaction-open' })
    await client.query('rollback')
    client.release()
    await pool.end()
    isNothing(await leftBehind())
  })

  it('B2: a change of the schema goes to the direct URL, and without one through the pooler', async () => {
    const through = poolIn('ams')
    await through.query('create table pooled_schema (a int)')
    const around = poolIn('ams', {}, { direct: world.cluster.primary.url, pooler: 'transaction' })
    await around.query('alter table pooled_schema add column b int')
    const client = await around.connect()
    await client.query('drop table pooled_schema')
    expect((await client.query('select pg_backend_pid() as pid')).rows).toEqual([{ pid: processOf(client) }])
    client.release()
  })

  it("B2: behind a pooler that keeps sessions, and past none, a session is the client's own", async () => {
    await using keeping = await PgBouncer.start({ home: world.cluster.primary }, { pool_mode: 'session' }, command)
    for (const primary of [
      { connectionString: keeping.url('home'), pooler: 'session' as const },
      { connectionString: world.cluster.primary.url, pooler: undefined },
    ]) {
      const pool = world.pool('ams', { primary: { region: 'ams', ...primary }, replicas: [] })
      const client = await pool.connect()
      await client.query("set app.tenant = '7'")
      expect((await client.query("select current_setting('app.tenant') as tenant")).rows).toEqual([{ tenant: '7' }])
      client.release(true)
      await pool.end()
    }
  })

  it('B3: the app’s named statements run under their names only where the pooler keeps them', async () => {
    const pool = poolIn('ams')
    const runs = Array.from({ length: 40 }, (_, n) =>
      pool.query({ name: 'by-body', text: 'select $1::int as n, count(*)::int as c from note', values: [n] }),
    )
    const results = await Promise.all(runs)
    expect(results.map(({ rows }) => rows[0].n)).toEqual(results.map((_, n) => n))
    const away = poolIn('nrt')
    const reads = Array.from({ length: 40 }, (_, n) =>
      away.query({ name: 'who-is', text: 'select who, $1::int as n from server', values: [n] }),
    )
    expect((await Promise.all(reads)).map(({ rows }) => rows[0])).toEqual(reads.map((_, n) => ({ who: 'nrt', n })))
    isNothing(await leftBehind())
  })

  it('X1: streams, cursors and row modes are tried as they are sent', async () => {
    const pool = poolIn('nrt')
    await untilHome(pool)
    const text = 'select who, count_notes() >= 0 as counted from server where $1 > 0'
    const asArray = await inRequest(pool, () => pool.query({ text, values: [1], rowMode: 'array' }))
    expect(asArray).toMatchObject({ rows: [['nrt', true]], command: 'SELECT', rowCount: 1 })
    const client = await pool.connect()
    await inRequest(pool, async () => {
      const cursor = client.query(new Cursor(text, [1]))
      expect(await cursor.read(10)).toEqual([{ who: 'nrt', counted: true }])
      await cursor.close()
    })
    client.release()
    await expect(inRequest(pool, () => pool.query('select count_notes(), 1 / $1::int', [0]))).rejects.toMatchObject({
      code: '22012',
    })
    expect((await pool.query(WHO)).rows).toEqual([{ who: 'nrt' }])
  })

  it('B2: withPrimary finds its session at home from away, outside a request', async () => {
    const pool = poolIn('nrt', { writesOutsideRequest: 'direct' }, { direct: world.cluster.primary.url })
    const client = await pool.connect()
    await withPrimary(() => client.query("set app.tenant = '1'"))
    expect((await client.query("select who, current_setting('app.tenant') as tenant from server")).rows).toEqual([
      { who: 'primary', tenant: '1' },
    ])
    client.release(true)
  })
})

import { diagnostics, type NodeEvent, PrimaryUnavailable, ReplayToPrimary, runInScope, Scope } from '@headwater/core'
import { inRequest, WHO, World } from '@headwater/test-world'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { RoutedPool } from '../src/index.ts'

let world: World
beforeAll(async () => {
  world = await World.start({
    replicas: ['nrt', 'nrt-2'],
    schema: `create view session as
      select current_setting('default_transaction_read_only') as is_on, current_setting('work_mem') as memory`,
  })
})
afterAll(() => world[Symbol.asyncDispose]())

const replica = (index: number) => world.replica(index)

const opened: RoutedPool[] = []
/** A pool that ends with its test: what it hears later of the servers is no other test's. */
function open(...options: Parameters<World['pool']>): RoutedPool {
  const pool = world.pool(...options)
  opened.push(pool)
  return pool
}
afterEach(async () => {
  await Promise.all(opened.splice(0).map((pool) => (pool.ending ? undefined : pool.end())))
})

describe('X1: replica sessions are read-only', () => {
  it.each([
    ['a plain connection string', (url: string) => ({ connectionString: url })],
    [
      'options in the connection string',
      (url: string) => ({ connectionString: `${url}?options=${encodeURIComponent('-c work_mem=8MB')}` }),
    ],
    ['options in the configuration', (url: string) => ({ connectionString: url, options: '-c work_mem=8MB' })],
  ])('with %s', async (_name, configure) => {
    const pool = open('nrt', {
      replicas: [{ region: 'nrt', ...configure(replica(0).url) }],
      functions: { session: 'read' },
    })
    const { rows } = await pool.query('select is_on, memory from session')
    expect(rows).toEqual([{ is_on: 'on', memory: _name.includes('options') ? '8MB' : expect.any(String) }])
  })

  it('a "replica" that is the primary (wrong URL, promotion) takes no write', async () => {
    const pool = open('nrt', { replicas: [{ region: 'nrt', connectionString: world.cluster.primary.url }] })
    const error = await inRequest(pool, () => pool.query("select write_note('X1')")).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(ReplayToPrimary)
    expect(await world.notes('X1')).toBe(0)
  })
})

describe('faults', () => {
  afterEach(async () => {
    for (const node of world.cluster.replicas) if (!node.isRunning) await node.start()
  })

  it('X2: a replica that cannot be reached is left alone, and the read goes to the next one', async () => {
    const pool = open('nrt')
    await replica(0).stop('immediate')
    for (let n = 0; n < 4; n += 1) expect((await pool.query(WHO)).rows).toEqual([{ who: 'nrt-2' }])
  })

  it('X3: many connections that fail at once are one failure, and its pause is short', async () => {
    const pool = open('nrt', { max: 20, replicas: [{ region: 'nrt', connectionString: replica(0).url }] })
    const changes: string[] = []
    const hear = (event: unknown) => {
      const { node, change } = event as NodeEvent
      if (node === 'replica-0') changes.push(change)
    }
    await replica(0).stop('immediate')
    diagnostics.node.subscribe(hear)
    try {
      await Promise.all(Array.from({ length: 20 }, () => pool.query(WHO)))
      expect(changes.filter((change) => change === 'down')).toHaveLength(1)
      await replica(0).start()
      // The first pause is 250 ms, spread by a quarter.
      const since = performance.now()
      await expect.poll(async () => (await pool.query(WHO)).rows[0]?.who, { timeout: 5000, interval: 20 }).toBe('nrt')
      expect(performance.now() - since).toBeLessThan(1500)
    } finally {
      diagnostics.node.unsubscribe(hear)
    }
  })

  it('X2: a read whose replica dies under it is answered elsewhere', async () => {
    const pool = open('ams', { replicas: [{ region: 'ams', connectionString: replica(0).url }] })
    const slow = pool.query('select who, pg_sleep(1) from server')
    await expect.poll(() => pool.totalCount).toBe(1)
    await new Promise((resolve) => setTimeout(resolve, 100))
    await replica(0).stop('immediate')
    expect((await slow).rows).toMatchObject([{ who: 'primary' }])
  })

  it('X2: sequelize#7179, graph-node#4327, PostgREST#3673, spicedb#2233: a read that recovery cancels is answered elsewhere', async () => {
    const pool = open('ams', { replicas: [{ region: 'ams', connectionString: replica(0).url }] })
    await replica(0).query('alter system set max_standby_streaming_delay = 0')
    await replica(0).query('select pg_reload_conf()')
    try {
      const slow = pool.query('select who, pg_sleep(1) from server, (select count(*) from note) as notes')
      const onReplica = "select 1 from pg_stat_activity where state = 'active' and wait_event = 'PgSleep'"
      await expect.poll(() => replica(0).query(onReplica)).toHaveLength(1)
      // Replayed, the lock meets the one that the read holds.
      await world.admin.query('begin; lock table note in access exclusive mode; commit')
      expect((await slow).rows).toMatchObject([{ who: 'primary' }])
      await expect.poll(() => replica(0).log()).toContain('canceling statement due to conflict with recovery')
      // Its server is as well as before.
      expect((await pool.query(WHO)).rows).toEqual([{ who: 'nrt' }])
    } finally {
      await replica(0).query('alter system reset max_standby_streaming_delay')
      await replica(0).query('select pg_reload_conf()')
    }
  })

  it('X2: with every replica gone, reads fall to the primary at home and are replayed away; it comes back by itself', async () => {
    const events: string[] = []
    const listen = (event: unknown) => events.push((event as NodeEvent).change)
    diagnostics.node.subscribe(listen)
    const only = [{ connectionString: replica(0).url }]
    const home = open('ams', { replicas: only })
    const away = open('nrt', { replicas: only })
    await replica(0).stop('immediate')
    expect((await home.query(WHO)).rows).toEqual([{ who: 'primary' }])
    const error = await inRequest(away, () => away.query(WHO)).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'HEADWATER_REPLAY_TO_PRIMARY', reason: 'replica-lost' })
    await replica(0).start()
    await expect.poll(async () => (await home.query(WHO)).rows[0].who, { timeout: 10_000 }).toBe('nrt')
    diagnostics.node.unsubscribe(listen)
    expect(events).toEqual(expect.arrayContaining(['down', 'up']))
  })

  it('an unreachable primary is a typed error at once, and reads go on', async () => {
    const closed = 'postgres://postgres@127.0.0.1:1/postgres'
    const pool = open('ams', { primary: { region: 'ams', connectionString: closed }, promotionWaitMillis: 0 })
    const started = performance.now()
    const error = await pool.query("insert into note (body) values ('x')").catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(PrimaryUnavailable)
    expect(error).toMatchObject({
      code: 'HEADWATER_PRIMARY_UNAVAILABLE',
      retryable: true,
      status: 503,
      cause: { code: 'ECONNREFUSED' },
    })
    expect(performance.now() - started).toBeLessThan(1000)
    expect((await pool.query(WHO)).rows).toMatchObject([{ who: expect.stringMatching(/^nrt/) }])
    const client = await pool.connect()
    await client.query('begin')
    await expect(client.query("insert into note (body) values ('x')")).rejects.toThrow(PrimaryUnavailable)
    client.release()
  })

  it('a refused login is the database’s own error, and the password appears nowhere', async () => {
    const connectionString = world.cluster.primary.url.replace('postgres@', 'nobody_known:s3cret@')
    const pool = open('ams', { primary: { region: 'ams', connectionString, password: 's3cret' } })
    const error = await pool.query("insert into note (body) values ('x')").catch((reason: unknown) => reason)
    expect(error).toMatchObject({ severity: 'FATAL', code: '28000' })
    expect(JSON.stringify({ ...(error as object), message: (error as Error).message })).not.toContain('s3cret')
  })

  it('a checked-out client that loses its connection does not end the process', async () => {
    const pool = open('ams')
    const client = await pool.connect()
    await client.query("set app.x = '1'")
    const { rows } = await client.query('select pg_backend_pid() as pid')
    const unheard = await pool.connect()
    await unheard.query("set app.x = '1'")
    const { rows: other } = await unheard.query('select pg_backend_pid() as pid')
    const heard = new Promise((resolve) => client.on('error', resolve))
    await world.admin.query('select pg_terminate_backend($1), pg_terminate_backend($2)', [rows[0].pid, other[0].pid])
    expect(await heard).toMatchObject({ code: '57P01' })
    await expect(unheard.query(WHO)).rejects.toThrow()
    client.release()
    unheard.release()
    await expect.poll(() => pool.totalCount).toBe(0)
    await pool.query("insert into note (body) values ('after')")
  })

  it('a query that times out on the client’s side takes its connection with it', async () => {
    const pool = open('ams', { query_timeout: 100 })
    await expect(pool.query('select pg_sleep(1)')).rejects.toThrow('Query read timeout')
    const client = await pool.connect()
    await expect(client.query('select pg_sleep(1)')).rejects.toThrow('Query read timeout')
    client.release()
    await expect.poll(() => pool.totalCount).toBe(0)
    expect((await pool.query('select 1 as n')).rows).toEqual([{ n: 1 }])
  })

  it('released in the middle of a cursor, the connection is not handed on', async () => {
    const { default: Cursor } = await import('pg-cursor')
    const pool = open('ams', { max: 1 })
    const client = await pool.connect()
    const cursor = client.query(new Cursor('select * from generate_series(1, 100)'))
    await cursor.read(1)
    client.release()
    await cursor.close().catch(() => undefined)
    expect((await pool.query('select 1 as n')).rows).toEqual([{ n: 1 }])
  })
})

describe('X4: roles follow the server', () => {
  it('reports a node whose role is not the configured one, and again after a promotion', async () => {
    const events: NodeEvent[] = []
    const listen = (event: unknown) => events.push(event as NodeEvent)
    diagnostics.node.subscribe(listen)
    await using other = await World.start()
    const pool = other.pool('nrt')
    await pool.query(WHO)
    expect(events.filter((event) => event.change.startsWith('became'))).toEqual([])
    const standby = other.cluster.replicas[0]
    await standby?.promote()
    await pool.query('select 1')
    await expect
      .poll(() => events.some((event) => event.change === 'became-primary' && event.node === 'replica-0'))
      .toBe(true)
    diagnostics.node.unsubscribe(listen)
    // Until it is elected its sessions stay read-only (X1); from then on it takes the writes.
    const write = () => runInScope(new Scope({ kind: 'request' }), () => pool.query("select write_note('promoted')"))
    await expect.poll(() => write().catch(() => undefined), { timeout: 5000 }).toBeDefined()
    expect(pool.topology).toMatchObject({ primaryRegion: 'nrt', isAtHome: true })
  })
})

describe('X5: nothing is left behind', () => {
  it('end() closes every connection at every node', async () => {
    const pool = new RoutedPool({
      region: 'ams',
      application_name: 'left-behind',
      logger: false,
      primary: { region: 'ams', connectionString: world.cluster.primary.url },
      replicas: [{ connectionString: replica(0).url }],
    })
    await Promise.all([pool.query(WHO), pool.query("insert into note (body) values ('x')")])
    await pool.end()
    for (const url of [world.cluster.primary.url, replica(0).url]) {
      const bare = new pg.Client(url)
      await bare.connect()
      const open = async () =>
        (await bare.query("select count(*)::int as open from pg_stat_activity where application_name = 'left-behind'"))
          .rows
      // A backend outlives our closed socket by a moment.
      await expect.poll(open).toEqual([{ open: 0 }])
      await bare.end()
    }
  })
})

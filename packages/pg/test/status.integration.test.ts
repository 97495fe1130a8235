import { setTimeout as sleep } from 'node:timers/promises'
import { World } from '@headwater/test-world'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RoutedPool, ServerStatus } from '../src/index.ts'
import { Gate } from './gate.ts'

let world: World
beforeAll(async () => {
  world = await World.start({ replicas: ['nrt', 'nrt-2'] })
}, 60_000)
afterAll(() => world[Symbol.asyncDispose]())

const PATIENT = { timeout: 15_000, interval: 20 }
const serverOf = (pool: RoutedPool, name: string): ServerStatus => {
  const found = pool.status().servers.find((server) => server.name === name)
  if (found === undefined) throw new Error(`there is no ${name}`)
  return found
}

describe('pool.status()', { timeout: 60_000 }, () => {
  it('O4: names every server with role, timeline, verdict, lag and connections, as JSON takes it', async () => {
    const replicas = [0, 1].map((index) => ({ region: 'nrt', connectionString: world.replica(index).url }))
    const pool = world.pool('nrt', { replicas, catalog: false })
    await pool.query('select 1')
    await expect
      .poll(() => pool.status().servers.map(({ role }) => role), PATIENT)
      .toEqual(['primary', 'replica', 'replica'])
    await expect.poll(() => serverOf(pool, 'replica-0').lagBytes, PATIENT).toBe(0)
    const status = pool.status()
    expect(JSON.parse(JSON.stringify(status))).toEqual(status)
    const [{ cluster } = {}] = await world.admin
      .query<{ cluster: string }>('select system_identifier::text as cluster from pg_control_system()')
      .then(({ rows }) => rows)
    expect(status).toMatchObject({
      region: 'nrt',
      primaryRegion: 'ams',
      isAtHome: false,
      hasReplica: true,
      hasPrimary: true,
      cluster,
      timeline: 1,
    })
    const [primary, replica] = status.servers
    const { host, port } = world.cluster.primary
    expect(primary).toMatchObject({
      name: 'primary',
      host,
      port,
      region: 'ams',
      timeline: 1,
      verdict: 'up',
      lastError: undefined,
    })
    expect(primary?.lagMillis).toBeUndefined()
    expect(replica).toMatchObject({
      name: 'replica-0',
      port: world.replica(0).port,
      region: 'nrt',
      timeline: 1,
      verdict: 'up',
      lagBytes: 0,
    })
    expect(replica?.position).toMatch(/^[0-9A-F]+\/[0-9A-F]+$/)
    expect(replica?.lagMillis).toBeLessThan(12_000)
    expect(Date.parse(replica?.since ?? '')).toBeLessThanOrEqual(Date.now())

    // A client that is checked out is counted, and one that waits.
    const one = world.pool('ams', { replicas: [], max: 1 })
    const client = await one.connect()
    await client.query('select 1')
    const waits = one.query('select 1')
    await expect.poll(() => serverOf(one, 'primary').connections).toEqual({ total: 1, idle: 0, waiting: 1 })
    client.release()
    await waits
    expect(serverOf(one, 'primary').connections).toEqual({ total: 1, idle: 1, waiting: 0 })
    // Nobody asks a lone server: its last session said what it is.
    expect(serverOf(one, 'primary')).toMatchObject({ role: 'primary', verdict: 'up', timeline: undefined })
  })

  it('O4: says how many connections all instances may come to, and how many each server takes', async () => {
    const lines: string[] = []
    const logger = { info: (line: string) => void lines.push(line), warn: () => undefined, error: () => undefined }
    const replicas = [{ region: 'nrt', connectionString: world.replica(0).url, max: 4 }]
    const pool = world.pool('nrt', { replicas, catalog: false, max: 7, logger })
    expect(serverOf(pool, 'primary').budget).toEqual({
      own: 8,
      instances: undefined,
      needed: undefined,
      allowed: undefined,
    })
    await pool.query('select 1')
    const { rows } = await world.admin.query<{ allowed: number }>(
      "select current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int as allowed",
    )
    // All of this machine's have one address.
    const asked = { instances: 1, allowed: rows[0]?.allowed }
    await expect.poll(() => serverOf(pool, 'primary').budget, PATIENT).toEqual({ own: 8, needed: 8, ...asked })
    await expect.poll(() => serverOf(pool, 'replica-0').budget, PATIENT).toEqual({ own: 5, needed: 5, ...asked })
    const direct = `${world.cluster.primary.url}?application_name=direct`
    const pooled = world.pool('nrt', {
      primary: { region: 'ams', connectionString: world.cluster.primary.url, pooler: 'transaction', direct },
      max: 7,
      logger,
    })
    expect(serverOf(pooled, 'primary').budget).toMatchObject({ own: 16, instances: undefined, needed: undefined })
  })

  it('O4: shows a replica that stands still by its lag, in bytes and in time', async () => {
    const pool = world.pool('ams', {
      replicas: [{ region: 'ams', connectionString: world.replica(0).url }],
      catalog: false,
      maxLag: { millis: 400 },
    })
    await pool.query('select 1')
    await expect.poll(() => serverOf(pool, 'replica-0').lagBytes, PATIENT).toBe(0)
    await world.replica(0).query('select pg_wal_replay_pause()')
    try {
      await world.admin.query("insert into note (body) select repeat('x', 1000) from generate_series(1, 50)")
      await expect.poll(() => serverOf(pool, 'replica-0').lagBytes, PATIENT).toBeGreaterThan(50_000)
      await expect.poll(() => serverOf(pool, 'replica-0').lagMillis, PATIENT).toBeGreaterThan(1_000)
      expect(serverOf(pool, 'replica-0').verdict).toBe('up')
    } finally {
      await world.replica(0).query('select pg_wal_replay_resume()')
    }
    await expect.poll(() => serverOf(pool, 'replica-0').lagBytes, PATIENT).toBe(0)
  })

  it('O4: a server that hangs is suspect, then down with its error, then up again', async () => {
    await using gate = await Gate.start('open', world.replica(0))
    const pool = world.pool('nrt', {
      replicas: [gate.url, world.replica(1).url].map((connectionString) => ({ region: 'nrt', connectionString })),
      catalog: false,
      suspectAfterMillis: 500,
    })
    await pool.query('select 1')
    await expect.poll(() => serverOf(pool, 'replica-0').verdict, PATIENT).toBe('up')
    const seen = new Set<string>()
    gate.freeze()
    await expect
      .poll(() => {
        const { verdict } = serverOf(pool, 'replica-0')
        seen.add(verdict)
        return verdict
      }, PATIENT)
      .toBe('down')
    expect([...seen]).toEqual(['up', 'suspect', 'down'])
    const { since, lastError, lagMillis } = serverOf(pool, 'replica-0')
    expect(Date.now() - Date.parse(since ?? '')).toBeLessThan(2_000)
    expect([lastError?.message, lagMillis]).toEqual([expect.stringMatching(/gave no answer within \d+ ms/), undefined])
    expect(pool.status().hasReplica).toBe(true)
    gate.mode = 'open'
    await expect.poll(() => serverOf(pool, 'replica-0').verdict, PATIENT).toBe('up')
    // What happened last is still known.
    expect(serverOf(pool, 'replica-0').lastError?.at).toBeDefined()
  })

  it('O4: an error in it shows no password, in whatever form the URL has it', async () => {
    await world.admin.query("create role guarded login password 'right'")
    const { host, port } = world.replica(1)
    const pool = world.pool('nrt', {
      replicas: [
        { region: 'nrt', connectionString: `postgres://guarded:p%40ss%2Fw0rd@${host}:${port}/no_such_database` },
        { region: 'nrt', host: '127.0.0.1', port: 1, user: 'guarded', password: 'p@ss/w0rd' },
      ],
      catalog: false,
    })
    await pool.query('select 1')
    await expect
      .poll(
        () =>
          pool
            .status()
            .servers.slice(1)
            .map(({ lastError }) => lastError?.code),
        PATIENT,
      )
      .toEqual(['3D000', 'ECONNREFUSED'])
    const text = JSON.stringify(pool.status())
    expect(text).toContain('no_such_database')
    for (const secret of ['p@ss/w0rd', 'p%40ss%2Fw0rd', 'w0rd']) expect(text).not.toContain(secret)
  })

  it('O4: asks the servers nothing by itself', async () => {
    const pool = world.pool('ams', { replicas: [], application_name: 'status-alone' })
    for (let times = 0; times < 20; times += 1) pool.status()
    await sleep(200)
    const { rows } = await world.admin.query("select 1 from pg_stat_activity where application_name = 'status-alone'")
    expect(rows).toEqual([])
  })

  it('O4: after a promotion it names the new primary, and the new timeline', async () => {
    await using own = await World.start()
    const pool = own.pool('nrt', { replicas: [{ region: 'nrt', connectionString: own.replica().url }], catalog: false })
    await pool.query('select 1')
    await expect.poll(() => serverOf(pool, 'replica-0').role, PATIENT).toBe('replica')
    await own.cluster.primary.kill()
    await own.replica().promote()
    await expect.poll(() => serverOf(pool, 'replica-0').role, PATIENT).toBe('primary')
    await expect.poll(() => serverOf(pool, 'primary').verdict, PATIENT).toBe('down')
    expect(pool.status()).toMatchObject({ primaryRegion: 'nrt', isAtHome: true, hasPrimary: true, timeline: 2 })
    expect(serverOf(pool, 'primary')).toMatchObject({
      role: 'unknown',
      timeline: undefined,
      lastError: { message: expect.any(String) },
    })
  })
})

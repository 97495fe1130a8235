import { ReplayToPrimary, runInScope } from '@headwater/core'
import { inRequest, requestScope, World, who } from '@headwater/test-world'
import { describe, expect, it, vi } from 'vitest'
import { RoutedPool, type RoutedPoolOptions, type ServerFacts } from '../src/index.ts'
import { Gate } from './gate.ts'

const PATIENT = { timeout: 20_000, interval: 20 }
const note = (pool: RoutedPool, body: string) => pool.query('insert into note (body) values ($1)', [body])
const notesAt = async (node: { query(sql: string): Promise<unknown> }) =>
  ((await node.query('select body from note order by id')) as { body: string }[]).map(({ body }) => body)

/** A pool in `region` whose primary is behind an address that moves. */
function behind(world: World, gate: Gate, region: 'ams' | 'nrt', options: Partial<RoutedPoolOptions> = {}): RoutedPool {
  return world.ending(
    new RoutedPool({
      region,
      primary: { endpoint: 'moving', connectionString: gate.url },
      replicas: [],
      catalog: false,
      functions: { server: 'read' },
      ...options,
    }),
  )
}

/** Lets each server say where it is, as an operator would in postgresql.conf. */
async function nameRegions(world: World): Promise<void> {
  for (const [node, region] of [
    [world.cluster.primary, 'ams'],
    [world.replica(), 'nrt'],
  ] as const) {
    // One session must know the name before ALTER SYSTEM takes it, and no transaction may be around it.
    await node.query(`set headwater.region = '${region}'`).catch(() => undefined)
    await node.query(`alter system set headwater.region = '${region}'`)
    await node.query('select pg_reload_conf()')
  }
}

/** A session that holds locks at the first primary. */
async function lockerOf(world: World) {
  const locker = await world.admin.connect()
  locker.on('error', () => undefined)
  return locker
}

describe('a primary behind an address that moves', { timeout: 60_000 }, () => {
  it('X4, X7, X8: writes, region and replay follow the server behind it, and it is asked where it is', async ({
    skip,
  }) => {
    await using world = await World.start()
    const { rows } = await world.admin.query<{ version: string }>(
      "select current_setting('server_version_num') as version",
    )
    skip(
      Number(rows[0]?.version) < 150_000,
      'before PostgreSQL 15 ALTER SYSTEM takes no setting that nothing has declared',
    )
    await nameRegions(world)
    await using gate = await Gate.start('open', world.cluster.primary)
    const [ams, nrt] = [behind(world, gate, 'ams'), behind(world, gate, 'nrt')]
    await note(ams, 'before')
    await note(nrt, 'before, over the wide network')
    await expect.poll(() => ams.topology, PATIENT).toMatchObject({ primaryRegion: 'ams', isAtHome: true })
    await expect.poll(() => nrt.topology, PATIENT).toMatchObject({ primaryRegion: 'ams', isAtHome: false })
    await expect(inRequest(nrt, () => note(nrt, 'replayed'))).rejects.toBeInstanceOf(ReplayToPrimary)

    await world.cluster.waitUntilCaughtUp()
    await world.cluster.primary.kill()
    await world.replica().promote()
    gate.lead(world.replica(), 'cut')
    await note(ams, 'after')
    await expect.poll(() => ams.topology, PATIENT).toMatchObject({ primaryRegion: 'nrt', isAtHome: false })
    await expect.poll(() => nrt.topology, PATIENT).toMatchObject({ primaryRegion: 'nrt', isAtHome: true })
    await expect(inRequest(ams, () => note(ams, 'replayed'))).rejects.toMatchObject({ region: 'nrt' })
    await inRequest(nrt, () => note(nrt, 'at home'))
    expect(await notesAt(world.replica())).toEqual(['before', 'before, over the wide network', 'after', 'at home'])
    expect(nrt.status()).toMatchObject({
      timeline: 2,
      servers: [{ name: 'primary', region: 'nrt', role: 'primary', timeline: 2 }],
    })
  })

  it('X7: open connections that stay with an old primary which lives on are closed, once the address leads elsewhere', async () => {
    await using world = await World.start()
    await using gate = await Gate.start('open', world.cluster.primary)
    const pool = behind(world, gate, 'ams', {
      primary: { endpoint: 'moving', region: 'ams', connectionString: gate.url },
    })
    const lease = await pool.connect()
    await lease.query('begin')
    await lease.query("insert into note (body) values ('open')")
    await note(pool, 'before')
    await world.cluster.waitUntilCaughtUp()
    await world.replica().promote()
    gate.lead(world.replica(), 'stay')
    // Nothing is cut, nothing fails, and the old one answers: only a new connection shows it.
    await expect.poll(() => pool.status().timeline, PATIENT).toBe(2)
    await expect(lease.query('commit')).rejects.toThrow()
    lease.release(true)
    const outcomes = await Promise.allSettled(Array.from({ length: 30 }, (_, n) => note(pool, `new ${n}`)))
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(30)
    expect(await notesAt(world.cluster.primary)).toEqual(['before'])
    expect(await notesAt(world.replica())).toHaveLength(31)
  })

  it('F7, X7: a token of a later timeline is heard before this request reads or writes behind it', async () => {
    await using world = await World.start()
    await using gate = await Gate.start('open', world.cluster.primary)
    const pool = behind(world, gate, 'ams', {
      primary: { endpoint: 'moving', region: 'ams', connectionString: gate.url },
    })
    const informed = world.pool('nrt', { replicas: [{ region: 'nrt', connectionString: world.replica().url }] })
    await note(pool, 'before')
    await informed.query('select 1')
    await world.cluster.waitUntilCaughtUp()
    await world.replica().promote()
    await expect.poll(() => informed.topology.isAtHome, PATIENT).toBe(true)
    const scope = requestScope(informed, { isWanted: true })
    await runInScope(scope, () => note(informed, 'first'))
    const minPosition = await scope.session.capturePosition()
    gate.lead(world.replica(), 'stay')
    await runInScope(requestScope(pool, { minPosition }), async () => {
      expect((await pool.query('select body from note order by id')).rows).toEqual([
        { body: 'before' },
        { body: 'first' },
      ])
      await note(pool, 'second')
    })
    expect(await notesAt(world.cluster.primary)).toEqual(['before'])
  })

  it('X9: while it leads to a server in recovery nothing is sent there, and what waits goes on when it leads back', async () => {
    await using world = await World.start()
    await using gate = await Gate.start('open', world.cluster.primary)
    const pool = behind(world, gate, 'ams', {
      primary: { endpoint: 'moving', region: 'ams', connectionString: gate.url },
    })
    await note(pool, 'before')
    gate.lead(world.replica(), 'cut')
    // What was cut while it was sent would have an unknown outcome.
    await expect.poll(() => pool.totalCount, PATIENT).toBe(0)
    const waits = Promise.all([note(pool, 'waited'), who(pool)])
    await expect.poll(() => pool.status().hasPrimary, PATIENT).toBe(false)
    // A server in recovery behind it is no replica of ours: nobody chose it for reads.
    expect(pool.topology.hasReplica).toBe(false)
    gate.lead(world.cluster.primary, 'stay')
    const [, read] = await waits
    expect(read).toBe('primary')
    expect(await notesAt(world.cluster.primary)).toEqual(['before', 'waited'])
  })

  it('X2, X9: a lone read that is cut off on its way is asked again behind it, and a transaction is not', async () => {
    await using world = await World.start()
    await using gate = await Gate.start('open', world.cluster.primary)
    const pool = behind(world, gate, 'ams')
    await note(pool, 'before')
    const locker = await lockerOf(world)
    await locker.query('begin; lock table note in access exclusive mode')
    const lease = await pool.connect()
    await lease.query('begin')
    const inTransaction = expect(lease.query('select body from note')).rejects.toMatchObject({
      code: 'HEADWATER_CONNECTION_LOST',
    })
    const alone = pool.query('select body from note')
    const waiting = "select count(*)::int as n from pg_stat_activity where wait_event_type = 'Lock'"
    const waitingNow = async () => (await world.admin.query<{ n: number }>(waiting)).rows[0]?.n
    await expect.poll(waitingNow, PATIENT).toBe(2)
    gate.lead(world.cluster.primary, 'cut')
    await inTransaction
    lease.release(true)
    await locker.query('rollback')
    locker.release()
    expect((await alone).rows).toEqual([{ body: 'before' }])
  })

  it('X2: a lone read that was cut off is never asked again over a connection from before', async () => {
    await using world = await World.start()
    await using wire = await world.cluster.wire(world.cluster.primary)
    await using gate = await Gate.start('open', wire)
    const pool = behind(world, gate, 'ams')
    await note(pool, 'before')
    await Promise.all(Array.from({ length: 4 }, () => pool.query('select pg_sleep(0.2)')))
    expect(pool.idleCount).toBeGreaterThan(3)
    await world.cluster.waitUntilCaughtUp()
    await world.replica().promote()
    gate.lead(world.replica(), 'stay')
    // Whatever is asked of the old server from now on is cut off.
    wire.cut({ at: /from note/, side: 'before', how: 'reset' })
    const { rows } = await pool.query('select body, (select who from server) from note')
    expect(rows).toEqual([{ body: 'before', who: 'nrt' }])
    expect(wire.cuts).toBeGreaterThan(0)
  })

  it('X9: a lone write that a stopping server rolled back is done once by the next one behind it', async () => {
    await using world = await World.start()
    await using gate = await Gate.start('open', world.cluster.primary)
    const pool = behind(world, gate, 'ams')
    await note(pool, 'before')
    await world.cluster.waitUntilCaughtUp()
    const locker = await lockerOf(world)
    await locker.query('begin; lock table note in share mode')
    const written = note(pool, 'rolled back first')
    const waiting = "select count(*)::int as n from pg_stat_activity where wait_event_type = 'Lock'"
    await expect.poll(async () => (await world.admin.query<{ n: number }>(waiting)).rows[0]?.n, PATIENT).toBe(1)
    await world.replica().promote()
    // Whoever asks right behind the loss finds a server that runs: it is another one.
    gate.lead(world.replica(), 'stay')
    await world.cluster.primary.stop('fast')
    await written
    locker.release(true)
    expect(await notesAt(world.replica())).toEqual(['before', 'rolled back first'])
  })

  it('X9: a lone write whose session somebody ended is not sent again: its server goes on', async () => {
    await using world = await World.start()
    await using gate = await Gate.start('open', world.cluster.primary)
    const pool = behind(world, gate, 'ams')
    await note(pool, 'before')
    const locker = await lockerOf(world)
    await locker.query('begin; lock table note in share mode')
    const ended = expect(note(pool, 'ended')).rejects.toMatchObject({ code: 'HEADWATER_CONNECTION_LOST' })
    const end = "select pg_terminate_backend(pid) from pg_stat_activity where wait_event_type = 'Lock'"
    await expect.poll(async () => (await world.admin.query(end)).rowCount, PATIENT).toBe(1)
    await ended
    await locker.query('rollback')
    locker.release()
    expect(await notesAt(world.cluster.primary)).toEqual(['before'])
  })

  it('X8: the app may say where a server is; what it cannot say changes nothing, and is told of once', async () => {
    await using world = await World.start()
    await using gate = await Gate.start('open', world.cluster.primary)
    const asked: ServerFacts[] = []
    const regions: Record<number, string> = { [world.cluster.primary.port]: 'ams' }
    const regionOf = async (server: ServerFacts) => {
      asked.push(server)
      const region = regions[server.addressPort ?? 0]
      if (region === undefined) throw new Error('no such server')
      return region
    }
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    try {
      const pool = behind(world, gate, 'nrt', { primary: { endpoint: 'moving', connectionString: gate.url, regionOf } })
      await note(pool, 'before')
      await expect.poll(() => pool.topology.primaryRegion, PATIENT).toBe('ams')
      expect(asked).toHaveLength(1)
      expect(asked[0]).toMatchObject({
        name: 'primary',
        address: '127.0.0.1',
        timeline: 1,
        addressPort: world.cluster.primary.port,
      })
      await world.cluster.waitUntilCaughtUp()
      await world.cluster.primary.kill()
      await world.replica().promote()
      gate.lead(world.replica(), 'cut')
      await note(pool, 'after')
      await expect.poll(() => asked.length, PATIENT).toBe(2)
      expect(pool.topology.primaryRegion).toBe('ams')
      await expect
        .poll(() => warned.mock.calls.map(([, options]) => Object(options).code), PATIENT)
        .toContain('HEADWATER_REGION_UNKNOWN')
    } finally {
      warned.mockRestore()
    }
  })

  it('X7: beside replicas it stays one of their servers: the new primary is found before the address moves', async () => {
    await using world = await World.start()
    await using gate = await Gate.start('open', world.cluster.primary)
    const pool = behind(world, gate, 'ams', {
      primary: { endpoint: 'moving', region: 'ams', connectionString: gate.url },
      replicas: [{ region: 'nrt', connectionString: world.replica().url }],
    })
    await note(pool, 'before')
    await world.cluster.waitUntilCaughtUp()
    await world.cluster.primary.kill()
    await world.replica().promote()
    await note(pool, 'between')
    expect(pool.topology.primaryRegion).toBe('nrt')
    gate.lead(world.replica(), 'cut')
    await expect.poll(() => pool.status().servers.map(({ role }) => role), PATIENT).toEqual(['primary', 'replica'])
    await note(pool, 'after')
    expect(await notesAt(world.replica())).toEqual(['before', 'between', 'after'])
  })
})

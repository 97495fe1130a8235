import { setTimeout as sleep } from 'node:timers/promises'
import { PrimaryConflict, ReplayToPrimary } from '@headwater/core'
import { forgetWarnings } from '@headwater/core/internal'
import { inRequest, World, who } from '@headwater/test-world'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { patroni, RoutedPool, type ServerPoolOptions } from '../src/index.ts'
import { PatroniStub } from './patroni-stub.ts'

const PATIENT = { timeout: 20_000, interval: 20 }
const note = (pool: RoutedPool, body: string) => pool.query('insert into note (body) values ($1)', [body])
const notesAt = async (node: { query(sql: string): Promise<unknown> }) =>
  ((await node.query('select body from note order by id')) as { body: string }[]).map(({ body }) => body)

function poolOf(
  world: World,
  region: string,
  servers: ServerPoolOptions['servers'],
  options: Partial<ServerPoolOptions> = {},
) {
  return world.ending(new RoutedPool({ region, servers, catalog: false, functions: { server: 'read' }, ...options }))
}

beforeEach(() => forgetWarnings())
afterEach(() => vi.restoreAllMocks())

const codesOf = (calls: readonly (readonly unknown[])[]) => calls.map(([, options]) => Object(options).code)

describe('servers without roles', { timeout: 60_000 }, () => {
  it('X7, X8: the first query waits until it is known who the primary is, so that it goes the right way', async () => {
    await using world = await World.start()
    // The list begins with a replica: the first guess is wrong.
    const servers = [
      { region: 'nrt', connectionString: world.replica().url },
      { region: 'ams', connectionString: world.cluster.primary.url },
    ]
    const [ams, nrt] = [poolOf(world, 'ams', servers), poolOf(world, 'nrt', servers)]
    // By the guess, this instance would be at home, and that one away.
    await expect(inRequest(nrt, () => note(nrt, 'replayed'))).rejects.toMatchObject({ region: 'ams' })
    await inRequest(ams, () => note(ams, 'at home'))
    expect(await notesAt(world.cluster.primary)).toEqual(['at home'])
    expect(await who(nrt)).toBe('nrt')
    expect(nrt.status().servers.map(({ name, role }) => [name, role])).toEqual([
      ['server-0', 'replica'],
      ['server-1', 'primary'],
    ])
  })

  it('X7: connect: eager and a lease wait for it too, and one server alone is not waited for', async () => {
    await using world = await World.start()
    const servers = [world.replica(), world.cluster.primary].map(({ url }) => ({
      region: 'ams',
      connectionString: url,
    }))
    const pool = poolOf(world, 'ams', servers, { connect: 'eager' })
    const lease = await pool.connect()
    await lease.query('begin')
    await lease.query("insert into note (body) values ('leased')")
    await lease.query('commit')
    lease.release()
    expect(await notesAt(world.cluster.primary)).toEqual(['leased'])
    const alone = poolOf(world, 'ams', [{ region: 'ams', connectionString: world.cluster.primary.url }])
    expect(await who(alone)).toBe('primary')
  })

  it('X7: servers that are not there are no reason to wait for ever, and the pool ends meanwhile', async () => {
    await using world = await World.start()
    const gone = { region: 'ams', connectionString: 'postgres://u@127.0.0.1:1/app' }
    const there = { region: 'ams', connectionString: world.cluster.primary.url }
    const pool = poolOf(world, 'ams', [gone, there])
    const startedAt = performance.now()
    await note(pool, 'written')
    expect(performance.now() - startedAt).toBeLessThan(3_000)
    const none = new RoutedPool({ servers: [gone, { ...gone, port: 2 }], catalog: false, promotionWaitMillis: 100 })
    await expect(none.query('insert into note default values')).rejects.toMatchObject({ status: 503 })
    await none.end()
  })

  it('X7: libpq: a list of hosts in one connection string is read next door and written at the source', async () => {
    await using world = await World.start()
    const { port } = world.cluster.primary
    const list = `postgres://postgres@127.0.0.1:${world.replica().port},127.0.0.1:${port}/postgres?target_session_attrs=read-write`
    const pool = world.ending(
      new RoutedPool({ primary: { connectionString: list }, catalog: false, functions: { server: 'read' } }),
    )
    expect(await who(pool)).toBe('nrt')
    await note(pool, 'by a list')
    expect(await notesAt(world.cluster.primary)).toEqual(['by a list'])
    await world.cluster.waitUntilCaughtUp()
    await world.cluster.primary.kill()
    await world.replica().promote()
    await note(pool, 'after')
    expect(await notesAt(world.replica())).toEqual(['by a list', 'after'])
  })

  it('X9: a lone statement whose session a stopping server ended waits for the next primary, and is done once', async () => {
    await using world = await World.start()
    const servers = [world.cluster.primary, world.replica()].map(({ url }) => ({
      region: 'ams',
      connectionString: url,
    }))
    const pool = poolOf(world, 'ams', servers, { promotionWaitMillis: 15_000 })
    await pool.query('select 1')
    const isRunning = async () =>
      (
        await world.admin.query(
          "select 1 from pg_stat_activity where state = 'active' and query like '%slowly%' and pid <> pg_backend_pid()",
        )
      ).rows.length
    const write = pool.query("insert into note (body) select 'slowly' from pg_sleep(2)")
    await expect.poll(isRunning, PATIENT).toBe(1)
    await world.cluster.primary.stop('fast')
    await world.replica().promote()
    await write
    expect(await notesAt(world.replica())).toEqual(['slowly'])
  })

  it('X2: a statement that an operator ended is not sent again', async () => {
    await using world = await World.start()
    const servers = [world.cluster.primary, world.replica()].map(({ url }) => ({
      region: 'ams',
      connectionString: url,
    }))
    const pool = poolOf(world, 'ams', servers)
    const write = pool
      .query("insert into note (body) select 'slowly' from pg_sleep(20)")
      .catch((error: unknown) => error)
    const end =
      "select pg_terminate_backend(pid) from pg_stat_activity where state = 'active' and query like '%slowly%' and pid <> pg_backend_pid()"
    await expect.poll(async () => (await world.admin.query(end)).rows.length, PATIENT).toBe(1)
    expect(await write).toMatchObject({ code: 'HEADWATER_CONNECTION_LOST', cause: { code: '57P01' } })
    expect(await notesAt(world.cluster.primary)).toEqual([])
  })

  it('X8: a server without a region says its own; where none does, that is warned of', async () => {
    await using world = await World.start()
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    const servers = [world.cluster.primary, world.replica()].map(({ url }) => ({ connectionString: url }))
    const silent = poolOf(world, 'nrt', servers)
    await note(silent, 'nobody knows where')
    expect(codesOf(warned.mock.calls)).toContain('HEADWATER_NO_PRIMARY_REGION')
    const named = await Promise.all(
      (
        [
          ['ams', world.cluster.primary],
          ['nrt', world.replica()],
        ] as const
      ).map(async ([region, node]) => {
        return { connectionString: `${node.url}?options=${encodeURIComponent(`-c headwater.region=${region}`)}` }
      }),
    )
    const pool = poolOf(world, 'nrt', named)
    await expect(inRequest(pool, () => note(pool, 'replayed'))).rejects.toBeInstanceOf(ReplayToPrimary)
    await expect.poll(() => pool.status().servers.map(({ region }) => region), PATIENT).toEqual(['ams', 'nrt'])
  })
})

/** A primary that is gone, two standbys that were promoted apart, and one that follows neither. */
async function split(): Promise<World> {
  const world = await World.start({ replicas: ['one', 'two', 'three'] })
  await world.cluster.primary.kill()
  return world
}

const listOf = (world: World) =>
  [world.cluster.primary, ...[0, 1, 2].map((index) => world.replica(index))].map(({ url }) => ({
    region: 'ams',
    connectionString: url,
  }))

describe('two primaries on one timeline', { timeout: 90_000 }, () => {
  it('X7: neither is written to nor read from, by a pool that knew them as replicas; those that follow are read', async () => {
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    await using world = await World.start({ replicas: ['one', 'two', 'three'] })
    const pool = poolOf(world, 'ams', listOf(world), { promotionWaitMillis: 500 })
    for (let n = 0; n < 8; n += 1) await who(pool)
    const lease = await pool.connect()
    await lease.query('begin read only')
    await lease.query('select 1')
    await world.cluster.primary.kill()
    await Promise.all([world.replica(0).promote(), world.replica(1).promote()])
    await expect
      .poll(() => pool.status().servers.map(({ role }) => role), PATIENT)
      .toEqual(['unknown', 'conflict', 'conflict', 'replica'])
    for (let n = 0; n < 12; n += 1) expect(await who(pool)).toBe('three')
    const error: unknown = await note(pool, 'split').catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(PrimaryConflict)
    expect(error).toMatchObject({
      code: 'HEADWATER_PRIMARY_CONFLICT',
      status: 503,
      retryable: true,
      servers: ['server-1', 'server-2'],
    })
    await expect.poll(() => codesOf(warned.mock.calls), PATIENT).toContain('HEADWATER_TWO_PRIMARIES')
    expect([await notesAt(world.replica(0)), await notesAt(world.replica(1))]).toEqual([[], []])
    lease.release(true)
    await world.replica(0).kill()
    await note(pool, 'whole')
    expect(await notesAt(world.replica(1))).toEqual(['whole'])
  })

  it('X7: a truth decides between them; until it can be reached nobody writes, and that is said', async () => {
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    await using world = await split()
    const second = world.replica(1)
    let isReachable = false
    const asked: string[][] = []
    const pool = poolOf(world, 'ams', listOf(world), {
      promotionWaitMillis: 500,
      truth: (servers) => {
        asked.push(servers.map(({ name }) => name))
        if (!isReachable) throw new Error('no route to the truth')
        return servers.find(({ addressPort }) => addressPort === second.port)
      },
    })
    await Promise.all([world.replica(0).promote(), second.promote()])
    await expect
      .poll(
        () =>
          note(pool, 'split').then(
            () => 'written',
            (error: unknown) => error,
          ),
        PATIENT,
      )
      .toMatchObject({
        code: 'HEADWATER_PRIMARY_CONFLICT',
        cause: { message: 'no route to the truth' },
      })
    expect(codesOf(warned.mock.calls)).toContain('HEADWATER_TRUTH_UNREACHABLE')
    isReachable = true
    await expect
      .poll(
        () =>
          note(pool, 'decided').then(
            () => 'written',
            () => 'refused',
          ),
        PATIENT,
      )
      .toBe('written')
    expect(asked[0]).toEqual(['server-1', 'server-2'])
    expect(pool.status().servers.map(({ role }) => role)).toEqual(['unknown', 'fenced', 'primary', 'replica'])
    expect(await notesAt(world.replica(0))).toEqual([])
    expect(await notesAt(second)).toEqual(['decided'])
    // Once one is gone there is nothing to decide, and nobody is asked any more.
    await world.replica(0).kill()
    await expect.poll(() => pool.status().servers[1]?.role, PATIENT).toBe('unknown')
    const before = asked.length
    await sleep(1_500)
    expect(asked).toHaveLength(before)
  })

  it('X7: Patroni decides between them by its /cluster, asked of the first member that answers', async () => {
    vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    await using world = await split()
    const [first, second] = [world.replica(0), world.replica(1)]
    await using dead = await PatroniStub.start('silent')
    await using alive = await PatroniStub.start({ leader: first, others: [second] })
    const truth = patroni({ url: [dead.url, alive.url], timeoutMillis: 200 })
    const pool = poolOf(world, 'ams', listOf(world), { truth, promotionWaitMillis: 200 })
    await Promise.all([first.promote(), second.promote()])
    // Until both were seen, the one that was is the primary.
    await expect.poll(() => pool.status().servers[2]?.role, PATIENT).toBe('fenced')
    await expect
      .poll(
        () =>
          note(pool, 'led').then(
            () => 'written',
            () => 'refused',
          ),
        PATIENT,
      )
      .toBe('written')
    expect([await notesAt(first), await notesAt(second)]).toEqual([['led'], []])
    // The lock goes over: so do the writes.
    alive.members = { leader: second, others: [first] }
    await expect.poll(() => pool.status().servers[2]?.role, PATIENT).toBe('primary')
    await note(pool, 'led elsewhere')
    expect(await notesAt(second)).toEqual(['led elsewhere'])
    // Nobody has it: nobody writes.
    alive.members = { leader: undefined, others: [first, second] }
    await expect
      .poll(() => note(pool, 'unled').catch((error: unknown) => error), PATIENT)
      .toBeInstanceOf(PrimaryConflict)
  })
})

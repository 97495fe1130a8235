import { networkInterfaces } from 'node:os'
import { PrimaryUnavailable } from '@headwater/core'
import { World, who } from '@headwater/test-world'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { RoutedPool, type RoutedPoolOptions, type ServerPoolOptions } from '../src/index.ts'
import { DnsServer, type Records } from './dns-server.ts'
import { Gate } from './gate.ts'

const PATIENT = { timeout: 20_000, interval: 20 }
const NAME = '_postgresql._tcp.nrt.db.internal'

let world: World
let dns: DnsServer
beforeAll(async () => {
  world = await World.start({ replicas: ['nrt', 'nrt-2', 'nrt-3'] })
  dns = await DnsServer.start({})
}, 60_000)
afterAll(async () => {
  await world[Symbol.asyncDispose]()
  await dns[Symbol.asyncDispose]()
})

const srvOf = ({ cluster }: World, ...indexes: number[]): Records => ({
  SRV: indexes.flatMap((index) => {
    const { port } = cluster.replicas[index] ?? {}
    return port === undefined ? [] : [{ target: 'localhost', port }]
  }),
})
const srv = (...indexes: number[]): Records => srvOf(world, ...indexes)
const poolThatAsks = (options: Partial<RoutedPoolOptions> = {}): RoutedPool =>
  world.pool('nrt', {
    replicas: [
      {
        region: 'nrt',
        user: 'postgres',
        database: 'postgres',
        discover: { name: NAME, resolver: dns.resolver(), refreshMillis: 1_000 },
      },
    ],
    catalog: false,
    ...options,
  })
/** Who answers a number of reads. */
async function readers(pool: RoutedPool): Promise<string[]> {
  const all = await Promise.all(Array.from({ length: 12 }, () => who(pool)))
  return [...new Set(all)].sort()
}

describe('replicas that DNS knows', { timeout: 60_000 }, () => {
  it('X4: the first read waits for the first answer; servers join and leave without a restart', async () => {
    dns.zone = { [NAME]: srv(0) }
    const pool = poolThatAsks()
    expect(await readers(pool)).toEqual(['nrt'])
    expect(pool.status().servers.map(({ name }) => name)).toEqual([
      'primary',
      `replica-0@localhost:${world.replica(0).port}`,
    ])
    dns.zone = { [NAME]: srv(0, 1) }
    await expect.poll(() => readers(pool), PATIENT).toEqual(['nrt', 'nrt-2'])
    await expect
      .poll(() => pool.status().servers.map(({ role }) => role), PATIENT)
      .toEqual(['primary', 'replica', 'replica'])
    const lease = await pool.connect()
    dns.zone = { [NAME]: srv(2) }
    await expect.poll(() => readers(pool), PATIENT).toEqual(['nrt-3'])
    lease.release()
    // No connection stays with those that have left.
    const connections = async (index: number) =>
      (
        (await world
          .replica(index)
          .query(
            "select 1 from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()",
          )) as unknown[]
      ).length
    await expect.poll(() => Promise.all([connections(0), connections(1)]), PATIENT).toEqual([0, 0])
    dns.zone = {}
    await expect.poll(() => readers(pool), PATIENT).toEqual(['primary'])
    dns.zone = { [NAME]: srv(0) }
    await expect.poll(() => readers(pool), PATIENT).toEqual(['nrt'])
    // Events of servers that joined later reach the pool's listeners too.
    const connected = vi.fn()
    pool.on('connect', connected)
    dns.zone = { [NAME]: srv(0, 1) }
    await expect.poll(() => readers(pool), PATIENT).toContain('nrt-2')
    expect(connected).toHaveBeenCalled()
    // R9: what is written now is seen, though a server has joined that nobody has heard yet.
    await pool.query("insert into note (body) values ('mine')")
    const { rows } = await pool.query("select count(*)::int as count from note where body = 'mine'")
    expect(rows).toEqual([{ count: 1 }])
    await pool.end()
  })

  it('X2: while DNS fails at the start, reads go on at the primary, and once it answers they come home', async () => {
    const warned = vi.fn()
    dns.zone = { [NAME]: 'failure' }
    const pool = poolThatAsks({ logger: { info: () => undefined, warn: warned } })
    expect(await readers(pool)).toEqual(['primary'])
    expect(warned.mock.calls.map(([message]) => message)).toContainEqual(
      expect.stringContaining('HEADWATER_DNS_UNANSWERED'),
    )
    dns.zone = { [NAME]: srv(1) }
    await expect.poll(() => readers(pool), PATIENT).toEqual(['nrt-2'])
  })

  it('addresses without a port take the configuration’s', async () => {
    const name = 'top1.nearest.of.db.internal'
    dns.zone = { [name]: { A: ['127.0.0.1'] } }
    const { port } = world.replica(2)
    const discover = { name, resolver: dns.resolver() }
    const pool = poolThatAsks({ replicas: [{ region: 'nrt', user: 'postgres', database: 'postgres', port, discover }] })
    expect(await readers(pool)).toEqual(['nrt-3'])
    expect(pool.status().servers[1]).toMatchObject({ name: `replica-0@127.0.0.1:${port}`, host: '127.0.0.1', port })
  })

  it('X7, X8: a server that was found is the primary once it is promoted, and stays although DNS forgets it', async () => {
    await using own = await World.start({ replicas: ['nrt', 'nrt-2'] })
    const found = (index: number): Records => ({ SRV: [{ target: 'localhost', port: own.replica(index).port }] })
    dns.zone = { [NAME]: found(0) }
    const pool = own.pool('nrt', {
      replicas: [
        {
          region: 'nrt',
          user: 'postgres',
          database: 'postgres',
          discover: { name: NAME, resolver: dns.resolver(), refreshMillis: 1_000 },
        },
      ],
      catalog: false,
    })
    expect(await who(pool)).toBe('nrt')
    await own.cluster.primary.kill()
    await own.replica(0).promote()
    await pool.query("insert into note (body) values ('after')")
    expect(pool.topology).toMatchObject({ primaryRegion: 'nrt', isAtHome: true })
    dns.zone = {}
    const asked = dns.asked.length
    await expect.poll(() => dns.asked.length, PATIENT).toBeGreaterThan(asked + 3)
    await pool.query("insert into note (body) values ('still')")
    expect(await own.replica(0).query('select body from note order by id')).toEqual([
      { body: 'after' },
      { body: 'still' },
    ])
  })

  describe('in servers', () => {
    const discover = (name: string) => ({ name, resolver: dns.resolver(), refreshMillis: 1_000 })
    const login = { user: 'postgres', database: 'postgres' }
    const own = (port: number): Records => ({ SRV: [{ target: 'localhost', port }] })
    const open = (servers: ServerPoolOptions['servers'], options: Partial<ServerPoolOptions> = {}) =>
      new RoutedPool({
        region: 'nrt',
        servers,
        catalog: false,
        functions: { server: 'read' },
        logger: false,
        ...options,
      })

    it('X4, X7, X8: where all servers are found, none is the primary before it says so; a promotion moves it', async () => {
      await using world = await World.start()
      const [ams, nrt] = ['_postgresql._tcp.ams.db.internal', '_postgresql._tcp.nrt.db.internal']
      dns.zone = { [ams]: own(world.cluster.primary.port), [nrt]: own(world.replica().port) }
      const pool = world.ending(
        open([
          { region: 'nrt', ...login, discover: discover(nrt) },
          { region: 'ams', ...login, discover: discover(ams) },
        ]),
      )
      expect(await who(pool)).toBe('nrt')
      await pool.query("insert into note (body) values ('first')")
      expect(pool.topology).toMatchObject({ primaryRegion: 'ams', isAtHome: false })
      expect(pool.status().servers.map(({ name, role }) => [name, role])).toEqual([
        [`server-0@localhost:${world.replica().port}`, 'replica'],
        [`server-1@localhost:${world.cluster.primary.port}`, 'primary'],
      ])
      await world.cluster.waitUntilCaughtUp()
      await world.cluster.primary.kill()
      await world.replica().promote()
      await pool.query("insert into note (body) values ('second')")
      expect(pool.topology).toMatchObject({ primaryRegion: 'nrt', isAtHome: true })
      expect(await world.replica().query('select body from note order by id')).toEqual([
        { body: 'first' },
        { body: 'second' },
      ])
    })

    it('X9: while DNS knows none of them, what is asked waits, and nobody else is asked', async () => {
      dns.zone = {}
      const pool = open([{ region: 'nrt', ...login, discover: discover(NAME) }], { promotionWaitMillis: 300 })
      try {
        expect(pool.status()).toMatchObject({ hasPrimary: false, servers: [] })
        await expect(pool.query('select 1')).rejects.toBeInstanceOf(PrimaryUnavailable)
        await expect(pool.query("insert into note (body) values ('x')")).rejects.toBeInstanceOf(PrimaryUnavailable)
        expect(pool.totalCount).toBe(0)
      } finally {
        await pool.end()
      }
    })

    it('X4: by IPv6 too: in a URL, in a list of hosts, and by AAAA records', async ({ skip }) => {
      skip(
        !Object.values(networkInterfaces())
          .flat()
          .some((one) => one?.address === '::1'),
        'there is no ::1 here',
      )
      await using world = await World.start()
      await using primary = await Gate.start('open', world.cluster.primary, '::1')
      await using replica = await Gate.start('open', world.replica(), '::1')
      const name = 'nrt.six.internal'
      dns.zone = { [name]: { AAAA: ['::1'] } }
      const found = world.ending(
        open([
          { region: 'ams', connectionString: primary.url },
          { region: 'nrt', ...login, port: replica.port, discover: discover(name) },
        ]),
      )
      expect(await who(found)).toBe('nrt')
      const list = primary.url.replace(`:${primary.port}`, `:${primary.port},[::1]:${replica.port}`)
      const listed = world.ending(open([{ region: 'nrt', connectionString: list }]))
      expect(await who(listed)).toBe('nrt')
      expect(found.status().servers.map(({ host, port, role }) => [host, port, role])).toEqual([
        ['::1', primary.port, 'primary'],
        ['::1', replica.port, 'replica'],
      ])
    })

    it('X7: beside servers with an address they join the election, also while one is held', async () => {
      await using world = await World.start({ replicas: ['nrt', 'nrt-2'] })
      dns.zone = {}
      const pool = world.ending(
        open([
          { region: 'ams', connectionString: world.cluster.primary.url },
          { region: 'nrt', ...login, discover: discover(NAME) },
        ]),
      )
      await pool.query("insert into note (body) values ('first')")
      await world.cluster.waitUntilCaughtUp()
      // The new primary is one that nobody knew of when the old one was lost.
      await world.cluster.primary.kill()
      const written = pool.query("insert into note (body) values ('second')")
      await world.replica(1).promote()
      dns.zone = { [NAME]: srvOf(world, 1) }
      await written
      expect(await world.replica(1).query('select body from note order by id')).toEqual([
        { body: 'first' },
        { body: 'second' },
      ])
    })
  })
})

import type { ClusterNode } from '@headwater/cluster'
import { PrimaryUnavailable, ReplayToPrimary, runInScope } from '@headwater/core'
import {
  accountOf,
  type Front,
  hasHaproxy,
  hasPgpool,
  inRequest,
  requestScope,
  startHaproxy,
  startPgpool,
  TO_ANY,
  TO_PRIMARY,
  TO_STANDBYS,
  untilCatalogIsRead,
  WHO,
  World,
  who,
} from '@headwater/test-world'
import { describe, expect, it } from 'vitest'
import type { RoutedPool, RoutedPoolOptions } from '../src/index.ts'
import { keepReading } from './keep-reading.ts'

const QUICK = { suspectAfterMillis: 200, promotionWaitMillis: 0 } as const
const PATIENT = { timeout: 20_000, interval: 20 } as const
/** What takes long runs where all of it does: `pnpm poolers`. */
const isWhole = process.env['HEADWATER_PGBOUNCER'] !== undefined
if (!isWhole) console.warn('skipped: what takes long behind HAProxy and pgpool-II, which `pnpm poolers` runs')

const FRONTS = [
  {
    name: 'HAProxy',
    isThere: hasHaproxy,
    beforeOne: async (node: ClusterNode) => startHaproxy([node], TO_ANY, await accountOf(node)),
    beforeAll: async (nodes: readonly ClusterNode[]) => startHaproxy(nodes, TO_PRIMARY, await accountOf(first(nodes))),
  },
  {
    name: 'pgpool-II',
    isThere: hasPgpool,
    beforeOne: async (node: ClusterNode) => startPgpool([node], await accountOf(node)),
    beforeAll: async (nodes: readonly ClusterNode[]) => startPgpool(nodes, await accountOf(first(nodes))),
  },
] as const

function first<Item>([item]: readonly Item[]): Item {
  if (item === undefined) throw new Error('there is none')
  return item
}

/** A world whose servers are reached through a front of each. */
class Fronted implements AsyncDisposable {
  readonly world: World
  readonly #fronts: readonly Front[]

  private constructor(world: World, fronts: readonly Front[]) {
    this.world = world
    this.#fronts = fronts
  }

  static async start(before: (node: ClusterNode) => Promise<Front>, replicas: readonly string[]): Promise<Fronted> {
    const world = await World.start({ replicas })
    try {
      const { primary, replicas: standbys } = world.cluster
      return new Fronted(world, await Promise.all([primary, ...standbys].map(before)))
    } catch (error) {
      await world[Symbol.asyncDispose]()
      throw error
    }
  }

  pool(region: 'ams' | 'nrt', options: RoutedPoolOptions = {}): RoutedPool {
    const [primary, ...replicas] = this.#fronts.map(({ url }) => url)
    return this.world.pool(region, {
      primary: { region: 'ams', connectionString: primary },
      replicas: replicas.map((connectionString) => ({ region: 'nrt', connectionString })),
      ...QUICK,
      ...options,
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#fronts.map((front) => front[Symbol.asyncDispose]()))
    await this.world[Symbol.asyncDispose]()
  }
}

const note = (pool: RoutedPool, body: string) => pool.query('insert into note (body) values ($1)', [body])
const isDone = (asked: Promise<unknown>) =>
  asked.then(
    () => true,
    () => false,
  )

const there = FRONTS.filter(({ isThere }) => isThere)
for (const { name, isThere } of FRONTS) if (!isThere) console.warn(`skipped: no ${name}, so nothing is run behind one`)

describe.each(there)('behind $name before each server', ({ beforeOne }) => {
  it('X2, X3: no read fails when the replica behind it is killed, and reads come back to it', async () => {
    await using stage = await Fronted.start(beforeOne, ['nrt', 'nrt-2'])
    const pool = stage.pool('nrt')
    await untilCatalogIsRead(pool)
    const stop = keepReading(pool)
    await expect.poll(() => who(pool), PATIENT).toBe('nrt')
    await stage.world.replica(0).kill()
    await expect.poll(() => pool.status().servers.map(({ verdict }) => verdict), PATIENT).toContain('down')
    for (let n = 0; n < 20; n += 1) expect(await who(pool)).toBe('nrt-2')
    await stage.world.replica(0).start()
    await expect.poll(() => who(pool), PATIENT).toBe('nrt')
    const { answers, failures } = await stop()
    expect(failures).toEqual([])
    expect(new Set(answers)).toEqual(new Set(['nrt', 'nrt-2']))
  }, 60_000)

  it.runIf(isWhole)(
    'F1, B2: a client sees its own write, keeps its session, and names its statements',
    async () => {
      await using stage = await Fronted.start(beforeOne, ['nrt'])
      const [home, away] = [stage.pool('ams'), stage.pool('nrt', { maxWaitMillis: 5_000 })]
      await untilCatalogIsRead(away)
      for (let n = 1; n <= 5; n += 1) {
        const writer = requestScope(home, { isWanted: true })
        await runInScope(writer, () => note(home, 'seen'))
        const minPosition = await writer.session.capturePosition()
        const { rows } = await runInScope(requestScope(away, { minPosition }), () =>
          away.query('select count(*)::int as notes from note'),
        )
        expect(rows).toEqual([{ notes: n }])
      }
      const client = await home.connect()
      const heard = new Promise((resolve) => client.on('notification', resolve))
      await client.query("select set_config('app.tenant', '7', false)")
      await client.query('create temp table pile (a int)')
      await client.query('listen news')
      await client.query("notify news, 'hello'")
      expect(await heard).toMatchObject({ payload: 'hello' })
      expect(
        (await client.query("select current_setting('app.tenant') as tenant from pile right join (select 1) on true"))
          .rows,
      ).toEqual([{ tenant: '7' }])
      client.release(true)
      const named = await Promise.all(
        Array.from({ length: 20 }, (_, n) =>
          away.query({ name: 'who-is', text: 'select who, $1::int as n from server', values: [n] }),
        ),
      )
      expect(named.map(({ rows }) => rows[0])).toEqual(named.map((_, n) => ({ who: 'nrt', n })))
    },
    60_000,
  )

  it.runIf(isWhole)(
    'X1, B1: what nobody can see into cannot write there, on a standby and on what was promoted unseen',
    async () => {
      await using stage = await Fronted.start(beforeOne, ['nrt'])
      const pool = stage.pool('nrt')
      await untilCatalogIsRead(pool)
      const tried = 'select who, count_notes() >= 0 as counted from server'
      expect((await inRequest(pool, () => pool.query(tried))).rows).toEqual([{ who: 'nrt', counted: true }])
      await expect(inRequest(pool, () => pool.query("select write_note('tried')"))).rejects.toBeInstanceOf(
        ReplayToPrimary,
      )
      // Each connection is one session: what is left there is there.
      const client = await pool.connect()
      await client.query('begin read only')
      expect((await client.query(WHO)).rows).toEqual([{ who: 'nrt' }])
      await client.query('commit')
      client.release()
      await stage.world.replica().promote()
      for (let n = 0; n < 5; n += 1) {
        await inRequest(pool, () => pool.query(`select write_note('tried') -- ${n}`)).catch(() => undefined)
        if (pool.topology.primaryRegion === 'nrt') break
      }
      await expect.poll(() => pool.topology.primaryRegion, PATIENT).toBe('nrt')
      expect(await stage.world.notes('tried')).toBe(0)
    },
    60_000,
  )

  it('X2, X3, X9: with the primary behind it killed a write is PrimaryUnavailable, with Retry-After; reads go on, and the writes with its start', async () => {
    await using stage = await Fronted.start(beforeOne, ['nrt'])
    const [home, away] = [stage.pool('ams'), stage.pool('nrt')]
    await note(home, 'before')
    await stage.world.cluster.waitUntilCaughtUp()
    await untilCatalogIsRead(away)
    await stage.world.cluster.primary.kill()
    // What is told first may be the loss itself.
    await inRequest(home, () => note(home, 'while')).catch(() => undefined)
    const refused = await inRequest(home, () => note(home, 'while')).catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(PrimaryUnavailable)
    expect(refused).toMatchObject({ status: 503, headers: { 'retry-after': '1' } })
    expect((await away.query('select who, count(*)::int as notes from server, note group by who')).rows).toEqual([
      { who: 'nrt', notes: 1 },
    ])
    await stage.world.cluster.primary.start()
    await expect.poll(() => isDone(note(home, 'after')), PATIENT).toBe(true)
    expect(await stage.world.notes('while')).toBe(0)
  }, 60_000)

  it.runIf(isWhole)(
    'X4, X7, X9: a promotion behind it is seen, and a write that has waited is done once',
    async () => {
      await using stage = await Fronted.start(beforeOne, ['nrt'])
      const home = stage.pool('ams', { promotionWaitMillis: 20_000 })
      await note(home, 'before')
      await stage.world.cluster.waitUntilCaughtUp()
      await stage.world.cluster.primary.kill()
      await expect.poll(() => home.status().servers[0]?.verdict, PATIENT).toBe('down')
      const waits = note(home, 'waited')
      await stage.world.replica().promote()
      await waits
      expect(home.topology.primaryRegion).toBe('nrt')
      expect(
        (await stage.world.replica().query('select body from note order by id')).map((row) => row['body']),
      ).toEqual(['before', 'waited'])
    },
    60_000,
  )
})

describe.each(there)('behind $name that leads to the primary', ({ beforeAll }) => {
  it.runIf(isWhole)(
    'X7, X9: a promotion behind it is followed, and a write that was not sent waits for it',
    async () => {
      await using world = await World.start()
      const { primary } = world.cluster
      await using front = await beforeAll([primary, world.replica()])
      const pool = world.pool('ams', {
        primary: { endpoint: 'moving', region: 'ams', connectionString: front.url, pooler: 'session' },
        replicas: [],
        catalog: false,
        promotionWaitMillis: 30_000,
      })
      await note(pool, 'before')
      await world.cluster.waitUntilCaughtUp()
      await primary.kill()
      await expect.poll(() => pool.totalCount, PATIENT).toBe(0)
      const waits = note(pool, 'waited')
      await world.replica().promote()
      await waits
      expect(pool.status().timeline).toBe(2)
      expect((await world.replica().query('select body from note order by id')).map((row) => row['body'])).toEqual([
        'before',
        'waited',
      ])
    },
    90_000,
  )
})

it.runIf(hasHaproxy && isWhole)(
  'X2: no read fails when one of the replicas is killed that HAProxy gives in turns',
  async () => {
    await using world = await World.start({ replicas: ['nrt', 'nrt-2'] })
    const { replicas, primary } = world.cluster
    await using front = await startHaproxy(replicas, TO_STANDBYS, await accountOf(primary))
    const pool = world.pool('nrt', {
      primary: { region: 'ams', connectionString: primary.url },
      replicas: [{ region: 'nrt', connectionString: front.url, endpoint: 'load-balancer' }],
      ...QUICK,
    })
    await untilCatalogIsRead(pool)
    const stop = keepReading(pool)
    await expect.poll(async () => new Set(await Promise.all([who(pool), who(pool), who(pool)])).size, PATIENT).toBe(2)
    await world.replica(0).kill()
    await expect
      .poll(() => Promise.all([who(pool), who(pool), who(pool)]), PATIENT)
      .toEqual(['nrt-2', 'nrt-2', 'nrt-2'])
    const { failures } = await stop()
    expect(failures).toEqual([])
  },
  60_000,
)

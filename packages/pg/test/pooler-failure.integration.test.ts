import { PrimaryUnavailable } from '@headwater/core'
import {
  hasPgBouncer,
  inRequest,
  PgBouncer,
  pgBouncers,
  untilCatalogIsRead,
  WHO,
  World,
  who,
} from '@headwater/test-world'
import pg from 'pg'
import { describe, expect, it } from 'vitest'
import type { RoutedPool, RoutedPoolOptions } from '../src/index.ts'
import { keepReading } from './keep-reading.ts'

const QUICK = { suspectAfterMillis: 200, promotionWaitMillis: 0 } as const

class Pooled implements AsyncDisposable {
  readonly world: World
  readonly pooler: PgBouncer

  private constructor(world: World, pooler: PgBouncer) {
    this.world = world
    this.pooler = pooler
  }

  static async start(
    mode: string,
    replicas: readonly string[],
    command: (typeof pgBouncers)[number] | undefined,
    settings: Readonly<Record<string, string>> = {},
  ): Promise<Pooled> {
    const world = await World.start({ replicas })
    const targets = Object.fromEntries(world.cluster.replicas.map((node, index) => [`replica${index}`, node]))
    const pooler = await PgBouncer.start(
      { home: world.cluster.primary, ...targets },
      { pool_mode: mode, ...SETTINGS, ...settings },
      command,
    )
    return new Pooled(world, pooler)
  }

  pool(region: 'ams' | 'nrt', options: RoutedPoolOptions = {}): RoutedPool {
    return this.world.pool(region, {
      pooler: 'transaction',
      primary: { region: 'ams', connectionString: this.pooler.url('home') },
      replicas: this.world.cluster.replicas.map((_, index) => ({
        region: 'nrt',
        connectionString: this.pooler.url(`replica${index}`),
      })),
      ...QUICK,
      ...options,
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.pooler[Symbol.asyncDispose]()
    await this.world[Symbol.asyncDispose]()
  }
}

/** All of it takes minutes, and has a command of its own: `pnpm poolers`. */
const IS_WHOLE = process.env['HEADWATER_PGBOUNCER'] !== undefined
const MODES = IS_WHOLE ? ['session', 'transaction', 'statement'] : ['transaction']
/** By default it tries a server again after 15 s. */
const SETTINGS: Readonly<Record<string, string>> = IS_WHOLE ? {} : { server_login_retry: '1' }

const runs = pgBouncers.flatMap((command) => MODES.map((poolMode) => ({ ...command, poolMode, command })))

describe.skipIf(!hasPgBouncer).each(runs)('behind PgBouncer $version in $poolMode mode', ({ poolMode, command }) => {
  it('X2, X3: no read fails when a replica is killed, nor when it comes back, nor when its pooler pauses it, reloads or forgets it', async () => {
    await using stage = await Pooled.start(poolMode, ['nrt', 'nrt-2'], command)
    const pool = stage.pool('nrt')
    await untilCatalogIsRead(pool)
    const stop = keepReading(pool)
    await expect.poll(() => who(pool)).toBe('nrt')
    await stage.world.replica(0).kill()
    await expect.poll(() => who(pool), { timeout: 10_000 }).toBe('nrt-2')
    await stage.world.replica(0).start()
    await expect.poll(() => who(pool), { timeout: 20_000 }).toBe('nrt')
    await stage.pooler.tell('RELOAD')
    await stage.pooler.tell('RECONNECT')
    // With every replica gone reads go home.
    // PAUSE waits for a session's client to leave; KILL sends it away, and pauses too.
    const pause = poolMode === 'session' ? 'KILL' : 'PAUSE'
    const paused = stage.pooler.tell(`${pause} replica0`, `${pause} replica1`)
    await expect.poll(() => who(pool), { timeout: 10_000 }).toBe('primary')
    await paused.catch(() => undefined)
    await stage.pooler.tell('RESUME replica0', 'RESUME replica1')
    await expect.poll(() => who(pool), { timeout: 20_000 }).toMatch(/^nrt/)
    const { answers, failures } = await stop()
    expect(failures).toEqual([])
    expect(new Set(answers)).toEqual(new Set(['nrt', 'nrt-2', 'primary']))
  }, 90_000)

  it('X2, X9: with the primary killed a write is PrimaryUnavailable, with Retry-After, and was not sent; reads go on', async () => {
    await using stage = await Pooled.start(poolMode, ['nrt'], command)
    const home = stage.pool('ams')
    const away = stage.pool('nrt')
    await home.query("insert into note (body) values ('before')")
    await untilCatalogIsRead(away)
    await stage.world.cluster.primary.kill()
    // What is told first may be the loss itself.
    const write = () => inRequest(home, () => home.query("insert into note (body) values ('while')"))
    await write().catch(() => undefined)
    const refused = await write().catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(PrimaryUnavailable)
    expect(refused).toMatchObject({ status: 503, headers: { 'retry-after': '1' } })
    expect((await away.query('select who, count(*)::int as notes from server, note group by who')).rows).toEqual([
      { who: 'nrt', notes: 1 },
    ])
    await stage.world.cluster.primary.start()
    await expect
      .poll(
        () =>
          write().then(
            () => true,
            () => false,
          ),
        { timeout: 30_000 },
      )
      .toBe(true)
  }, 90_000)

  it('X1, X4, X7: a promotion behind the pooler: nothing that is tried writes there, and the writes find it', async () => {
    await using stage = await Pooled.start(poolMode, ['nrt'], command)
    const home = stage.pool('ams', { promotionWaitMillis: 20_000 })
    const away = stage.pool('nrt')
    await untilCatalogIsRead(away)
    await home.query(WHO)
    await stage.world.cluster.waitUntilCaughtUp()
    await stage.world.cluster.primary.kill()
    await stage.world.replica().promote()
    for (let n = 0; n < 10; n += 1) {
      await inRequest(away, () => away.query(`select write_note('tried') -- ${n}`)).catch(() => undefined)
      await inRequest(away, () => away.query(`select count_notes() -- ${n}`)).catch(() => undefined)
      if (away.topology.primaryRegion === 'nrt') break
    }
    // Whoever has not heard of the promotion has written nothing; whoever has, writes at home.
    await expect.poll(() => away.topology.primaryRegion, { timeout: 20_000 }).toBe('nrt')
    await home.query("insert into note (body) values ('found')")
    const { rows } = await away.query("select count(*)::int as found from note where body = 'found'")
    expect(rows).toEqual([{ found: 1 }])
  }, 90_000)

  it('X4: a primary that the pooler has changed for a standby is seen by its first refusal', async () => {
    await using stage = await Pooled.start(poolMode, ['nrt'], command)
    const home = stage.pool('ams')
    await home.query("insert into note (body) values ('before')")
    await stage.world.cluster.waitUntilCaughtUp()
    await stage.pooler.lead('home', stage.world.replica())
    // A session stays with its server until its client leaves.
    if (poolMode === 'session') {
      await stage.pooler.tell('KILL home', 'RESUME home')
      await expect.poll(() => home.status().servers[0]?.connections.total).toBe(0)
    }
    const outcomes: unknown[] = []
    for (let n = 0; n < 5; n += 1) {
      outcomes.push(
        await inRequest(home, () => home.query("insert into note (body) values ('lost')")).catch((error) => error),
      )
    }
    for (const outcome of outcomes)
      expect(outcome).toMatchObject({ code: 'HEADWATER_PRIMARY_UNAVAILABLE', status: 503 })
    await stage.pooler.lead('home', stage.world.cluster.primary)
    await expect
      .poll(
        () =>
          home.query("insert into note (body) values ('after')").then(
            () => true,
            () => false,
          ),
        { timeout: 20_000 },
      )
      .toBe(true)
    expect(await stage.world.notes('lost')).toBe(0)
  }, 90_000)

  it('X2: a pooler that starts again, with servers of a short life, costs no read', async () => {
    await using stage = await Pooled.start(poolMode, ['nrt', 'nrt-2'], command, {
      server_lifetime: '1',
      server_idle_timeout: '1',
    })
    await using other = await PgBouncer.start({ replica: stage.world.replica(1) }, { pool_mode: poolMode }, command)
    const pool = stage.pool('nrt', {
      primary: { region: 'ams', connectionString: stage.world.cluster.primary.url, pooler: 'none' },
      replicas: [stage.pooler.url('replica0'), other.url('replica')].map((url) => ({
        region: 'nrt',
        connectionString: url,
      })),
    })
    await untilCatalogIsRead(pool)
    const stop = keepReading(pool)
    for (let n = 0; n < 3; n += 1) await stage.pooler.restart()
    await expect.poll(() => who(pool), { timeout: 20_000 }).toBe('nrt')
    const { failures } = await stop()
    expect(failures).toEqual([])
  }, 90_000)

  it('B3: an app with plain pg on the same pooler does not notice', async () => {
    await using stage = await Pooled.start(poolMode, ['nrt'], command, {
      // In session mode each client holds a server's session.
      default_pool_size: poolMode === 'session' ? '20' : '4',
    })
    const pool = stage.pool('nrt', { writesOutsideRequest: 'direct', max: 3 })
    const plain = stage.world.ending(new pg.Pool({ connectionString: stage.pooler.url('home'), max: 4 }))
    const reader = stage.world.ending(new pg.Pool({ connectionString: stage.pooler.url('replica0'), max: 4 }))
    // The pooler ends first.
    for (const own of [plain, reader]) own.on('error', () => undefined)
    await untilCatalogIsRead(pool)
    const work = Array.from({ length: 40 }, async (_, n) => {
      await inRequest(pool, () => pool.query(`select write_note('ours') -- ${n}`)).catch(() => undefined)
      await pool.query({ name: `named-${n % 3}`, text: `select ${n % 3} as n, who from server` })
      await pool.query("insert into note (body) values ('ours')")
    })
    const others = Array.from({ length: 40 }, async () => {
      await plain.query("insert into note (body) values ('theirs')")
      await plain.query('select count(*) from note where body = $1', ['theirs'])
      const { rows } = await reader.query('show default_transaction_read_only')
      return rows[0].default_transaction_read_only
    })
    const outcomes = await Promise.allSettled(others)
    expect(outcomes).toEqual(outcomes.map(() => ({ status: 'fulfilled', value: 'off' })))
    await Promise.all(work)
    expect(await stage.world.notes('theirs')).toBe(40)
  }, 90_000)
})

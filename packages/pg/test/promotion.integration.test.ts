import { setTimeout as sleep } from 'node:timers/promises'
import {
  diagnostics,
  ensurePrimary,
  type NodeEvent,
  PrimaryUnavailable,
  ReplayToPrimary,
  runInScope,
} from '@headwater/core'
import { inRequest, requestScope, World, who } from '@headwater/test-world'
import pg from 'pg'
import { describe, expect, it } from 'vitest'
import type { RoutedPool, RoutedPoolOptions } from '../src/index.ts'
import { Gate } from './gate.ts'

/** The pool of an instance in `region`; every instance lists the same servers. */
function poolIn(world: World, region: 'ams' | 'nrt', options: RoutedPoolOptions = {}): RoutedPool {
  return world.pool(region, { replicas: [{ region: 'nrt', connectionString: world.replica().url }], ...options })
}

const note = (pool: RoutedPool, body: string) => pool.query('insert into note (body) values ($1)', [body])
const notesAt = async (node: { query(sql: string): Promise<unknown> }) =>
  ((await node.query('select body from note order by id')) as { body: string }[]).map(({ body }) => body)

/** When the replica first says that it takes writes, in ms of the wall clock. */
async function firstSign(world: World): Promise<number> {
  const client = new pg.Client(world.replica().url)
  await client.connect()
  try {
    for (;;) {
      const { rows } = await client.query('select pg_is_in_recovery() as is_standby')
      if (rows[0]?.is_standby === false) return Date.now()
      await sleep(5)
    }
  } finally {
    await client.end()
  }
}

/** Lets a pool know all its servers: a monitor begins with the first query. */
async function warm(...pools: RoutedPool[]): Promise<void> {
  for (const pool of pools) await pool.query('select 1')
  await sleep(200)
}

describe('a promotion', () => {
  it('X4, X7, X8: node-postgres#1470, #2781, #3154, postgres#815, prisma#13493, pg-boss#447: the writes follow the primary, and so do the regions, without a restart', async () => {
    await using world = await World.start()
    const [ams, nrt] = [poolIn(world, 'ams'), poolIn(world, 'nrt')]
    await warm(ams, nrt)
    await note(ams, 'before')
    await expect(inRequest(nrt, () => note(nrt, 'away'))).rejects.toBeInstanceOf(ReplayToPrimary)

    await world.cluster.waitUntilCaughtUp()
    await world.cluster.primary.kill()
    await world.replica().promote()
    const promotedAt = performance.now()
    // Until this instance has heard of it, its requests are replayed to the old one's region.
    const write = () => inRequest(nrt, () => note(nrt, 'after, at home'))
    await expect.poll(() => write().catch(() => undefined), { timeout: 5000, interval: 20 }).toBeDefined()
    expect(performance.now() - promotedAt).toBeLessThan(2000)
    await expect.poll(() => ams.topology, { timeout: 2000 }).toMatchObject({ primaryRegion: 'nrt', isAtHome: false })
    expect(nrt.topology).toMatchObject({ primaryRegion: 'nrt', isAtHome: true })
    await expect(inRequest(ams, () => note(ams, 'replayed'))).rejects.toMatchObject({ region: 'nrt' })
    await note(ams, 'after, directly')
    expect(await notesAt(world.replica())).toEqual(['before', 'after, at home', 'after, directly'])
  })

  it('X7, X8: within half a second of its first sign writes come to the new primary, and replays go there, from every instance', async () => {
    await using world = await World.start()
    const pools = [poolIn(world, 'ams'), poolIn(world, 'nrt')]
    await warm(...pools)
    await world.cluster.waitUntilCaughtUp()
    await world.cluster.primary.kill()
    // What is asked for meanwhile waits, at every instance.
    const arrived = pools.map(async (pool) => {
      const insert =
        "insert into note (body) values ('after') returning extract(epoch from statement_timestamp()) * 1000 as at"
      const { rows } = await pool.query<{ at: string }>(insert)
      return Number(rows[0]?.at)
    })
    await sleep(1_000)
    const signs = firstSign(world)
    await world.replica().promote()
    const sign = await signs
    for (const at of await Promise.all(arrived)) expect(at - sign).toBeLessThan(500)
    const [ams] = pools
    if (ams === undefined) throw new Error('there is no pool in ams')
    expect(Date.now() - sign).toBeLessThan(1_000)
    await expect(inRequest(ams, () => note(ams, 'replayed'))).rejects.toMatchObject({ region: 'nrt' })
  })

  it('X7: an old primary that lives on gets no write and no read, once the later timeline was seen', async () => {
    await using world = await World.start()
    const [ams, nrt] = [poolIn(world, 'ams'), poolIn(world, 'nrt')]
    await warm(ams, nrt)
    const lease = await ams.connect()
    await lease.query('begin')
    await lease.query("insert into note (body) values ('open')")
    await world.replica().promote()
    await expect.poll(() => nrt.topology.isAtHome, { timeout: 3000 }).toBe(true)
    // F7: this instance has not looked yet. A token brings the news, and the request waits until it is clear who the primary is.
    const scope = requestScope(nrt, { isWanted: true })
    await runInScope(scope, () => note(nrt, 'first'))
    const minPosition = await scope.session.capturePosition()
    const read = runInScope(requestScope(ams, { minPosition }), () => ams.query('select body from note'))
    const seen = await read.then(
      ({ rows }) => rows,
      // Its own watch may have been quicker than the token: then this region is away.
      (error: unknown) => (error instanceof ReplayToPrimary ? error.region : error),
    )
    expect([[{ body: 'first' }], 'nrt']).toContainEqual(seen)
    expect(ams.topology.primaryRegion).toBe('nrt')
    const outcomes = await Promise.allSettled(Array.from({ length: 50 }, (_, n) => note(ams, `new ${n}`)))
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(50)
    // Its open transaction is lost with its connection: half of it must not be committed here (X11).
    await expect(lease.query('commit')).rejects.toThrow()
    lease.release(true)
    expect(await notesAt(world.cluster.primary)).toEqual([])
    expect(await notesAt(world.replica())).toHaveLength(51)
    for (let n = 0; n < 10; n += 1) expect(await who(ams)).toBe('nrt')
  })

  it('X9: what waits for a place at a primary that is fenced goes to the new one', async () => {
    await using world = await World.start()
    const ams = poolIn(world, 'ams', {
      primary: { region: 'ams', connectionString: world.cluster.primary.url, max: 1 },
      replicas: [{ region: 'ams', connectionString: world.replica().url }],
      connectionTimeoutMillis: 15_000,
    })
    await warm(ams)
    const lease = await ams.connect()
    await lease.query('begin')
    await lease.query("insert into note (body) values ('holds the only place')")
    const waiting = Array.from({ length: 3 }, (_, n) => note(ams, `waits ${n}`))
    await world.replica().promote()
    expect(await Promise.all(waiting.map((one) => one.then(() => 'done', String)))).toEqual(waiting.map(() => 'done'))
    lease.release(true)
    expect((await notesAt(world.replica())).sort()).toEqual(['waits 0', 'waits 1', 'waits 2'])
  })

  it('P4, X8: a request that has written is never replayed, though its home moves under it: the rest of it goes to the new primary directly', async () => {
    await using world = await World.start()
    const ams = poolIn(world, 'ams')
    await warm(ams)
    const scope = requestScope(ams)
    await runInScope(scope, async () => {
      await note(ams, 'once')
      await world.cluster.waitUntilCaughtUp()
      await world.cluster.primary.kill()
      await world.replica().promote()
      await expect.poll(() => ams.topology.isAtHome, { timeout: 5000 }).toBe(false)
      expect((await ams.query('select body from note')).rows).toEqual([{ body: 'once' }])
      await note(ams, 'twice')
      ensurePrimary()
    })
    expect(scope.isSpent).toBe(false)
    expect(await notesAt(world.replica())).toEqual(['once', 'twice'])
  })

  it('X7: while two accept writes on one timeline nobody writes, until one is gone', async () => {
    await using world = await World.start({ replicas: ['nrt', 'nrt-2'] })
    const [one, two] = [world.replica(0), world.replica(1)]
    const replicas = [one, two].map(({ url }) => ({ region: 'nrt', connectionString: url }))
    const pool = world.pool('nrt', { replicas, promotionWaitMillis: 300, catalog: false })
    await warm(pool)
    await world.cluster.primary.kill()
    await Promise.all([one.promote(), two.promote()])
    await sleep(1000)
    await expect(note(pool, 'split')).rejects.toBeInstanceOf(PrimaryUnavailable)
    expect([await notesAt(one), await notesAt(two)]).toEqual([[], []])
    await one.kill()
    await expect.poll(() => note(pool, 'whole').catch(() => undefined), { timeout: 5000 }).toBeDefined()
    expect(await notesAt(two)).toEqual(['whole'])
  })

  it('X7: two addresses of one server are no conflict', async () => {
    await using world = await World.start()
    const { url } = world.cluster.primary
    const replicas = [url.replace('127.0.0.1', 'localhost'), url].map((connectionString) => ({ connectionString }))
    const pool = world.pool('ams', { replicas, catalog: false })
    await warm(pool)
    await note(pool, 'one server')
    expect(pool.status()).toMatchObject({ hasPrimary: true, hasReplica: true })
    expect(await notesAt(world.cluster.primary)).toEqual(['one server'])
  })

  it('X9: without a new primary a write fails with a 503 after promotionWaitMillis, and reads go on', async () => {
    await using world = await World.start()
    const ams = poolIn(world, 'ams', {
      replicas: [{ region: 'ams', connectionString: world.replica().url }],
      promotionWaitMillis: 700,
    })
    await warm(ams)
    await world.cluster.primary.kill()
    const startedAt = performance.now()
    const failed = await Promise.allSettled(Array.from({ length: 20 }, () => note(ams, 'never')))
    const took = performance.now() - startedAt
    for (const outcome of failed) expect(outcome).toMatchObject({ reason: { status: 503, retryable: true } })
    expect(took).toBeGreaterThan(600)
    expect(took).toBeLessThan(2000)
    expect(await who(ams)).toBe('nrt')
    await world.cluster.primary.restart()
    await note(ams, 'again')
  })
})

describe('a server that hangs', () => {
  it('X9: a write that waits for a place at a primary that hangs was not sent, so it waits for the primary, and then is a 503', async () => {
    await using world = await World.start()
    const wire = await world.cluster.wire(world.cluster.primary)
    const primary = { region: 'ams', connectionString: wire.url, max: 1 }
    const pool = poolIn(world, 'ams', { primary, suspectAfterMillis: 300, promotionWaitMillis: 500, catalog: false })
    await warm(pool)
    const holding = note(pool, 'hangs').catch((error: unknown) => error)
    wire.blackhole()
    const waiting = Array.from({ length: 3 }, (_, n) => note(pool, `waits ${n}`).catch((error: unknown) => error))
    expect(await Promise.all(waiting)).toEqual(
      Array.from(waiting, () => expect.objectContaining({ name: 'PrimaryUnavailable', status: 503 })),
    )
    await wire.heal()
    await holding
    await expect.poll(() => note(pool, 'again').then(() => 'done', String), { timeout: 10_000 }).toBe('done')
  })

  it('X2, X3: reads that hang on a replica are answered elsewhere within two seconds, and the replica comes back', async () => {
    await using world = await World.start({ replicas: ['nrt', 'nrt-2'] })
    await using gate = await Gate.start('open', world.replica(0))
    const events: NodeEvent['change'][] = []
    const hear = (event: unknown): void => {
      const { node, change } = event as NodeEvent
      if (node === 'replica-0' && (change === 'down' || change === 'up')) events.push(change)
    }
    diagnostics.node.subscribe(hear)
    try {
      const replicas = [gate.url, world.replica(1).url].map((url) => ({ region: 'nrt', connectionString: url }))
      const pool = world.pool('nrt', { replicas, catalog: false })
      await warm(pool)
      expect(new Set([await who(pool), await who(pool)])).toEqual(new Set(['nrt', 'nrt-2']))
      gate.freeze()
      const reads = await Promise.all(
        Array.from({ length: 20 }, async () => {
          const startedAt = performance.now()
          return { who: await who(pool), took: performance.now() - startedAt }
        }),
      )
      expect(new Set(reads.map((read) => read.who))).toEqual(new Set(['nrt-2']))
      // Twice suspectAfterMillis, and up to a second until it is asked next.
      expect(Math.max(...reads.map(({ took }) => took))).toBeLessThan(3500)
      expect(events).toEqual(['down'])
      gate.mode = 'open'
      await expect.poll(() => who(pool), { timeout: 20_000, interval: 20 }).toBe('nrt')
      expect(events).toEqual(['down', 'up'])
    } finally {
      diagnostics.node.unsubscribe(hear)
    }
  })
})

import { setTimeout as sleep } from 'node:timers/promises'
import {
  diagnostics,
  PrimaryUnavailable,
  ReplayToPrimary,
  type RouteEvent,
  runInScope,
  withConsistency,
  withPrimary,
} from '@headwater/core'
import { errorOf, inJob, inRequest, openSlowWire, requestScope, WHO, World, who } from '@headwater/test-world'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { RoutedPool, RoutedPoolOptions } from '../src/index.ts'
import { Frozen } from './frozen.ts'

const note = (pool: RoutedPool, body: string) => pool.query('insert into note (body) values ($1)', [body])

let world: World
beforeEach(async () => {
  world = await World.start({ replicas: ['nrt', 'fra'] })
})
afterEach(() => world[Symbol.asyncDispose]())

const far = (...places: number[]) =>
  places.map((place) => ({ region: ['nrt', 'fra'][place], connectionString: world.replica(place).url }))

/** An instance in the primary's region, where no replica is. */
const atHome = (options: RoutedPoolOptions = {}) =>
  world.pool('ams', { replicas: far(0, 1), promotionWaitMillis: 500, connectionTimeoutMillis: undefined, ...options })

/** An instance in a region without any server. */
const away = (options: RoutedPoolOptions = {}) => atHome({ region: 'lhr', ...options })

/** Lets a pool know all its servers, and how far they are. */
async function warm(...pools: RoutedPool[]): Promise<void> {
  for (const pool of pools) {
    await pool.query('select 1')
    const isKnown = () => pool.status().servers.every(({ role }) => role !== 'unknown')
    await expect.poll(isKnown, { timeout: 5000 }).toBe(true)
  }
}

/** Waits until its requests are read at one of these: until the round trips that it goes by are those of a quiet moment. */
async function untilReadAt(pool: RoutedPool, names: RegExp): Promise<void> {
  const read = () => inRequest(pool, () => who(pool)).catch(() => 'replayed')
  await expect.poll(read, { timeout: 15_000, interval: 50 }).toMatch(names)
}

/** The decisions while `fn` runs. */
async function decisionsIn(fn: () => Promise<unknown>): Promise<RouteEvent['decision'][]> {
  const decisions: RouteEvent['decision'][] = []
  const hear = (event: unknown) => void decisions.push((event as RouteEvent).decision)
  diagnostics.route.subscribe(hear)
  try {
    await fn()
    return decisions
  } finally {
    diagnostics.route.unsubscribe(hear)
  }
}

describe('X10: without a server next door', () => {
  it('X10: a replica that is much nearer than the primary answers over the network, and says so; writes are replayed', async () => {
    await using wire = await openSlowWire(world.cluster.primary.port, 100)
    const { url: connectionString } = wire
    const pool = away({ primary: { region: 'ams', connectionString } })
    await warm(pool)
    await untilReadAt(pool, /nrt|fra/)
    const decisions = await decisionsIn(async () => {
      expect(await inRequest(pool, () => who(pool))).toMatch(/nrt|fra/)
      expect(await inJob(() => who(pool))).toMatch(/nrt|fra/)
      expect(await who(pool)).toMatch(/nrt|fra/)
    })
    expect(decisions).toEqual(Array.from({ length: 3 }, () => ({ route: 'replica', reason: 'far-replica' })))
    expect(await errorOf(inRequest(pool, () => note(pool, 'x')))).toMatchObject({ region: 'ams', reason: 'write' })
    expect(await errorOf(inRequest(pool, () => withPrimary(() => who(pool))))).toBeInstanceOf(ReplayToPrimary)
    // A client's own write is not missed: the scope has seen it.
    await inJob(async () => {
      await note(pool, 'mine')
      expect((await pool.query("select body from note where body = 'mine'")).rows).toHaveLength(1)
    })
  })

  it('X10: one that is no nearer is left alone: the request is replayed, and a job reads at the primary', async () => {
    await using wire = await openSlowWire(world.replica().port, 150)
    const replicas = [{ region: 'nrt', connectionString: wire.url }]
    const pool = away({ replicas })
    await warm(pool)
    expect(await errorOf(inRequest(pool, () => who(pool)))).toMatchObject({ region: 'ams', reason: 'no-replica' })
    expect(await inJob(() => who(pool))).toBe('primary')
  })

  it('X10: of several the nearest by its measured round trip; when that is gone, the next', async () => {
    await using slow = await openSlowWire(world.replica(0).port, 20)
    await using slowest = await openSlowWire(world.cluster.primary.port, 200)
    const pool = away({
      primary: { region: 'ams', connectionString: slowest.url },
      replicas: [{ region: 'nrt', connectionString: slow.url }, ...far(1)],
    })
    await warm(pool)
    await untilReadAt(pool, /fra/)
    await world.replica(1).kill()
    await untilReadAt(pool, /nrt/)
  })

  it('X10: with `replay` its request goes to the region of the nearest, and reads over the network where it cannot', async () => {
    await using wire = await openSlowWire(world.cluster.primary.port, 100)
    const { url: connectionString } = wire
    const pool = away({ primary: { region: 'ams', connectionString }, replicas: far(1), readsElsewhere: 'replay' })
    await warm(pool)
    const asked = () => errorOf(inRequest(pool, () => who(pool)))
    await expect.poll(asked, { timeout: 15_000 }).toMatchObject({ region: 'fra', reason: 'far-replica' })
    const scope = requestScope(pool)
    scope.blockReplay('response-started')
    expect(await runInScope(scope, () => who(pool))).toBe('fra')
  })

  it('X10: with `never` it is as if there were none', async () => {
    await using wire = await openSlowWire(world.cluster.primary.port, 100)
    const { url: connectionString } = wire
    const pool = away({ primary: { region: 'ams', connectionString }, readsElsewhere: 'never' })
    await warm(pool)
    expect(await errorOf(inRequest(pool, () => who(pool)))).toMatchObject({ region: 'ams', reason: 'no-replica' })
  })

  it('X10: what only a standby could judge does not go far', async () => {
    await using wire = await openSlowWire(world.cluster.primary.port, 100)
    const { url: connectionString } = wire
    const pool = away({ primary: { region: 'ams', connectionString } })
    await warm(pool)
    const error = await errorOf(inRequest(pool, () => pool.query("select write_note('far')")))
    expect(error).toMatchObject({ region: 'ams', reason: 'no-replica' })
  })
})

describe('X10: the primary dies in a region without a replica', () => {
  it('X10: reads go on at a replica of another region, at once and none failed, under load; writes get a 503', async () => {
    const pool = atHome()
    await warm(pool)
    expect(await who(pool)).toBe('primary')
    const answers: string[] = []
    const failures: unknown[] = []
    let slowest = 0
    let isOver = false
    const reader = async (): Promise<void> => {
      while (!isOver) {
        const startedAt = performance.now()
        await who(pool).then(
          (name) => answers.push(name),
          (error: unknown) => failures.push(error),
        )
        slowest = Math.max(slowest, performance.now() - startedAt)
        await sleep(20)
      }
    }
    const readers = Array.from({ length: 100 }, reader)
    await sleep(300)
    await world.cluster.primary.kill()
    await sleep(1500)
    isOver = true
    await Promise.all(readers)
    expect(failures).toEqual([])
    expect(answers.slice(-100)).not.toContain('primary')
    expect(slowest).toBeLessThan(3000)
    expect(await errorOf(inRequest(pool, () => note(pool, 'x')))).toMatchObject({ status: 503 })
    await world.cluster.primary.start()
    await expect.poll(() => who(pool), { timeout: 10_000 }).toBe('primary')
  })

  it('X10: a read that hangs with the primary is answered by a replica; those that follow go there within two seconds', async () => {
    const pool = atHome()
    await warm(pool)
    using _ = await Frozen.freeze(world.cluster.primary)
    const frozenAt = performance.now()
    const timed = async () => {
      const startedAt = performance.now()
      return { who: await who(pool), took: performance.now() - startedAt }
    }
    const inFlight = Array.from({ length: 10 }, timed)
    await sleep(2200 - (performance.now() - frozenAt))
    const later = await Promise.all(Array.from({ length: 10 }, timed))
    for (const read of [...later, ...(await Promise.all(inFlight))]) expect(read.who).not.toBe('primary')
    expect(Math.max(...later.map(({ took }) => took))).toBeLessThan(1500)
  })

  it('X10, F1, R4, R9: what must be seen is seen, or the read fails: no far replica answers from an older state', async () => {
    const pool = atHome()
    await warm(pool)
    const scope = requestScope(pool, { isWanted: true })
    await runInScope(scope, () => note(pool, 'seen'))
    const minPosition = await scope.session.capturePosition()
    await world.cluster.waitUntilCaughtUp()
    for (const replica of world.cluster.replicas) await replica.pauseReplay()
    const ahead = requestScope(pool, { isWanted: true })
    await runInScope(ahead, () => note(pool, 'not replayed'))
    const behind = await ahead.session.capturePosition()
    await note(pool, 'outside any scope')
    await who(pool)
    const writer = requestScope(pool)
    await runInScope(writer, () => note(pool, 'in this request'))
    await world.cluster.primary.kill()
    const readAs = (seen: typeof minPosition) =>
      runInScope(requestScope(pool, { minPosition: seen }), () => pool.query('select body from note'))
    expect((await readAs(minPosition)).rows).toEqual([{ body: 'seen' }])
    expect(await errorOf(readAs(behind))).toBeInstanceOf(PrimaryUnavailable)
    expect(await errorOf(who(pool))).toBeInstanceOf(PrimaryUnavailable)
    expect(await errorOf(runInScope(writer, () => who(pool)))).toBeInstanceOf(PrimaryUnavailable)
    expect(await errorOf(withConsistency('strong', () => who(pool)))).toBeInstanceOf(PrimaryUnavailable)
    expect(await withConsistency('eventual', () => who(pool))).toMatch(/nrt|fra/)
    for (const replica of world.cluster.replicas) await replica.resumeReplay()
    expect((await readAs(behind)).rows.length).toBeGreaterThan(1)
    await expect.poll(() => who(pool).catch(() => ''), { timeout: 5000 }).toMatch(/nrt|fra/)
  })

  it('X10: a READ ONLY transaction begins far away, and stays there', async () => {
    const pool = atHome()
    await warm(pool)
    await world.cluster.primary.kill()
    await expect.poll(() => who(pool)).not.toBe('primary')
    const client = await pool.connect()
    await client.query('begin read only')
    const first = await who(client)
    expect(['nrt', 'fra']).toContain(first)
    expect(await who(client)).toBe(first)
    await client.query('commit')
    client.release()
  })

  it('X10: a lease that has read far away comes home with the primary', async () => {
    const pool = atHome()
    await warm(pool)
    const client = await pool.connect()
    await world.cluster.primary.kill()
    await expect.poll(() => who(client)).toMatch(/nrt|fra/)
    await world.cluster.primary.start()
    await expect.poll(() => who(client), { timeout: 10_000 }).toBe('primary')
    client.release()
  })

  it('X10: the same for every kind of query: in a job, away from home, in a promise and a callback', async () => {
    const [home, elsewhere] = [atHome(), away()]
    await warm(home, elsewhere)
    await world.cluster.primary.kill()
    for (const pool of [home, elsewhere]) {
      await expect.poll(() => inJob(() => who(pool)).catch(() => '')).toMatch(/nrt|fra/)
      expect(await inRequest(pool, () => who(pool))).toMatch(/nrt|fra/)
      const rows = await new Promise<unknown[]>((resolve, reject) =>
        pool.query(WHO, (error: Error | undefined, result: { rows: unknown[] }) =>
          error ? reject(error) : resolve(result.rows),
        ),
      )
      expect(rows).toHaveLength(1)
    }
  })
})

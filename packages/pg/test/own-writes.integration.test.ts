import { spawnSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ClusterNode } from '@headwater/cluster'
import { diagnostics, type RouteEvent, withConsistency, withPrimary, withReplica } from '@headwater/core'
import { errorOf, inJob, openSlowWire, World, who } from '@headwater/test-world'
import type pg from 'pg'
import Cursor from 'pg-cursor'
import QueryStream from 'pg-query-stream'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { RoutedPool, RoutedPoolOptions } from '../src/index.ts'

const SCHEMA = `
  create function hidden_write(text) returns int language plpgsql as $$
    begin execute format('insert into %I (body) values ($1)', 'note') using $1; return 1; end $$;
  create function slow_write(text) returns int language plpgsql as $$
    begin perform pg_sleep(0.6); insert into note (body) values ($1); return 1; end $$;
`

let world: World

beforeAll(async () => {
  world = await World.start({ schema: SCHEMA })
})
afterAll(() => world[Symbol.asyncDispose]())
beforeEach(() => comeHome())

const INSERT = 'insert into note (body) values ($1)'
const COUNT = 'select count(*)::int as n from note where body = $1'

async function comeHome(): Promise<void> {
  await world.replica().resumeReplay()
  await world.cluster.waitUntilCaughtUp()
}

let made = 0
const newBody = (): string => `own ${++made}`

/** How many notes of this text a read outside any scope sees. */
async function count(target: Pick<pg.Pool | pg.PoolClient, 'query'>, body: string): Promise<number> {
  return (await target.query<{ n: number }>(COUNT, [body])).rows[0]?.n ?? -1
}

/** A pool that has read from the replica, which then stands still. */
async function behind(options?: RoutedPoolOptions, region: 'ams' | 'nrt' = 'ams'): Promise<RoutedPool> {
  const pool = await world.informedPool(region, options)
  await expect.poll(() => who(pool), { timeout: 5000 }).toBe('nrt')
  await world.replica().pauseReplay()
  return pool
}

type Write = (pool: RoutedPool, body: string) => Promise<unknown>

async function inTransaction(client: pg.PoolClient, body: string): Promise<void> {
  await client.query('begin')
  await client.query(INSERT, [body])
  await client.query('commit')
}

async function leasing(pool: RoutedPool, fn: (client: pg.PoolClient) => Promise<unknown>): Promise<void> {
  const client = await pool.connect()
  try {
    await fn(client)
  } finally {
    client.release()
  }
}

const WRITES: Readonly<Record<string, Write>> = {
  'a lone query': (pool, body) => pool.query(INSERT, [body]),
  'a lone query with a callback': (pool, body) =>
    new Promise((resolve) => pool.query(INSERT, [body], (_error, result) => resolve(result))),
  'a lease': (pool, body) => leasing(pool, (client) => client.query(INSERT, [body])),
  'a transaction': (pool, body) => leasing(pool, (client) => inTransaction(client, body)),
  'a text of several statements': (pool, body) =>
    pool.query(`begin; insert into note (body) values ('${body}'); commit`),
  'a function that writes': (pool, body) => pool.query('select write_note($1)', [body]),
  'a function that nobody can see into': (pool, body) => pool.query('select hidden_write($1)', [body]),
  'what withPrimary runs': (pool, body) => withPrimary(() => pool.query('select hidden_write($1)', [body])),
  'a cursor': (pool, body) =>
    leasing(pool, async (client) => {
      const cursor = client.query(new Cursor(`${INSERT} returning id`, [body]))
      await cursor.read(10)
      await cursor.close()
    }),
  'a stream': async (pool, body) => {
    const stream = (await pool.query(new QueryStream(`${INSERT} returning id`, [body]))) as unknown as QueryStream
    for await (const _row of stream);
  },
  'an asynchronous commit': (pool, body) =>
    leasing(pool, async (client) => {
      await client.query('begin; set local synchronous_commit = off')
      await client.query(INSERT, [body])
      await client.query('commit')
    }),
}

describe('R9: outside any scope a process sees its own writes, the replica standing still', () => {
  test.each(Object.entries(WRITES))('R9: %s is seen by each read that follows', async (_name, write) => {
    const pool = await behind()
    const body = newBody()
    await write(pool, body)
    for (let round = 0; round < 5; round += 1) {
      expect(await count(pool, body)).toBe(1)
      await leasing(pool, async (client) => expect(await count(client, body)).toBe(1))
      await leasing(pool, async (client) => {
        await client.query('begin read only')
        expect(await count(client, body)).toBe(1)
        await client.query('commit')
      })
      await sleep(round * 5)
    }
    await comeHome()
    await expect.poll(() => who(pool), { timeout: 5000 }).toBe('nrt')
    expect(await count(pool, body)).toBe(1)
  })

  test.each(Object.entries(WRITES))(
    'R9: away from home, %s over the wide network is seen too',
    async (_name, write) => {
      const pool = await behind({}, 'nrt')
      const body = newBody()
      await write(pool, body)
      for (let round = 0; round < 3; round += 1) expect(await count(pool, body)).toBe(1)
      await comeHome()
      await expect.poll(() => who(pool), { timeout: 5000 }).toBe('nrt')
      expect(await count(pool, body)).toBe(1)
    },
  )

  test('R9: a read that is sent beside an unanswered write goes where that went', async () => {
    const pool = await behind({ max: 1 })
    const body = newBody()
    const written = pool.query(INSERT, [body])
    expect(await count(pool, body)).toBe(1)
    await written
  })

  test('R9: a transaction that is open keeps reads beside it at the primary, and one rolled back does not for long', async () => {
    const pool = await behind()
    const client = await pool.connect()
    await client.query('begin')
    await client.query(INSERT, [newBody()])
    for (let round = 0; round < 3; round += 1) expect(await who(pool)).toBe('primary')
    await client.query('rollback')
    client.release()
    await comeHome()
    await expect.poll(() => who(pool), { timeout: 5000 }).toBe('nrt')
  })

  test('R9: a write whose answer was lost is seen once it is there', async () => {
    const pool = await world.informedPool('ams', { query_timeout: 200 })
    const body = newBody()
    await expect(pool.query('select slow_write($1)', [body])).rejects.toThrow('Query read timeout')
    await world.replica().pauseReplay()
    await expect.poll(() => count(pool, body), { timeout: 5000 }).toBe(1)
    for (let round = 0; round < 5; round += 1) expect(await count(pool, body)).toBe(1)
  })

  test('R9: a transaction that lost its connection before its COMMIT is not waited for', async () => {
    const pool = await world.informedPool('ams')
    const client = await pool.connect()
    await client.query('begin')
    await client.query(INSERT, [newBody()])
    const { rows } = await client.query('select pg_backend_pid() as pid')
    await world.admin.query('select pg_terminate_backend($1)', [rows[0].pid])
    await expect(client.query('select 1')).rejects.toThrow()
    await expect(client.query('commit')).rejects.toThrow()
    client.release()
    await expect.poll(() => who(pool), { timeout: 5000 }).toBe('nrt')
  })

  test('R9: one whose COMMIT was not answered keeps reads at the primary', async () => {
    await using wire = await openSlowWire(world.cluster.primary.port, 20)
    const url = new URL(world.cluster.primary.url)
    url.port = String(wire.port)
    const pool = await world.informedPool('ams', { primary: { region: 'ams', connectionString: url.href } })
    const body = newBody()
    const client = await pool.connect()
    await client.query('begin')
    await client.query(INSERT, [body])
    const committed = client.query('commit')
    await sleep(30)
    wire.reset()
    await expect(committed).rejects.toThrow()
    client.release()
    await world.cluster.waitUntilCaughtUp()
    for (let round = 0; round < 5; round += 1) {
      expect([await count(pool, body), await who(pool)]).toEqual([1, 'primary'])
      await sleep(50)
    }
  })

  test('R9: whoever hears of a change by NOTIFY sees it', async () => {
    const pool = await world.informedPool('ams')
    const client = await pool.connect()
    const body = newBody()
    const heard = new Promise<number>((resolve, reject) =>
      client.once('notification', () => count(pool, body).then(resolve, reject)),
    )
    await client.query('listen news')
    // What was announced before is read from the primary once: the replica may not have it.
    expect(await who(pool)).toBe('primary')
    await expect.poll(() => who(pool), { timeout: 5000 }).toBe('nrt')
    await world.replica().pauseReplay()
    await world.admin.query(`begin; insert into note (body) values ('${body}'); notify news; commit`)
    expect(await heard).toBe(1)
    client.release()
  })

  test('R9: withReplica reads the replica all the same, and what follows it the primary', async () => {
    const pool = await behind()
    const body = newBody()
    await pool.query(INSERT, [body])
    expect(await withReplica(() => count(pool, body))).toBe(0)
    expect(await count(pool, body)).toBe(1)
  })

  test('R9: withPrimary around a read marks nothing', async () => {
    const pool = await behind()
    expect(await withPrimary(() => who(pool))).toBe('primary')
    expect(await who(pool)).toBe('nrt')
  })

  test('R9: each pool sees its own writes', async () => {
    const [one, other] = [await behind(), await behindToo()]
    const body = newBody()
    await one.query(INSERT, [body])
    expect([await count(one, body), await count(other, body)]).toEqual([1, 0])
    await other.query(INSERT, [body])
    expect([await count(one, body), await count(other, body)]).toEqual([2, 2])
  })

  /** A second pool, while the replica stands still. */
  async function behindToo(): Promise<RoutedPool> {
    await comeHome()
    return behind()
  }

  test('R9: `eventual` turns it off, for a pool or a read', async () => {
    const body = newBody()
    const eventual = await behind({ consistency: 'eventual' })
    await eventual.query(INSERT, [body])
    expect(await count(eventual, body)).toBe(0)
    expect(await withConsistency('session', () => count(eventual, body))).toBe(1)
    const pool = await behindToo()
    await pool.query(INSERT, [body])
    const seen = await withConsistency('eventual', () => count(pool, body))
    expect([seen, await count(pool, body)]).toEqual([1, 2])
  })

  test('R9: `bounded` reads see them too', async () => {
    const pool = await behind({ consistency: 'bounded', maxLag: { bytes: 1_000_000_000 } })
    const body = newBody()
    await pool.query(INSERT, [body])
    for (let round = 0; round < 5; round += 1) expect(await count(pool, body)).toBe(1)
  })

  test('R9: a scope stands for itself: the writes of others in the process move nothing in it', async () => {
    const pool = await behind()
    const body = newBody()
    await pool.query(INSERT, [body])
    expect(await inJob(() => count(pool, body))).toBe(0)
    expect(await count(pool, body)).toBe(1)
  })

  test('R9: reads stay at the primary while the position is refused', async () => {
    await world.admin.query(`
      create role blind login; grant select, insert on note, server to blind;
      revoke execute on function pg_current_wal_flush_lsn() from public`)
    try {
      const url = new URL(world.cluster.primary.url)
      url.username = 'blind'
      const pool = await world.informedPool('ams', {
        primary: { region: 'ams', connectionString: url.href },
      })
      const body = newBody()
      await pool.query(INSERT, [body])
      await world.cluster.waitUntilCaughtUp()
      for (let round = 0; round < 10; round += 1) {
        expect([await count(pool, body), await who(pool)]).toEqual([1, 'primary'])
        await sleep(20)
      }
    } finally {
      await world.admin.query(`
        grant execute on function pg_current_wal_flush_lsn() to public; drop owned by blind; drop role blind`)
    }
  })
})

describe('R9: what it costs', () => {
  test('R9: nothing, for a process that writes in scopes only: no question', async () => {
    const pool = await world.informedPool('ams', { application_name: 'only-scopes' })
    const taken = await connectionsTakenBy(pool, async () => {
      for (let round = 0; round < 20; round += 1) expect(await who(pool)).toBe('nrt')
      await inJob(() => pool.query(INSERT, [newBody()]))
      for (let round = 0; round < 20; round += 1) expect(await who(pool)).toBe('nrt')
    })
    expect(taken).toBe(41)
  })

  test('R9: one question for many writes, when a read needs it', async () => {
    const pool = await world.informedPool('ams')
    const writing = await connectionsTakenBy(pool, async () => {
      for (let round = 0; round < 50; round += 1) await pool.query(INSERT, [newBody()])
    })
    expect(writing).toBe(50)
    let reads = 0
    const reading = await connectionsTakenBy(pool, async () => {
      do {
        reads += 1
        await sleep(5)
      } while ((await who(pool)) !== 'nrt')
    })
    expect(reading).toBe(reads + 1)
  })

  test('R9: a process that writes and reads in turns asks every 10 ms at most', async () => {
    const pool = await behind()
    const start = performance.now()
    const taken = await connectionsTakenBy(pool, async () => {
      for (let round = 0; round < 100; round += 1) {
        await pool.query(INSERT, ['in turns'])
        expect(await who(pool)).toBe('primary')
      }
    })
    expect(taken - 200).toBeGreaterThan(0)
    expect(taken - 200).toBeLessThanOrEqual(1 + (performance.now() - start) / 10)
  })

  test('R9: a read at the primary says why', async () => {
    const pool = await behind()
    await pool.query(INSERT, [newBody()])
    const decisions = await decisionsOf(async () => {
      for (let round = 0; round < 3; round += 1) {
        await who(pool)
        await sleep(50)
      }
    })
    expect(decisions[0]).toEqual({ route: 'primary', reason: 'after-write' })
    expect(decisions.at(-1)).toEqual({ route: 'primary', reason: 'behind' })
  })

  test('R9: X5: nothing is left behind by end(), also with the question under way', async () => {
    const pool = await behind({ application_name: 'soon-ended' })
    await pool.query(INSERT, [newBody()])
    await who(pool)
    await pool.end()
    for (const server of [world.cluster.primary, world.replica()]) {
      await expect.poll(() => sessions(server, 'soon-ended')).toBe(0)
    }
  })
})

describe('R9: where the replicas are', () => {
  test('R9: behind a load balancer each read asks its own connection', async () => {
    const { url } = world.replica()
    const pool = await behind({ replicas: [{ connectionString: url, endpoint: 'load-balancer' }] })
    const body = newBody()
    await pool.query(INSERT, [body])
    for (let round = 0; round < 5; round += 1) expect(await count(pool, body)).toBe(1)
    await comeHome()
    await expect.poll(() => who(pool), { timeout: 5000 }).toBe('nrt')
    expect(await count(pool, body)).toBe(1)
  })

  test('R9: two replicas take turns, and one that is behind is passed over', async () => {
    await using other = await World.start({ replicas: ['nrt', 'nrt-2'] })
    const pool = await other.informedPool('ams')
    await pool.query(INSERT, ['turns'])
    const answers = new Set<string>()
    await expect.poll(async () => answers.add(await who(pool)).size, { timeout: 5000 }).toBe(3)
    await other.replica(1).pauseReplay()
    await pool.query(INSERT, ['turns'])
    for (let round = 0; round < 20; round += 1) {
      expect(await count(pool, 'turns')).toBe(2)
      await sleep(5)
    }
    expect(await who(pool)).toBe('nrt')
  })

  test('R9: after a promotion reads are at the primary, and come home by themselves', async () => {
    await using other = await World.start({ replicas: ['nrt', 'next'] })
    const [nrt, next] = [other.replica(0), other.replica(1)]
    const old = await other.informedPool('ams', { replicas: [{ connectionString: nrt.url }] })
    await old.query(INSERT, ['before'])
    await expect.poll(() => who(old), { timeout: 5000 }).toBe('nrt')
    await other.cluster.waitUntilCaughtUp()
    await other.cluster.primary.kill()
    await next.promote()
    await nrt.follow(next)
    const pool = await other.informedPool('ams', {
      primary: { region: 'ams', connectionString: next.url },
      replicas: [{ connectionString: nrt.url }],
    })
    await pool.query(INSERT, ['after'])
    for (let round = 0; round < 10; round += 1) expect(await count(pool, 'after')).toBe(1)
    await expect.poll(() => who(pool), { timeout: 10_000 }).toBe('nrt')
  })

  test('X5, R9: a script that wrote and read ends by itself, with its watch under way', async () => {
    const script = `
      import { RoutedPool } from '@headwater/pg'
      const pool = new RoutedPool({
        region: 'ams', allowExitOnIdle: true, catalog: false, logger: false,
        primary: { region: 'ams', connectionString: process.env.PRIMARY },
        replicas: [{ connectionString: process.env.REPLICA }],
      })
      await pool.query("insert into note (body) values ('of a script')")
      for (let n = 0; n < 3; n += 1) await pool.query("select count(*) from note where body = 'of a script'")`
    const started = performance.now()
    const { status, stderr } = spawnSync(
      process.execPath,
      ['--conditions=dev-source', '--input-type=module', '--eval', script],
      {
        cwd: import.meta.dirname,
        env: { ...process.env, PRIMARY: world.cluster.primary.url, REPLICA: world.replica().url },
        encoding: 'utf8',
        timeout: 20_000,
      },
    )
    expect([status, stderr]).toEqual([0, ''])
    expect(performance.now() - started).toBeLessThan(10_000)
  })
})

describe('R9: without the primary', () => {
  test('R9: a read that must see a write fails, or with serve-stale is answered by what is there', async () => {
    await using other = await World.start()
    const strict = await other.informedPool('ams')
    const lenient = await other.informedPool('ams', { onPrimaryUnreachable: 'serve-stale' })
    for (const pool of [strict, lenient]) await pool.query(INSERT, ['before'])
    await other.cluster.waitUntilCaughtUp()
    await other.cluster.primary.kill()
    expect(await errorOf(who(strict))).toMatchObject({ code: 'HEADWATER_PRIMARY_UNAVAILABLE' })
    for (let round = 0; round < 3; round += 1) expect(await who(lenient)).toBe('nrt')
    await lenient.query(INSERT, ['never']).catch(() => undefined)
    expect(await who(lenient)).toBe('nrt')
  })
})

/** How many sessions of this name a server has. */
async function sessions(server: ClusterNode, name: string): Promise<number> {
  const [row] = await server.query<{ n: number }>(
    `select count(*)::int as n from pg_stat_activity where application_name = '${name}'`,
  )
  return row?.n ?? -1
}

/** How many connections the queries of `fn` took, and ours beside them. */
async function connectionsTakenBy(pool: RoutedPool, fn: () => Promise<unknown>): Promise<number> {
  let taken = 0
  const take = (): void => {
    taken += 1
  }
  pool.on('acquire', take)
  await fn()
  pool.off('acquire', take)
  return taken
}

/** The decisions made outside any scope meanwhile. */
async function decisionsOf(fn: () => Promise<unknown>): Promise<RouteEvent['decision'][]> {
  const decisions: RouteEvent['decision'][] = []
  const listen = (event: unknown): void => {
    decisions.push((event as RouteEvent).decision)
  }
  diagnostics.route.subscribe(listen)
  try {
    await fn()
  } finally {
    diagnostics.route.unsubscribe(listen)
  }
  return decisions
}

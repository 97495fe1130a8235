import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Replica } from '@headwater/cluster'
import { World, who } from '@headwater/test-world'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { RoutedPool } from '../src/index.ts'
import { Frozen } from './frozen.ts'

/** How many read at once. */
const READERS = 100

let world: World
beforeEach(async () => {
  world = await World.start({ replicas: ['nrt', 'nrt-2'] })
})
afterEach(() => world[Symbol.asyncDispose]())

/** A pool with default options: an app in nrt, whose first replica is in trouble. */
function poolOf(user = 'postgres'): RoutedPool {
  const { host, port } = world.replica(0)
  return world.ending(
    new RoutedPool({
      region: 'nrt',
      primary: { region: 'ams', connectionString: world.cluster.primary.url },
      replicas: [
        { region: 'nrt', connectionString: `postgres://${user}@${host}:${port}/postgres` },
        { region: 'nrt', connectionString: world.replica(1).url },
      ],
      functions: { server: 'read' },
      logger: false,
    }),
  )
}

interface Answers {
  readonly names: readonly string[]
  readonly failures: readonly unknown[]
  /** How long the reads took that began at least this long after the trouble, in ms. */
  slowestAfter(millis: number): number
}

/** Reads without a pause by many, or by one, while `trouble` begins, and for `lastsMillis` after it. */
async function readWhile(
  pool: RoutedPool,
  readers: number,
  trouble: () => Promise<unknown>,
  lastsMillis: number,
): Promise<Answers> {
  const reads: { startedAt: number; took: number }[] = []
  const names: string[] = []
  const failures: unknown[] = []
  let isOver = false
  const read = async (): Promise<void> => {
    while (!isOver) {
      const startedAt = performance.now()
      await who(pool).then(
        (name) => names.push(name),
        (error: unknown) => failures.push(error),
      )
      reads.push({ startedAt, took: performance.now() - startedAt })
      await sleep(5)
    }
  }
  const all = Array.from({ length: readers }, read)
  await sleep(200)
  await trouble()
  const troubledAt = performance.now()
  await sleep(lastsMillis)
  isOver = true
  await Promise.all(all)
  return {
    names,
    failures,
    slowestAfter: (millis) =>
      Math.max(...reads.filter(({ startedAt }) => startedAt > troubledAt + millis).map(({ took }) => took)),
  }
}

/** Puts a rule in front of a server's own. */
async function addLoginRule(node: Replica, rule: string): Promise<void> {
  const file = join(node.dataFolder, 'pg_hba.conf')
  await writeFile(file, `${rule}\n${await readFile(file, 'utf8')}`)
  await node.query('select pg_reload_conf()')
  const count = async () =>
    (
      await node.query<{ n: number }>(
        `select count(*)::int as n from pg_hba_file_rules where auth_method = '${rule.split(' ').at(-1)}'`,
      )
    )[0]?.n
  await expect.poll(count).toBeGreaterThan(0)
  await sleep(100)
}

/** What can be wrong with a replica from the start: nobody ever gets a session there. */
const WRONG: Readonly<Record<string, () => Promise<RoutedPool>>> = {
  'refuses connections': async () => {
    await world.replica(0).stop('immediate')
    return poolOf()
  },
  'is full': async () => {
    await world.change('create role crowded login connection limit 1; grant select on server to crowded')
    const { host, port } = world.replica(0)
    const holder = new pg.Client({ connectionString: `postgres://crowded@${host}:${port}/postgres` })
    // It ends with its server.
    holder.on('error', () => undefined)
    await holder.connect()
    return poolOf('crowded')
  },
  'gets a wrong password': async () => {
    await world.change("create role guarded login password 'right'; grant select on server to guarded")
    await addLoginRule(world.replica(0), 'host all guarded 127.0.0.1/32 scram-sha-256')
    return poolOf('guarded:wrong')
  },
  'rejects the login by pg_hba.conf': async () => {
    await world.change('create role unwanted login; grant select on server to unwanted')
    await addLoginRule(world.replica(0), 'host all unwanted 127.0.0.1/32 reject')
    return poolOf('unwanted')
  },
}

describe('X2, X3: no read fails, with default options, while a replica', () => {
  it.each(Object.keys(WRONG))('%s: one reader, and 100 at once', async (name) => {
    const pool = await WRONG[name]?.()
    if (pool === undefined) throw new Error(`nothing prepared for ${name}`)
    for (const readers of [1, READERS]) {
      const { names, failures } = await readWhile(pool, readers, async () => undefined, 700)
      expect(failures).toEqual([])
      expect(new Set(names)).toEqual(new Set(['nrt-2']))
    }
  })

  it.each([1, READERS])('is killed: %i at once', async (readers) => {
    const pool = poolOf()
    await Promise.all([who(pool), who(pool)])
    const { names, failures, slowestAfter } = await readWhile(pool, readers, () => world.replica(0).kill(), 1500)
    expect(failures).toEqual([])
    expect(new Set(names.slice(-10))).toEqual(new Set(['nrt-2']))
    expect(slowestAfter(0)).toBeLessThan(2000)
  })

  it.each([1, READERS])('hangs: %i at once; two seconds later no read waits for it', async (readers) => {
    const pool = poolOf()
    await Promise.all([who(pool), who(pool)])
    let frozen: Frozen | undefined
    const freeze = async () => {
      frozen = await Frozen.freeze(world.replica(0))
    }
    try {
      const { failures, slowestAfter } = await readWhile(pool, readers, freeze, 6000)
      expect(failures).toEqual([])
      // Its monitor asks once a second, and waits for a second.
      expect(slowestAfter(2200)).toBeLessThan(1500)
    } finally {
      frozen?.[Symbol.dispose]()
    }
    await expect.poll(() => who(pool), { timeout: 15_000, interval: 10 }).toBe('nrt')
  })

  it('comes and goes, again and again', async () => {
    const pool = poolOf()
    await Promise.all([who(pool), who(pool)])
    const flap = async () => {
      for (let times = 0; times < 5; times += 1) {
        await world.replica(0).kill()
        await sleep(100 * times)
        await world.replica(0).start()
        await sleep(100 * times)
      }
    }
    const { failures } = await readWhile(pool, 20, flap, 500)
    expect(failures).toEqual([])
    await expect.poll(() => who(pool), { timeout: 15_000, interval: 10 }).toBe('nrt')
  })

  it('is lost with every other one: the primary answers what it is asked for, away from home by the network in a job', async () => {
    const pool = poolOf()
    await Promise.all([who(pool), who(pool)])
    const all = () => Promise.all(world.cluster.replicas.map((replica) => replica.kill()))
    const { names, failures } = await readWhile(pool, READERS, all, 1500)
    expect(failures).toEqual([])
    expect(new Set(names.slice(-10))).toEqual(new Set(['primary']))
  })
})

import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ClusterNode } from '@headwater/cluster'
import { diagnostics, type NodeEvent, PrimaryUnavailable, ReplayToPrimary } from '@headwater/core'
import { inRequest, WHO, World, who } from '@headwater/test-world'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RoutedPool } from '../src/index.ts'
import type { ReplicaOptions } from '../src/options/server-options.ts'
import { CUT_AFTER, Gate } from './gate.ts'

let world: World
beforeAll(async () => {
  world = await World.start({ replicas: ['nrt', 'nrt-2'] })
})
afterAll(() => world[Symbol.asyncDispose]())

const replica = (index: number): ClusterNode => world.replica(index)

const as = (node: ClusterNode, user: string, database = 'postgres') => ({
  connectionString: `postgres://${user}@${node.host}:${node.port}/${database}`,
})

/** A pool whose first replica refuses, and whose second is well. */
const poolWith = (first: ReplicaOptions, options: object = {}): RoutedPool =>
  world.pool('ams', { replicas: [first, { connectionString: replica(1).url }], ...options })

/** Collects what is published of one node. */
function listen(node: string): { readonly changes: NodeEvent[]; [Symbol.dispose](): void } {
  const changes: NodeEvent[] = []
  const hear = (event: unknown): void => {
    if ((event as NodeEvent).node === node) changes.push(event as NodeEvent)
  }
  diagnostics.node.subscribe(hear)
  return { changes, [Symbol.dispose]: () => diagnostics.node.unsubscribe(hear) }
}

const changesOf = ({ changes }: { readonly changes: readonly NodeEvent[] }) =>
  changes.map(({ change }) => change).filter((change) => change === 'down' || change === 'up')

/** Puts a rule in front of a server's own; gives back what takes it away. */
async function addLoginRule(node: ClusterNode, rule: string): Promise<() => Promise<void>> {
  const file = join(node.dataFolder, 'pg_hba.conf')
  const before = await readFile(file, 'utf8')
  const write = async (text: string): Promise<void> => {
    await writeFile(file, text)
    await node.query('select pg_reload_conf()')
    // The postmaster reads it when its signal comes.
    const lines = text.split('\n').filter((line) => /^\s*[a-z]/.test(line)).length
    const count = async () => (await node.query('select count(*)::int as n from pg_hba_file_rules'))[0]?.['n']
    await expect.poll(count).toBe(lines)
    await sleep(100)
  }
  await write(`${rule}\n${before}`)
  return () => write(before)
}

interface Refusal {
  /** Where the pool is told to find the first replica. */
  readonly options: ReplicaOptions
  readonly error: object
  /** Takes the cause away; `undefined`: nobody can, while the pool lives. */
  readonly mend: (() => Promise<void>) | undefined
}

const refusals: Readonly<Record<string, () => Promise<Refusal>>> = {
  'its login rules reject us (28000)': async () => {
    await world.admin.query('create role rejected login; grant select on server to rejected')
    const mend = await addLoginRule(replica(0), 'host all rejected 127.0.0.1/32 reject')
    return { options: as(replica(0), 'rejected'), error: { code: '28000' }, mend }
  },
  'the password is wrong (28P01)': async () => {
    await world.change("create role guarded login password 'old'; grant select on server to guarded")
    await addLoginRule(replica(0), 'host all guarded 127.0.0.1/32 scram-sha-256')
    const mend = async () => void (await world.admin.query("alter role guarded password 'new'"))
    return { options: as(replica(0), 'guarded:new'), error: { code: '28P01' }, mend }
  },
  'the database is not there (3D000)': async () => {
    const mend = async () => {
      await world.admin.query('create database late')
      const client = new pg.Client(as(world.cluster.primary, 'postgres', 'late'))
      await client.connect()
      await client.query("create view server as select current_setting('cluster_name') as who")
      await client.end()
    }
    return { options: as(replica(0), 'postgres', 'late'), error: { code: '3D000' }, mend }
  },
  'it has no connection left (53300)': async () => {
    await world.change('create role crowded login connection limit 6; grant select on server to crowded')
    // Each of three pools has one for its monitor.
    const holders = Array.from({ length: 6 }).map(() => new pg.Client(as(replica(0), 'crowded')))
    for (const holder of holders) await holder.connect()
    const mend = async () => void (await Promise.all(holders.map((holder) => holder.end())))
    return { options: as(replica(0), 'crowded'), error: { code: '53300' }, mend }
  },
  'it offers no TLS': async () => ({
    options: { connectionString: replica(0).url, ssl: { rejectUnauthorized: false } },
    error: { message: 'The server does not support SSL connections' },
    mend: undefined,
  }),
}

describe('X2: a replica that gives no session makes no read fail', () => {
  it.each(Object.keys(refusals))('%s', async (name) => {
    const prepared = await refusals[name]?.()
    if (prepared === undefined) throw new Error(`nothing prepared for ${name}`)
    const { options, error, mend } = prepared
    await world.cluster.waitUntilCaughtUp()
    using heard = listen('replica-0')
    const pool = poolWith(options)
    // Outside a scope they take turns, so half of these would meet the first.
    for (let n = 0; n < 6; n += 1) expect(await who(pool)).toBe('nrt-2')
    const together = await Promise.all(Array.from({ length: 12 }, () => who(pool)))
    expect(new Set(together)).toEqual(new Set(['nrt-2']))
    expect(heard.changes.find(({ change }) => change === 'down')).toMatchObject({ error })

    // With no other replica it is the primary at home, and a replay away.
    const only = { replicas: [options] }
    expect(await who(world.pool('ams', only))).toBe('primary')
    const away = world.pool('nrt', only)
    await expect(inRequest(away, () => away.query(WHO))).rejects.toThrow(ReplayToPrimary)

    if (mend === undefined) return
    await mend()
    await expect.poll(() => who(pool), { timeout: 15_000, interval: 20 }).toBe('nrt')
    expect(changesOf(heard)).toContain('up')
  })

  it('an answer to its watcher does not make a full replica count as up', async () => {
    await world.change('create role watched login connection limit 1; grant select on server to watched')
    using heard = listen('replica-0')
    const pool = poolWith(as(replica(0), 'watched'), { maxLag: { millis: 60_000 }, catalog: false })
    // The watcher takes the only connection; nobody else has one.
    const until = performance.now() + 2500
    while (performance.now() < until) {
      expect(await who(pool)).toMatch(/nrt-2|primary/)
      await sleep(50)
    }
    expect(changesOf(heard)).toEqual(['down'])
  })
})

describe('X3: a server that does not answer', () => {
  it('is left alone under load, and comes back by itself', async () => {
    await using gate = await Gate.start('silent', replica(0))
    using heard = listen('replica-0')
    const pool = poolWith({ connectionString: gate.url }, { connectionTimeoutMillis: 1000, max: 3 })
    const began = performance.now()
    const reads: Promise<{ readonly who: string; readonly took: number }>[] = []
    for (let n = 0; n < 50; n += 1) {
      const sentAt = performance.now()
      reads.push(who(pool).then((who) => ({ who, took: performance.now() - sentAt })))
      await sleep(100)
    }
    const answers = await Promise.all(reads)
    expect(new Set(answers.map(({ who }) => who))).toEqual(new Set(['nrt-2']))
    // Those of the first second, every other one, and a probe now and then.
    expect(answers.filter(({ took }) => took > 200).length).toBeLessThanOrEqual(13)
    expect(Math.max(...answers.map(({ took }) => took))).toBeLessThan(1600)
    expect(changesOf(heard)).toEqual(['down'])
    expect(performance.now() - began).toBeGreaterThan(4000)
    gate.mode = 'open'
    await expect.poll(() => who(pool), { timeout: 20_000, interval: 20 }).toBe('nrt')
    expect(changesOf(heard)).toEqual(['down', 'up'])
  })

  it('sends away all that wait for a connection to it, without trying to connect for each', async () => {
    await using gate = await Gate.start('cutting', replica(0))
    const pool = world.pool('ams', {
      replicas: [{ connectionString: gate.url }],
      connectionTimeoutMillis: undefined,
      max: 1,
      // Its connection would be counted at the gate too.
      catalog: false,
    })
    const began = performance.now()
    const answers = await Promise.all(Array.from({ length: 10 }, () => who(pool)))
    expect(new Set(answers)).toEqual(new Set(['primary']))
    expect(performance.now() - began).toBeLessThan(3 * CUT_AFTER)
    await sleep(2 * CUT_AFTER)
    // The monitor's own attempts are counted too.
    expect(gate.count).toBeLessThanOrEqual(5)
  })

  it('as the primary it is a PrimaryUnavailable for all that wait, also in the queue', async () => {
    await using gate = await Gate.start('silent', world.cluster.primary)
    const pool = world.pool('ams', {
      primary: { region: 'ams', connectionString: gate.url },
      connectionTimeoutMillis: 400,
      max: 1,
    })
    const writes: Promise<unknown>[] = []
    for (let n = 0; n < 6; n += 1) {
      writes.push(pool.query("insert into note (body) values ('silent')").catch((error: unknown) => error))
      await sleep(30)
    }
    for (const error of await Promise.all(writes)) expect(error).toBeInstanceOf(PrimaryUnavailable)
  })
})

describe('a full pool', () => {
  it('of the primary gives pg’s own error, and does not mark the primary', async () => {
    using heard = listen('primary')
    const pool = world.pool('ams', { connectionTimeoutMillis: 300, max: 1 })
    const client = await pool.connect()
    await client.query("set app.x = '1'")
    const error = await pool.query("insert into note (body) values ('full')").catch((reason: unknown) => reason)
    client.release()
    expect(error).not.toBeInstanceOf(PrimaryUnavailable)
    expect(error).toMatchObject({ message: 'timeout exceeded when trying to connect' })
    expect(changesOf(heard)).toEqual([])
    await pool.query("insert into note (body) values ('not full')")
  })

  it('of a replica sends the read on, and does not mark the replica', async () => {
    using heard = listen('replica-0')
    const replicas = [{ connectionString: replica(0).url }]
    const pool = world.pool('ams', { replicas, connectionTimeoutMillis: 300, max: 1 })
    const slow = pool.query('select who, pg_sleep(1) from server')
    await expect.poll(() => pool.totalCount).toBe(1)
    expect(await who(pool)).toBe('primary')
    expect((await slow).rows).toMatchObject([{ who: 'nrt' }])
    expect(await who(pool)).toBe('nrt')
    expect(changesOf(heard)).toEqual([])
  })
})

describe('a primary that gives no session', () => {
  it('because it is full (53300) is a PrimaryUnavailable: 503, retry later', async () => {
    await world.admin.query(
      'create role busy login connection limit 2; grant insert on note to busy; grant select on server to busy',
    )
    // The monitor has one connection of its own.
    const holders = [1, 2].map(() => new pg.Client(as(world.cluster.primary, 'busy')))
    for (const holder of holders) await holder.connect()
    const pool = world.pool('ams', {
      primary: { region: 'ams', ...as(world.cluster.primary, 'busy') },
      promotionWaitMillis: 0,
    })
    const insert = () => pool.query("insert into note (body) values ('busy')")
    const error = await insert().catch((reason: unknown) => reason)
    for (const holder of holders) await holder.end()
    expect(error).toBeInstanceOf(PrimaryUnavailable)
    expect(error).toMatchObject({ status: 503, retryable: true, cause: { code: '53300' } })
    await expect.poll(() => insert().then(({ rowCount }) => rowCount, String)).toBe(1)
  })
})

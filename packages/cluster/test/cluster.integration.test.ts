import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Cluster, type ClusterNode, type Replica, startCluster } from '../src/index.ts'
import { isMemoryThere, memoryOf, processesOf, rootOf } from './fixtures/leftovers.ts'

async function countOf(node: ClusterNode): Promise<number> {
  const [row] = await node.query<{ count: number }>('select count(*)::int as count from entry')
  return row?.count ?? -1
}

/** Milliseconds until a query on this node says what is expected. */
async function timeUntil(isSo: () => Promise<boolean>): Promise<number> {
  const start = performance.now()
  while (!(await isSo())) {
    if (performance.now() - start > 10_000) throw new Error('It did not become so within 10 s')
    await sleep(2)
  }
  return performance.now() - start
}

describe('a running cluster', () => {
  let cluster: Cluster
  let nrt: Replica
  let ord: Replica

  beforeAll(async () => {
    cluster = await startCluster({ replicas: ['nrt', 'ord'], settings: { work_mem: '5MB' } })
    const [first, second] = cluster.replicas
    if (!first || !second) throw new Error('Two replicas were asked for')
    nrt = first
    ord = second
    await cluster.primary.query('create table entry (id int generated always as identity, note text)')
    await cluster.waitUntilCaughtUp()
  })
  afterAll(() => cluster.stop())

  test('is one PostgreSQL that we promise to run, a primary and two hot standbys that stream', async () => {
    const versions = await Promise.all(
      [cluster.primary, nrt, ord].map(async (node) => {
        const [row] = await node.query<{ version: number }>(
          `select current_setting('server_version_num')::int / 10000 as version`,
        )
        return row?.version
      }),
    )
    expect(new Set(versions).size).toBe(1)
    expect(versions[0]).toBeGreaterThanOrEqual(14)
    expect(await Promise.all([cluster.primary, nrt, ord].map((node) => node.isInRecovery()))).toEqual([
      false,
      true,
      true,
    ])
    const streams = await cluster.primary.query(
      'select application_name, state from pg_stat_replication order by application_name',
    )
    expect(streams).toEqual([
      { application_name: 'nrt', state: 'streaming' },
      { application_name: 'ord', state: 'streaming' },
    ])
  })

  test('answers at its urls, on the loopback only, with its names and settings', async () => {
    for (const node of [cluster.primary, nrt, ord]) {
      expect(node.url).toBe(`postgres://postgres@127.0.0.1:${node.port}/postgres`)
      const client = new Client({ connectionString: node.url })
      await client.connect()
      const { rows } = await client.query(
        `select current_setting('cluster_name') as name, current_setting('work_mem') as work_mem,
                current_setting('listen_addresses') as listens`,
      )
      await client.end()
      expect(rows).toEqual([{ name: node.name, work_mem: '5MB', listens: '127.0.0.1' }])
    }
  })

  test('after waitUntilCaughtUp() a write can be read on each replica', async () => {
    for (let round = 1; round <= 20; round++) {
      await cluster.primary.query('insert into entry (note) values ($1)', [`round ${round}`])
      await cluster.waitUntilCaughtUp()
      const expected = await countOf(cluster.primary)
      expect(await Promise.all([nrt, ord].map(countOf))).toEqual([expected, expected])
    }
  })

  test('a replica refuses to write', async () => {
    await expect(nrt.query('insert into entry (note) values (null)')).rejects.toMatchObject({ code: '25006' })
  })

  test('lag() delays what one replica shows, and 0 takes the delay away', async () => {
    await nrt.lag(500)
    const before = await countOf(nrt)
    await cluster.primary.query('insert into entry (note) values (null)')
    const [slow, quick] = await Promise.all(
      [nrt, ord].map((replica) => timeUntil(async () => (await countOf(replica)) > before)),
    )
    console.info(`lag(500): visible after ${slow?.toFixed(0)} ms, on the other replica after ${quick?.toFixed(0)} ms`)
    // The insert's own connection closes before we start to count: allow for that.
    expect(slow).toBeGreaterThan(450)
    expect(slow).toBeLessThan(2_000)
    expect(quick).toBeLessThan(400)
    await nrt.lag(0)
    await cluster.primary.query('insert into entry (note) values (null)')
    expect(await timeUntil(async () => (await countOf(nrt)) > before + 1)).toBeLessThan(400)
  })

  test('lag(0) shows at once what the delay was holding back', async () => {
    await nrt.lag(60_000)
    await cluster.primary.query('insert into entry (note) values (null)')
    await expect(cluster.waitUntilCaughtUp({ timeoutMillis: 100 })).rejects.toMatchObject({
      code: 'CLUSTER_TIMEOUT',
      message: expect.stringMatching(/nrt did not reach .* bytes behind/),
    })
    await nrt.pauseReplay()
    await nrt.resumeReplay()
    await nrt.lag(0)
    await cluster.waitUntilCaughtUp()
  })

  test('lag() refuses nonsense', async () => {
    await expect(nrt.lag(-1)).rejects.toMatchObject({ code: 'CLUSTER_OPTIONS_INVALID' })
    await expect(nrt.lag(0.5)).rejects.toMatchObject({ code: 'CLUSTER_OPTIONS_INVALID' })
  })

  test('pauseReplay() stops one replica, resumeReplay() lets it catch up', async () => {
    await nrt.pauseReplay()
    const before = await countOf(nrt)
    await cluster.primary.query('insert into entry (note) values (null)')
    await expect(cluster.waitUntilCaughtUp({ timeoutMillis: 200 })).rejects.toThrow(
      /nrt did not reach .* replay paused/,
    )
    expect(await countOf(nrt)).toBe(before)
    expect(await countOf(ord)).toBe(before + 1)
    await nrt.resumeReplay()
    await cluster.waitUntilCaughtUp()
    expect(await countOf(nrt)).toBe(before + 1)
  })

  test('waitUntilCaughtUp() can be aborted', async () => {
    await nrt.pauseReplay()
    await cluster.primary.query('insert into entry (note) values (null)')
    const reason = new Error('enough')
    const wait = cluster.waitUntilCaughtUp({ signal: AbortSignal.timeout(50) })
    await expect(wait).rejects.toMatchObject({ name: 'TimeoutError' })
    await expect(cluster.waitUntilCaughtUp({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    await nrt.resumeReplay()
  })

  test('disconnect() cuts the stream while the replica answers, reconnect() mends it', async () => {
    await ord.disconnect()
    const before = await countOf(ord)
    await cluster.primary.query('insert into entry (note) values (null)')
    await expect(cluster.waitUntilCaughtUp({ timeoutMillis: 200 })).rejects.toThrow(/ord did not reach/)
    expect(await countOf(ord)).toBe(before)
    await ord.reconnect()
    await cluster.waitUntilCaughtUp()
    expect(await countOf(ord)).toBe(before + 1)
  })

  test('kill() disconnects every client at once; restart() brings the node back at its address with its data', async () => {
    const { url } = cluster.primary
    const before = await countOf(cluster.primary)
    const memory = await memoryOf(cluster.primary.dataFolder)
    const client = new Client({ connectionString: url })
    const isGone = new Promise((resolve) => client.on('error', resolve))
    await client.connect()
    await cluster.primary.kill()
    await isGone
    expect(cluster.primary.isRunning).toBe(false)
    expect(await processesOf(cluster.primary.dataFolder)).toEqual([])
    if (process.platform === 'linux') expect(await isMemoryThere(memory ?? '')).toBe(false)
    await expect(cluster.primary.query('select 1')).rejects.toMatchObject({ code: 'CLUSTER_NODE_DOWN' })
    expect(await countOf(nrt)).toBe(before)
    await cluster.primary.restart()
    expect(cluster.primary.url).toBe(url)
    expect(await countOf(cluster.primary)).toBe(before)
    expect(await cluster.primary.log()).toMatch(/database system was not properly shut down/)
    await cluster.primary.query('insert into entry (note) values (null)')
    await cluster.waitUntilCaughtUp()
    expect(await countOf(nrt)).toBe(before + 1)
  })

  test('a replica that was stopped, or killed, catches up after its restart', async () => {
    await nrt.stop()
    await nrt.stop()
    await ord.kill()
    expect([nrt.isRunning, ord.isRunning]).toEqual([false, false])
    await cluster.primary.query('insert into entry (note) values (null)')
    await expect(cluster.waitUntilCaughtUp()).rejects.toMatchObject({ code: 'CLUSTER_NODE_DOWN' })
    await Promise.all([nrt.start(), ord.restart()])
    await nrt.start()
    await cluster.waitUntilCaughtUp()
    expect(await countOf(nrt)).toBe(await countOf(cluster.primary))
  })

  test("stop('smart') waits for clients and says so when they do not leave", async () => {
    await using short = await startCluster({ replicas: 0, startTimeoutMillis: 3_000 })
    const client = new Client({ connectionString: short.primary.url })
    client.on('error', () => {})
    await client.connect()
    await expect(short.primary.stop('smart')).rejects.toMatchObject({
      code: 'CLUSTER_TIMEOUT',
      message: expect.stringContaining("use 'fast'"),
    })
    await client.end()
  })
})

describe('failover', () => {
  test('promote() makes a primary, follow() makes the other replica follow it', async () => {
    await using cluster = await startCluster({ replicas: 2 })
    const [first, second] = cluster.replicas
    if (!first || !second) throw new Error('Two replicas were asked for')
    await cluster.primary.query('create table entry (id int)')
    await cluster.waitUntilCaughtUp()
    await cluster.primary.kill()
    const start = performance.now()
    await first.promote()
    console.info(`promote(): ${(performance.now() - start).toFixed(0)} ms`)
    expect(await first.isInRecovery()).toBe(false)
    await first.query('insert into entry values (1)')
    await second.follow(first)
    await cluster.waitUntilCaughtUp({ primary: first })
    expect(await second.query('select id from entry')).toEqual([{ id: 1 }])
    expect(await second.query('select received_tli from pg_stat_wal_receiver')).toEqual([{ received_tli: 2 }])
    // What needs a standby says that it is none any more; the other methods go on.
    for (const attempt of [
      () => first.promote(),
      () => first.lag(1),
      () => first.pauseReplay(),
      () => first.follow(second),
    ]) {
      await expect(attempt()).rejects.toMatchObject({ code: 'CLUSTER_WRONG_ROLE' })
    }
    await first.restart()
    expect(await first.isInRecovery()).toBe(false)
    await expect(second.follow(second)).rejects.toMatchObject({ code: 'CLUSTER_OPTIONS_INVALID' })
  })
})

describe('rejoin()', () => {
  test('brings an old primary back that has written on, as a replica that can be promoted again', async () => {
    await using cluster = await startCluster({ replicas: 2 })
    const [first, second] = cluster.replicas
    if (!first || !second) throw new Error('Two replicas were asked for')
    const { primary } = cluster
    const { url } = primary
    await primary.query('create table entry (id int)')
    await cluster.waitUntilCaughtUp()
    await second.disconnect()
    await first.promote()
    // What it wrote behind the promotion is on no other server, so it cannot simply follow.
    await primary.query('insert into entry values (666)')
    await first.query('insert into entry values (1)')
    await second.follow(first)
    const old = await cluster.rejoin(primary, first)
    expect([old.url, old.name, await old.isInRecovery()]).toEqual([url, 'primary', true])
    expect(await primary.query("select current_setting('cluster_name') as name")).toEqual([{ name: 'primary' }])
    await first.query('insert into entry values (2)')
    await cluster.waitUntilCaughtUp({ primary: first })
    expect(await old.query('select id from entry order by id')).toEqual([{ id: 1 }, { id: 2 }])

    await Promise.all([second.disconnect(), first.stop()])
    await old.promote()
    await old.query('insert into entry values (3)')
    await second.follow(old)
    const back = await cluster.rejoin(first, old)
    expect(back).toBe(first)
    await cluster.waitUntilCaughtUp({ primary: old })
    for (const node of [first, second]) {
      expect(await node.query('select id from entry order by id')).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }])
      expect(await node.query('select received_tli from pg_stat_wal_receiver')).toEqual([{ received_tli: 3 }])
    }
    expect(await cluster.rejoin(second, primary)).toBe(second)
  })

  test('refuses before it throws anything away', async () => {
    await using cluster = await startCluster({ replicas: 1 })
    await using another = await startCluster({ replicas: 0 })
    const [replica] = cluster.replicas
    if (!replica) throw new Error('A replica was asked for')
    const { primary } = cluster
    await primary.query('create table entry (id int)')
    for (const [node, source, code] of [
      [primary, primary, 'CLUSTER_OPTIONS_INVALID'],
      [primary, another.primary, 'CLUSTER_OPTIONS_INVALID'],
      [another.primary, primary, 'CLUSTER_OPTIONS_INVALID'],
      [primary, replica, 'CLUSTER_WRONG_ROLE'],
    ] as const)
      await expect(cluster.rejoin(node, source)).rejects.toMatchObject({ code })
    await replica.stop()
    await expect(cluster.rejoin(primary, replica)).rejects.toMatchObject({ code: 'CLUSTER_NODE_DOWN' })
    expect(await primary.query('select id from entry')).toEqual([])
  })
})

describe('the life of a cluster', () => {
  test('is quick, cold and from the template, and leaves nothing behind', async () => {
    const times: number[] = []
    for (const isTemplateCached of [false, true, true]) {
      const start = performance.now()
      const cluster = await startCluster({ replicas: 2, isTemplateCached })
      times.push(performance.now() - start)
      const root = rootOf(cluster.primary.dataFolder)
      expect((await processesOf(root)).length).toBeGreaterThan(3)
      const stopping = performance.now()
      await cluster.stop()
      await cluster.stop()
      times.push(performance.now() - stopping)
      expect(existsSync(root)).toBe(false)
      expect(await processesOf(root)).toEqual([])
    }
    console.info(`start/stop in ms: cold, cached, cached: ${times.map((time) => time.toFixed(0)).join(' ')}`)
    expect(times[0]).toBeLessThan(15_000)
    expect(times[4]).toBeLessThan(5_000)
  })

  test('every method of a stopped cluster throws CLUSTER_STOPPED', async () => {
    const cluster = await startCluster({ replicas: 1 })
    await cluster[Symbol.asyncDispose]()
    const stopped = { code: 'CLUSTER_STOPPED' }
    await expect(cluster.primary.query('select 1')).rejects.toMatchObject(stopped)
    await expect(cluster.primary.restart()).rejects.toMatchObject(stopped)
    await expect(cluster.replicas[0]?.lag(1)).rejects.toMatchObject(stopped)
    await expect(cluster.waitUntilCaughtUp()).rejects.toMatchObject(stopped)
  })

  test('stop() copes with a dead primary, a paused replica and a frozen server', { timeout: 40_000 }, async () => {
    const cluster = await startCluster({ replicas: 2 })
    const root = rootOf(cluster.primary.dataFolder)
    const [row] =
      (await cluster.replicas[1]?.query<{ pid: number }>(
        `select (regexp_match(pg_read_file('postmaster.pid'), '^\\d+'))[1]::int as pid`,
      )) ?? []
    await cluster.primary.kill()
    await cluster.replicas[0]?.pauseReplay()
    if (!row) throw new Error('No pid')
    process.kill(row.pid, 'SIGSTOP')
    await cluster.stop()
    expect(existsSync(root)).toBe(false)
    expect(await processesOf(root)).toEqual([])
  })

  test('a standby starts with fewer connections than initdb recorded', async () => {
    await using cluster = await startCluster({
      replicas: 1,
      settings: { max_connections: '40' },
      isTemplateCached: false,
    })
    expect(await cluster.replicas[0]?.query('show max_connections')).toEqual([{ max_connections: '40' }])
  })

  test('a setting that the server refuses gives an error with its log', async () => {
    const start = startCluster({ settings: { shared_buffers: 'plenty' } })
    await expect(start).rejects.toMatchObject({
      code: 'CLUSTER_START_FAILED',
      message: expect.stringMatching(/log ends with[\s\S]*shared_buffers/),
    })
  })

  test('clusters that start at once do not disturb each other', async () => {
    const clusters = await Promise.all(Array.from({ length: 3 }, () => startCluster({ replicas: 1 })))
    const ports = clusters.flatMap((cluster) => [cluster.primary, ...cluster.replicas].map((node) => node.port))
    expect(new Set(ports).size).toBe(6)
    await Promise.all(clusters.map((cluster) => cluster.stop()))
  })
})

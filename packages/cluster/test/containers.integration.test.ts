import { connect } from 'node:net'
import { networkInterfaces } from 'node:os'
import { type ContainerRuntimeClient, getContainerRuntimeClient } from 'testcontainers'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Cluster, type Replica, startCluster } from '../src/index.ts'

/** What behaves as the official image; `pnpm containers` makes one where no registry can be reached. */
const image = process.env['HEADWATER_CLUSTER_IMAGE'] ?? 'postgres:18'

const engine: ContainerRuntimeClient | string = await getContainerRuntimeClient().catch(
  (reason: unknown) => `no container engine answers: ${String(reason)}`,
)

/** Every container and network that the engine has, ours or not. */
async function leftovers(): Promise<readonly string[]> {
  if (typeof engine === 'string') return []
  const { dockerode } = engine.container
  const containers = await dockerode.listContainers({ all: true })
  const networks = await dockerode.listNetworks()
  // Testcontainers' own reaper goes when this process has gone.
  const others = containers.filter(({ Image }) => !Image.includes('ryuk'))
  return [...others.map(({ Id }) => Id), ...networks.map(({ Id }) => Id)].sort()
}

/** True where something listens at this address. */
function listens(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 2000 })
    const end = (isThere: boolean) => () => {
      socket.destroy()
      resolve(isThere)
    }
    socket.on('connect', end(true)).on('error', end(false)).on('timeout', end(false))
  })
}

describe('provider testcontainers, in real containers', { timeout: 180_000 }, () => {
  beforeEach((context) => {
    if (typeof engine === 'string') context.skip(engine)
  })

  describe('a cluster', () => {
    let cluster: Cluster
    let nrt: Replica
    let ord: Replica
    let before: readonly string[]

    beforeAll(async () => {
      if (typeof engine === 'string') return
      before = await leftovers()
      cluster = await startCluster({
        provider: 'testcontainers',
        image,
        replicas: ['nrt', 'ord'],
        settings: { work_mem: '5MB' },
      })
      const [first, second] = cluster.replicas
      if (!first || !second) throw new Error('Two replicas were asked for')
      nrt = first
      ord = second
      await cluster.primary.query('create table entry (id int)')
      await cluster.waitUntilCaughtUp()
    }, 180_000)
    afterAll(() => cluster?.stop(), 60_000)

    test('is a primary and two hot standbys that stream, with their names and settings', async () => {
      const streams = await cluster.primary.query(
        'select application_name, state from pg_stat_replication order by application_name',
      )
      expect(streams).toEqual([
        { application_name: 'nrt', state: 'streaming' },
        { application_name: 'ord', state: 'streaming' },
      ])
      const said = `select current_setting('cluster_name') as name, current_setting('work_mem') as memory,
                           pg_is_in_recovery() as is_standby`
      for (const node of [cluster.primary, nrt, ord]) {
        const is_standby = node !== cluster.primary
        expect(await node.query(said)).toEqual([{ name: node.name, memory: '5MB', is_standby }])
      }
    })

    test('is published on the loopback only', async (context) => {
      if (!['localhost', '127.0.0.1', '::1'].includes(cluster.primary.host)) {
        context.skip(`the engine is reached at ${cluster.primary.host}, where nothing of its loopback can be`)
      }
      const others = Object.values(networkInterfaces())
        .flatMap((addresses) => addresses ?? [])
        .filter(({ family, internal }) => family === 'IPv4' && !internal)
      // At least the bridge of the containers' own network.
      expect(others.length).toBeGreaterThan(0)
      for (const node of [cluster.primary, nrt, ord]) {
        expect(await listens('127.0.0.1', node.port)).toBe(true)
        for (const { address } of others) expect(await listens(address, node.port), address).toBe(false)
      }
    })

    test('lags and pauses as it is told', async () => {
      const count = async (node: Replica) =>
        (await node.query<{ count: number }>('select count(*)::int from entry'))[0]?.count
      await nrt.pauseReplay()
      await cluster.primary.query('insert into entry values (1)')
      await expect.poll(() => count(ord), { timeout: 10_000 }).toBe(1)
      expect(await count(nrt)).toBe(0)
      await nrt.resumeReplay()
      await cluster.waitUntilCaughtUp()
      expect(await count(nrt)).toBe(1)
      await nrt.lag(300)
      const start = performance.now()
      await cluster.primary.query('insert into entry values (2)')
      await cluster.waitUntilCaughtUp()
      expect(performance.now() - start).toBeGreaterThan(250)
      await nrt.lag(0)
    })

    test('keeps its address over a kill and a restart', async () => {
      const { url } = cluster.primary
      await cluster.primary.kill()
      await expect(cluster.primary.query('select 1')).rejects.toMatchObject({ code: 'CLUSTER_NODE_DOWN' })
      await cluster.primary.restart()
      expect(cluster.primary.url).toBe(url)
      await cluster.primary.query('insert into entry values (3)')
      await nrt.restart()
      await cluster.waitUntilCaughtUp()
      expect(await cluster.primary.log()).toMatch(/ready to accept connections/)
    })

    test('follows a promotion', async () => {
      await cluster.primary.kill()
      await nrt.promote()
      await ord.follow(nrt)
      await nrt.query('insert into entry values (4)')
      await cluster.waitUntilCaughtUp({ primary: nrt })
      expect(await ord.query('select id from entry where id = 4')).toEqual([{ id: 4 }])
    })

    test('takes the old primary back as a replica, at its address, and promotes it again', async () => {
      const { url } = cluster.primary
      const old = await cluster.rejoin(cluster.primary, nrt)
      expect([old.url, await old.isInRecovery()]).toEqual([url, true])
      await nrt.query('insert into entry values (5)')
      await cluster.waitUntilCaughtUp({ primary: nrt })
      expect(await old.query('select id from entry where id in (4, 5) order by id')).toEqual([{ id: 4 }, { id: 5 }])
      expect(await old.query("select current_setting('cluster_name') as name")).toEqual([{ name: 'primary' }])
      await Promise.all([ord.disconnect(), nrt.stop()])
      await old.promote()
      await old.query('insert into entry values (6)')
      await ord.follow(old)
      await cluster.rejoin(nrt, old)
      await cluster.waitUntilCaughtUp({ primary: old })
      expect(await nrt.query('select id from entry where id = 6')).toEqual([{ id: 6 }])
    })

    test('leaves neither a container nor a network behind', async () => {
      await cluster.stop()
      expect(await leftovers()).toEqual(before)
    })
  })

  describe('a start that does not succeed', () => {
    let before: readonly string[]
    beforeEach(async () => {
      before = await leftovers()
    })
    afterEach(async () => {
      expect(await leftovers()).toEqual(before)
    })

    test('says what the server said, and leaves nothing behind', async () => {
      const settings = { shared_buffers: 'plenty' }
      await expect(startCluster({ provider: 'testcontainers', image, settings })).rejects.toMatchObject({
        code: 'CLUSTER_START_FAILED',
        message: expect.stringContaining('invalid value for parameter "shared_buffers"'),
      })
    })

    test('may be aborted, and leaves nothing behind', async () => {
      const abort = new AbortController()
      const start = startCluster({ provider: 'testcontainers', image, signal: abort.signal })
      setTimeout(() => abort.abort(new Error('aborted on purpose')), 700)
      await expect(start).rejects.toThrow('aborted on purpose')
    })
  })
})

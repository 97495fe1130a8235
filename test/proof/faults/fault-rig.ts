import { appendFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Cluster, type ClusterNode, openWire, type Replica, startCluster, type Wire } from '@headwater/cluster'
import { createFlyProxy, type FlyProxy } from '@headwater/fly-proxy'
import type { RoutedPoolOptions } from '@headwater/pg'
import { SCHEMA } from '../app.ts'
import type { LogEntry } from '../history.ts'
import { REGIONS, type Region } from '../rig.ts'
import { Instance } from './instance.ts'
import { SkewedClock } from './skewed-clock.ts'

export type Replication = 'asynchronous' | 'synchronous'

export interface FaultRigOptions {
  readonly replication: Replication
  /** Whether nrt-1 takes over in this run: then a synchronous commit waits for it, and not for whoever is first. */
  readonly hasSuccessor: boolean
  /** A server that gives no answer for so long is suspect, in ms. */
  readonly suspectAfterMillis: number
  /** Whether small reads share connections (S4). */
  readonly lanes: boolean
  readonly signal?: AbortSignal | undefined
}

const REPLICAS = ['ams-1', 'nrt-1', 'nrt-2', 'ord-1'] as const
export type ServerName = 'primary' | (typeof REPLICAS)[number]
const SERVERS: readonly ServerName[] = ['primary', ...REPLICAS]
const MACHINES: readonly Region[] = ['ams', 'nrt', 'nrt', 'ord']
export const KEYS = 50
/** Where a server stands by its name; the primary is in ams. */
const regionOf = (name: ServerName): Region => REGIONS.find((region) => name.startsWith(region)) ?? REGIONS[0]

/** Reads take as long as `pace` says: one that is over at once meets no recovery conflict. */
const PACE = `
  create table pace (seconds float8 not null);
  insert into pace values (0);
  create or replace view standing as
    select n as state, author, current_setting('cluster_name') as node, pg_is_in_recovery() as is_replica
    from clock, pace, lateral pg_sleep(pace.seconds)`

const PATIENCE_MILLIS = 15_000

/**
 * A primary in ams, four replicas in three regions, four instances of the app, the proxy in front; and a wire in front of each
 * server, each instance and each edge.
 */
export class FaultRig implements AsyncDisposable {
  readonly cluster: Cluster
  readonly proxy: FlyProxy
  readonly wires: Readonly<Record<ServerName, Wire>>
  readonly edges: Readonly<Record<Region, Wire>>
  readonly instances: Instance[]
  /** The server whose log counts. */
  source: ClusterNode
  /** When every instance had seen another server promoted, by the clock of the history. */
  fencedAt: number | undefined
  readonly #machines: readonly Wire[]
  readonly #clock: SkewedClock
  readonly #options: FaultRigOptions
  readonly #owned: AsyncDisposableStack

  private constructor(
    parts: Pick<FaultRig, 'cluster' | 'proxy' | 'wires' | 'edges' | 'instances'> & {
      machines: readonly Wire[]
      clock: SkewedClock
      options: FaultRigOptions
      owned: AsyncDisposableStack
    },
  ) {
    this.cluster = parts.cluster
    this.proxy = parts.proxy
    this.wires = parts.wires
    this.edges = parts.edges
    this.instances = parts.instances
    this.source = parts.cluster.primary
    this.#machines = parts.machines
    this.#clock = parts.clock
    this.#options = parts.options
    this.#owned = parts.owned
  }

  static async open(options: FaultRigOptions): Promise<FaultRig> {
    await using building = new AsyncDisposableStack()
    const abortable = options.signal === undefined ? {} : { signal: options.signal }
    const settings = { max_connections: '200', max_standby_streaming_delay: '0', hot_standby_feedback: 'off' }
    const cluster = building.use(await startCluster({ replicas: REPLICAS, settings, ...abortable }))
    await cluster.primary.query(SCHEMA)
    await cluster.primary.query(PACE)
    await cluster.primary.query('insert into register select key, 0 from generate_series(1, $1) key', [KEYS])
    await cluster.waitUntilCaughtUp(abortable)
    if (options.replication === 'synchronous') await makeSynchronous(cluster, options.hasSuccessor)
    const wires = Object.fromEntries(
      await Promise.all(SERVERS.map(async (name) => [name, await cluster.wire(nodeOf(cluster, name))])),
    ) as Record<ServerName, Wire>
    const clock = building.use(new SkewedClock())
    const instances: Instance[] = []
    building.defer(async () => {
      const ended = await Promise.allSettled(instances.map((instance) => instance[Symbol.asyncDispose]()))
      for (const outcome of ended) if (outcome.status === 'rejected') throw outcome.reason
    })
    const machines: Wire[] = []
    for (const region of MACHINES) {
      const instance = await Instance.start(region, configurationOf(wires, 'primary', options), clock)
      instances.push(instance)
      machines.push(building.use(await openWire({ host: '127.0.0.1', port: instance.port })))
    }
    const listed = MACHINES.map((region, index) => {
      return { id: `machine-${index}`, region, url: `http://127.0.0.1:${machines[index]?.port}` }
    })
    const proxy = building.use(
      createFlyProxy({ apps: [{ name: 'app', machines: listed }], noCandidateWaitMillis: 500 }),
    )
    await proxy.listen()
    const edges = Object.fromEntries(
      await Promise.all(
        REGIONS.map(async (region) => {
          const port = Number(new URL(proxy.edge(region).url).port)
          return [region, building.use(await openWire({ host: '127.0.0.1', port }))]
        }),
      ),
    ) as Record<Region, Wire>
    return new FaultRig({ cluster, proxy, wires, edges, instances, machines, clock, options, owned: building.move() })
  }

  node(name: ServerName): ClusterNode {
    return nodeOf(this.cluster, name)
  }

  replica(name: Exclude<ServerName, 'primary'>): Replica {
    const found = this.cluster.replicas.find((replica) => replica.name === name)
    if (found === undefined) throw new Error(`the rig has no replica ${name}`)
    return found
  }

  /** Has nrt-1 take over. `loseOldOne` runs while nobody but nrt-1 can get ahead, so that the others can follow it. */
  async promote(loseOldOne: () => Promise<void>): Promise<void> {
    const others = (['ams-1', 'nrt-2', 'ord-1'] as const).map((name) => this.replica(name))
    await Promise.all(others.map((replica) => replica.disconnect()))
    await loseOldOne()
    const successor = this.replica('nrt-1')
    await successor.promote()
    this.source = successor
    await Promise.all(others.map((replica) => replica.follow(successor)))
  }

  /** Has the stopped primary come back as a replica of nrt-1. */
  async demoteOldOne(): Promise<void> {
    const { primary } = this.cluster
    const { host, port } = this.source
    await writeFile(join(primary.dataFolder, 'standby.signal'), '')
    const conninfo = `host=${host} port=${port} user=postgres application_name=primary`
    await appendFile(join(primary.dataFolder, 'postgresql.auto.conf'), `\nprimary_conninfo = '${conninfo}'\n`)
    await primary.start()
  }

  /** Waits until every instance goes by the promotion. */
  async untilFenced(): Promise<void> {
    for (const end = performance.now() + PATIENCE_MILLIS; performance.now() < end; await sleep(10)) {
      if (this.instances.every(({ pool }) => (pool.status().timeline ?? 0) > 1)) {
        this.fencedAt = performance.now()
        return
      }
    }
    throw new Error(`an instance has not heard of the promotion within ${PATIENCE_MILLIS} ms`)
  }

  /** Has every read take so long, wherever it runs. */
  async slowReads(millis: number): Promise<void> {
    await this.source.query('update pace set seconds = $1', [millis / 1000])
  }

  /** How many reads the replicas have cancelled for a recovery conflict. */
  async conflicts(): Promise<number> {
    const counted = await Promise.all(
      this.cluster.replicas.map((replica) =>
        replica.query<{ n: number }>(
          'select sum(confl_lock + confl_snapshot)::int as n from pg_stat_database_conflicts',
        ),
      ),
    )
    return counted.reduce((sum, rows) => sum + (rows[0]?.n ?? 0), 0)
  }

  /** Waits until the replicas have counted more conflicts than `before`. Throws when there are none: then nothing went wrong. */
  async untilConflicts(before: number): Promise<void> {
    for (const end = performance.now() + PATIENCE_MILLIS; performance.now() < end; await sleep(100)) {
      if ((await this.conflicts()) > before) return
    }
    throw new Error('no replica has cancelled a read: the fault did not happen')
  }

  /** Replaces one instance by one that knows nrt-1 as the primary, as a deploy does. */
  async redeploy(index: number): Promise<void> {
    const [before, wire] = [this.instances[index], this.#machines[index]]
    if (before === undefined || wire === undefined) throw new Error(`the rig has no machine ${index}`)
    const after = await Instance.start(before.region, configurationOf(this.wires, 'nrt-1', this.#options), this.#clock)
    this.instances[index] = after
    wire.lead({ host: '127.0.0.1', port: after.port })
    await before[Symbol.asyncDispose]()
  }

  /** What the server has that takes the writes in the end. */
  async log(): Promise<LogEntry[]> {
    return await this.source.query<LogEntry & Record<string, unknown>>('table log order by serial')
  }

  /** How many transactions have one half, or halves without their write. */
  async halfCommitted(): Promise<number> {
    const rows = await this.source.query(`
      select client, sequence from half left join log using (client, sequence)
      group by client, sequence having count(*) <> 2 or count(serial) <> 2`)
    return rows.length
  }

  async healAll(): Promise<void> {
    for (const wire of [...Object.values(this.wires), ...Object.values(this.edges), ...this.#machines])
      await wire.heal()
    for (const { skew } of this.instances) skew.millis = 0
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.healAll()
    await this.#owned.disposeAsync()
  }
}

function nodeOf({ primary, replicas }: Cluster, name: ServerName): ClusterNode {
  const found = [primary, ...replicas].find((node) => node.name === name)
  if (found === undefined) throw new Error(`the cluster has no server ${name}`)
  return found
}

function configurationOf(
  wires: Readonly<Record<ServerName, Wire>>,
  primary: ServerName,
  { suspectAfterMillis, lanes }: FaultRigOptions,
): RoutedPoolOptions {
  const server = (name: ServerName) => ({ region: regionOf(name), connectionString: wires[name].url })
  const replicas = SERVERS.filter((name) => name !== primary).map(server)
  return { primary: { ...server(primary), max: 16 }, replicas, suspectAfterMillis, lanes }
}

async function makeSynchronous({ primary }: Cluster, hasSuccessor: boolean): Promise<void> {
  const names = hasSuccessor ? 'FIRST 1 ("nrt-1")' : `ANY 1 (${REPLICAS.map((name) => `"${name}"`).join(', ')})`
  await primary.query(`alter system set synchronous_standby_names = '${names}'`)
  await primary.query('select pg_reload_conf()')
}

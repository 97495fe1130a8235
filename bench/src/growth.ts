import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Cluster } from '@headwater/cluster'
import { runInScope, Scope } from '@headwater/core'
import { type ReadPosition, toLsn } from '@headwater/core/internal'
import { loadCatalog, RoutedPool, type RoutedPoolOptions } from '@headwater/pg'
import { type Block, comparePairs, measurePairs } from './paired.ts'
import { startPinnedCluster } from './pinned-cluster.ts'
import { SCHEMA } from './pool-workloads.ts'
import { type Figure, type Section, show } from './report.ts'
import { summarise } from './statistics.ts'

const READ = 'select id, body from note where id = $1'
const QUICK = { pairs: 12, blockMs: 15, rounds: 3 }
const FULL = { pairs: 60, blockMs: 20, rounds: 7 }
const REPLICAS = [10, 100] as const
const WAITERS = [100, 10_000] as const
const FUNCTIONS = [100, 5_000] as const
/** How long waiters are watched. */
const WATCHED_MILLIS = 1_000
/** A position that no replica reaches here. */
const FAR_AHEAD = 1_000_000_000n

/** What a process pays when there is more of something (S3). */
export async function measureGrowth(isQuick: boolean): Promise<readonly Section[]> {
  const effort = isQuick ? QUICK : FULL
  await using pinned = await startPinnedCluster({ replicas: ['ams'], settings: { max_connections: '500' } })
  const { cluster, note } = pinned
  await cluster.primary.query(SCHEMA)
  await cluster.primary.query("insert into note (body) values ('first')")
  await cluster.waitUntilCaughtUp()
  const sections = [
    await measureReplicas(cluster, effort),
    await measureWaiters(cluster, effort),
    await measureCatalog(cluster, effort),
  ]
  return sections.map((section) => ({ ...section, note: `${section.note} ${note}` }))
}

async function measureReplicas(cluster: Cluster, effort: typeof FULL): Promise<Section> {
  const seen = await positionOf(cluster)
  const tokens: readonly (readonly [string, ReadPosition, Figure['target']?])[] = [
    ['that all have', seen],
    ['that none has yet', { ...seen, lsn: toLsn((seen.lsn as bigint) + FAR_AHEAD) }, { atLeast: 0.5 }],
    ['of another server', { ...seen, node: 12_345 }, { atLeast: 0.5 }],
  ]
  const figures: Figure[] = []
  for (const count of REPLICAS) {
    await using one = poolOf(cluster, 1)
    await using many = poolOf(cluster, count)
    for (const [name, minPosition, target] of tokens) {
      const [alone, among] = [one, many].map((pool) => blockOf(pool, minPosition))
      if (alone === undefined || among === undefined) continue
      await Promise.all([alone(200), among(5 * count)])
      // Until every server has said where it is.
      await sleep(1_500)
      await among(5 * count)
      const { throughput, addedCpu, baselineCpu } = comparePairs(await measurePairs(alone, among, effort))
      const about = `a token ${name}, ${count} replicas`
      figures.push({ name: about, unit: '×', summary: throughput, ...(count === 100 && target && { target }) })
      figures.push({
        name: `${about}: CPU added`,
        unit: 'µs',
        summary: addedCpu,
        beside: `to ${show(baselineCpu.median)} µs`,
      })
    }
  }
  return {
    title: 'Reads under a token at home, with many replicas next door, against the same with one',
    note: `One caller; ${effort.pairs} pairs of ${effort.blockMs} ms blocks. All addresses lead to one real replica. What none has is read at the primary.`,
    figures,
  }
}

async function measureWaiters(cluster: Cluster, effort: typeof FULL): Promise<Section> {
  const [replica] = cluster.replicas
  const seen = await positionOf(cluster)
  const figures: Figure[] = []
  await replica?.pauseReplay()
  try {
    for (const count of WAITERS) {
      const shares: number[] = []
      const delays: number[] = []
      for (let round = 0; round < effort.rounds; round += 1) {
        await using pool = poolOf(cluster, 1, { maxWaitMillis: 3_000 })
        await pool.query(READ, [1])
        await sleep(300)
        const minPosition = { ...seen, lsn: toLsn((seen.lsn as bigint) + FAR_AHEAD) }
        const waiting = Array.from({ length: count }, () => readUnder(pool, minPosition).catch(() => undefined))
        await sleep(500)
        const delay = monitorEventLoopDelay({ resolution: 1 })
        delay.enable()
        const before = process.cpuUsage()
        await sleep(WATCHED_MILLIS)
        const { user, system } = process.cpuUsage(before)
        delay.disable()
        shares.push((user + system) / 10 / WATCHED_MILLIS)
        delays.push(delay.max / 1e6)
        await Promise.all(waiting)
      }
      const target = count === 10_000 ? { target: { atMost: 10 } } : {}
      const name = `${count.toLocaleString('en-US')} reads that wait`
      figures.push({ name: `${name}: of a processor`, unit: '%', summary: summarise(shares), ...target })
      figures.push({ name: `${name}: worst delay of the event loop`, unit: 'ms', summary: summarise(delays) })
    }
  } finally {
    await replica?.resumeReplay()
  }
  return {
    title: 'Reads that wait for a replica that stands still',
    note: `Watched for a second while all of them wait, ${effort.rounds} rounds.`,
    figures,
  }
}

async function measureCatalog(cluster: Cluster, effort: typeof FULL): Promise<Section> {
  const figures: Figure[] = []
  let made = 0
  for (const count of FUNCTIONS) {
    await cluster.primary.query(`do $$ begin for n in ${made + 1}..${count} loop
      execute format('create function app_function_%s(a int, b text default ''x'') returns int language plpgsql stable as $f$
        declare found int; begin select count(*) into found from note where id = a and body = b; return found + %s; end $f$', n, n);
      end loop; end $$`)
    made = count
    await cluster.waitUntilCaughtUp()
    const delays: number[] = []
    const times: number[] = []
    await using pool = poolOf(cluster, 1)
    for (let round = 0; round < effort.rounds; round += 1) {
      const delay = monitorEventLoopDelay({ resolution: 1 })
      delay.enable()
      await sleep(20)
      const start = performance.now()
      await loadCatalog(pool)
      times.push(performance.now() - start)
      await sleep(20)
      delay.disable()
      delays.push(delay.max / 1e6)
    }
    const name = `${count.toLocaleString('en-US')} functions`
    const target = count === 5_000 ? { target: { atMost: 10 } } : {}
    figures.push({ name: `${name}: worst delay of the event loop`, unit: 'ms', summary: summarise(delays), ...target })
    figures.push({ name: `${name}: until it is read`, unit: 'ms', summary: summarise(times) })
  }
  return {
    title: 'Reading the catalog',
    note: `As a pool does it beside its queries, ${effort.rounds} rounds.`,
    figures,
  }
}

function poolOf(cluster: Cluster, replicas: number, options: RoutedPoolOptions = {}): RoutedPool & AsyncDisposable {
  const [replica] = cluster.replicas
  if (replica === undefined) throw new Error('[bench] the cluster has no replica')
  const pool = new RoutedPool({
    max: 1,
    idleTimeoutMillis: 0,
    region: 'ams',
    logger: false,
    primary: { region: 'ams', connectionString: cluster.primary.url },
    replicas: Array.from({ length: replicas }, () => ({ region: 'ams', connectionString: replica.url })),
    catalog: false,
    ...options,
  })
  return Object.assign(pool, { [Symbol.asyncDispose]: () => pool.end() })
}

function readUnder(pool: RoutedPool, minPosition: ReadPosition): Promise<unknown> {
  const scope = new Scope({ kind: 'request', session: { minPosition, isWanted: true } })
  return runInScope(scope, () => pool.query(READ, [1]))
}

function blockOf(pool: RoutedPool, minPosition: ReadPosition): Block {
  return async (operations) => {
    for (let done = 0; done < operations; done += 1) await readUnder(pool, minPosition)
  }
}

/** Where the replica is now. */
async function positionOf(cluster: Cluster): Promise<ReadPosition> {
  const rows = await cluster.replicas[0]?.query<{ lsn: string; cluster: string; timeline: number }>(
    `select (pg_last_wal_replay_lsn() - '0/0')::text as lsn, (select system_identifier from pg_control_system())::text as cluster,
            (select timeline_id from pg_control_checkpoint()) as timeline`,
  )
  const [row] = rows ?? []
  if (row === undefined) throw new Error('[bench] the replica did not say where it is')
  return { cluster: BigInt(row.cluster), timeline: row.timeline, lsn: toLsn(BigInt(row.lsn)), node: 0 }
}

import type { Cluster, ClusterNode } from '@headwater/cluster'
import { RoutedPool } from '@headwater/pg'
import pg from 'pg'
import { concurrentBlock } from './concurrent-block.ts'
import { drizzleContest } from './drizzle-contest.ts'
import { kyselyContest } from './kysely-contest.ts'
import {
  type Opponent,
  ORM_SCHEMA,
  ORM_WORKLOADS,
  type OrmContest,
  type OrmPools,
  type OrmWorkload,
  type Runs,
  type Sides,
} from './orm-contender.ts'
import { comparePairs, measurePairs, type Pair } from './paired.ts'
import { startPinnedCluster } from './pinned-cluster.ts'
import { type Figure, type Section, show } from './report.ts'

const QUICK = { generations: 2, pairs: 6, blockMs: 15, warmUp: 200 }
/** New pools now and then: which of two twins has the luckier backends must not decide. */
const FULL = { generations: 6, pairs: 20, blockMs: 24, warmUp: 500 }

const CONCURRENCIES = [1, 10] as const

/** What each contender's connections are called on the servers. */
const NAMES = { routed: 'bench-routed', bare: 'bench-bare', peer: 'bench-peer' } as const

/** A figure while it is measured: pairs come in from each generation. */
interface Measured {
  readonly section: string
  readonly name: string
  readonly opponent: Opponent
  readonly pairs: Pair[]
}

/** Kysely and Drizzle over a `RoutedPool` at home, each against its bare self and its peer, on the same two servers. */
export async function measureOrm(isQuick: boolean): Promise<readonly Section[]> {
  await using pinned = await startPinnedCluster({ replicas: ['ams'] })
  const { cluster } = pinned
  await cluster.primary.query(ORM_SCHEMA)
  await cluster.waitUntilCaughtUp()
  const effort = isQuick ? QUICK : FULL
  const measured = new Map<string, Measured>()
  let contests: readonly OrmContest[] = []
  for (let generation = 0; generation < effort.generations; generation += 1) {
    const pools = openPools(cluster)
    try {
      contests = [kyselyContest(pools), drizzleContest(pools)]
      for (const contest of contests) await measureContest(contest, cluster, effort, measured)
    } finally {
      const { routed, bare, peer } = pools
      await Promise.all([routed, bare.primary, bare.replica, peer.primary, peer.replica].map((pool) => pool.end()))
    }
  }
  const note =
    `${effort.generations} times new pools, ${effort.pairs} pairs of ${effort.blockMs} ms blocks with each, in alternating order, compared ` +
    'within each pair; throughput. Reads on the local replica, inserts on the primary, for all. Beside: the time of the other, and ' +
    `the CPU time that ours adds. ${pinned.note}`
  return contests.map(({ title, remarks }) => ({
    title,
    note: [note, ...remarks].join('\n'),
    figures: [...measured.values()].filter(({ section }) => section === title).map(figureOf),
  }))
}

function figureOf({ name, opponent, pairs }: Measured): Figure {
  const { throughput, addedCpu, baselineTime } = comparePairs(pairs)
  return {
    name,
    unit: `× ${opponent.name}`,
    summary: throughput,
    target: { atLeast: opponent.atLeast },
    beside: `${show(baselineTime.median)} µs, CPU ${addedCpu.median < 0 ? '' : '+'}${show(addedCpu.median)} µs`,
  }
}

function openPools(cluster: Cluster): OrmPools {
  const replica = replicaOf(cluster)
  const common: pg.PoolConfig = { max: 10, idleTimeoutMillis: 0 }
  const sidesOf = (application_name: string): Sides => ({
    primary: new pg.Pool({ ...common, application_name, connectionString: cluster.primary.url }),
    replica: new pg.Pool({ ...common, application_name, connectionString: replica.url }),
  })
  return {
    routed: new RoutedPool({
      logger: false,
      ...common,
      application_name: NAMES.routed,
      region: 'ams',
      primary: { region: 'ams', connectionString: cluster.primary.url },
      replicas: [{ region: 'ams', connectionString: replica.url }],
      // Nothing here has a function or view of its own, and reading it would take from the first blocks.
      catalog: false,
    }),
    bare: sidesOf(NAMES.bare),
    peer: sidesOf(NAMES.peer),
  }
}

async function measureContest(
  contest: OrmContest,
  cluster: Cluster,
  effort: typeof FULL,
  measured: Map<string, Measured>,
): Promise<void> {
  for (const workload of ORM_WORKLOADS) {
    for (const opponent of contest.opponents) {
      await warmUp(opponent, workload, cluster, effort.warmUp)
      for (const concurrency of CONCURRENCIES) {
        const theirs = blockOf(opponent.runs, workload, concurrency)
        const ours = blockOf(opponent.ours, workload, concurrency)
        const pairs = await measurePairs(theirs, ours, effort)
        const name = `${workload.name}, ${concurrency} at once`
        const key = `${contest.title} ${opponent.name} ${name}`
        const before = measured.get(key)
        if (before === undefined) measured.set(key, { section: contest.title, name, opponent, pairs: [...pairs] })
        else before.pairs.push(...pairs)
      }
    }
  }
}

/** Also opens all connections, and makes sure that like is compared with like. */
async function warmUp(opponent: Opponent, workload: OrmWorkload, cluster: Cluster, operations: number): Promise<void> {
  for (const [runs, name] of [
    [opponent.runs, NAMES[opponent.pools]],
    [opponent.ours, NAMES.routed],
  ] as const) {
    await blockOf(runs, workload, Math.max(...CONCURRENCIES))(operations)
    await assertAnsweredBy(cluster, name, workload.doesWrite)
  }
}

/** @throws {Error} when another server than the one expected has answered any of these connections last. */
async function assertAnsweredBy(cluster: Cluster, applicationName: string, doesWrite: boolean): Promise<void> {
  const statement = doesWrite ? 'insert into "note"%' : 'select%from "note"%'
  const count = async (node: ClusterNode): Promise<number> => {
    const [row] = await node.query(
      `select count(*)::int as count from pg_stat_activity where application_name = '${applicationName}' and query like '${statement}'`,
    )
    return Number(row?.['count'])
  }
  const replica = replicaOf(cluster)
  const [expected, other] = doesWrite ? [cluster.primary, replica] : [replica, cluster.primary]
  if ((await count(expected)) === 0 || (await count(other)) > 0) {
    throw new Error(
      `[bench] ${applicationName}: ${doesWrite ? 'an insert' : 'a read'} went to another server than expected`,
    )
  }
}

function replicaOf(cluster: Cluster): ClusterNode {
  const [replica] = cluster.replicas
  if (replica === undefined) throw new Error('[bench] the cluster has no replica')
  return replica
}

/** A block is one request: that is where an app's statements run. */
function blockOf(runs: Runs, { key }: OrmWorkload, concurrency: number): ReturnType<typeof concurrentBlock> {
  return concurrentBlock(runs[key], concurrency, true)
}

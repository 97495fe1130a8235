import { type Cluster, type ClusterNode, startCluster } from '@headwater/cluster'
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
import { comparePaired } from './paired.ts'
import { type Figure, type Section, show } from './report.ts'

const QUICK = { pairs: 12, blockMs: 15, warmUp: 200 }
const FULL = { pairs: 30, blockMs: 24, warmUp: 1_000 }

const CONCURRENCIES = [1, 10] as const

/** What each contender's connections are called on the servers. */
const NAMES = { routed: 'bench-routed', bare: 'bench-bare', peer: 'bench-peer' } as const

/** Kysely and Drizzle over a `RoutedPool` at home, each against its bare self and its peer, on the same two servers. */
export async function measureOrm(isQuick: boolean): Promise<readonly Section[]> {
  await using cluster = await startCluster({ replicas: ['ams'] })
  await cluster.primary.query(ORM_SCHEMA)
  await cluster.waitUntilCaughtUp()
  const pools = openPools(cluster)
  const sections: Section[] = []
  try {
    for (const contest of [await kyselyContest(pools), drizzleContest(pools)]) {
      sections.push(await measureContest(contest, cluster, isQuick ? QUICK : FULL))
    }
  } finally {
    const { routed, bare, peer } = pools
    await Promise.all([routed, bare.primary, bare.replica, peer.primary, peer.replica].map((pool) => pool.end()))
  }
  return sections
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

async function measureContest(contest: OrmContest, cluster: Cluster, effort: typeof FULL): Promise<Section> {
  const figures: Figure[] = []
  for (const workload of ORM_WORKLOADS) {
    for (const opponent of contest.opponents) {
      await warmUp(opponent, workload, cluster, effort.warmUp)
      for (const concurrency of CONCURRENCIES) {
        const theirs = blockOf(opponent.runs, workload, concurrency)
        const ours = blockOf(opponent.ours, workload, concurrency)
        const { throughput, addedCpu, baselineTime } = await comparePaired(theirs, ours, effort)
        figures.push({
          name: `${workload.name}, ${concurrency} at once`,
          unit: `× ${opponent.name}`,
          summary: throughput,
          target: { atLeast: opponent.atLeast },
          beside: `${show(baselineTime.median)} µs, CPU ${addedCpu.median < 0 ? '' : '+'}${show(addedCpu.median)} µs`,
        })
      }
    }
  }
  const note =
    `${effort.pairs} pairs of ${effort.blockMs} ms blocks in alternating order, compared within each pair; throughput. Reads on ` +
    'the local replica, inserts on the primary, for all. Beside: the time of the other, and the CPU time that ours adds.'
  return { title: contest.title, note: [note, ...contest.remarks].join('\n'), figures }
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

import { startCluster } from '@headwater/cluster'
import { RoutedPool } from '@headwater/pg'
import pg from 'pg'
import { compareAllocations } from './allocation.ts'
import { concurrentBlock } from './concurrent-block.ts'
import { type Block, comparePaired, type PairedResult } from './paired.ts'
import { SCHEMA, WORKLOADS, type Workload } from './pool-workloads.ts'
import { type Figure, type Section, show } from './report.ts'

const THROUGHPUT = { atLeast: 0.97 }
const ADDED_MICROSECONDS_PER_QUERY = 3

const QUICK = { pairs: 15, blockMs: 20, allocationPairs: 5, warmUp: 2_000 }
const FULL = { pairs: 80, blockMs: 25, allocationPairs: 15, warmUp: 5_000 }

/** How many connections each pool may have, and how many callers use it at once. */
const CONCURRENCIES = [1, 10] as const

interface Setup {
  readonly title: string
  readonly bare: pg.Pool
  readonly routed: pg.Pool
  readonly workloads: readonly Workload[]
}

/** `RoutedPool` against a bare `pg.Pool`, both at home, on the same server. */
export async function measurePool(isQuick: boolean): Promise<readonly Section[]> {
  await using cluster = await startCluster({ replicas: ['ams'] })
  const [replica] = cluster.replicas
  if (replica === undefined) throw new Error('[bench] the cluster has no replica')
  await cluster.primary.query(SCHEMA)
  await cluster.primary.query("insert into note (body) values ('first')")
  await cluster.waitUntilCaughtUp()
  const [server] = await cluster.primary.query('show server_version')
  const common: pg.PoolConfig = { max: 10, idleTimeoutMillis: 0 }
  const primary = { region: 'ams', connectionString: cluster.primary.url }
  const setups: readonly Setup[] = [
    {
      title: `RoutedPool without replicas, against pg.Pool on the same primary (PostgreSQL ${server?.['server_version']})`,
      bare: new pg.Pool({ ...common, connectionString: cluster.primary.url }),
      routed: new RoutedPool({ ...common, region: 'ams', primary, replicas: [] }),
      workloads: WORKLOADS,
    },
    {
      title: 'RoutedPool reading from a local replica, against pg.Pool on that replica',
      bare: new pg.Pool({ ...common, connectionString: replica.url }),
      routed: new RoutedPool({
        ...common,
        region: 'ams',
        primary,
        replicas: [{ region: 'ams', connectionString: replica.url }],
      }),
      workloads: WORKLOADS.filter(({ doesWrite }) => !doesWrite),
    },
  ]
  const sections: Section[] = []
  try {
    for (const setup of setups) sections.push(await measureSetup(setup, isQuick ? QUICK : FULL))
  } finally {
    await Promise.all(setups.flatMap(({ bare, routed }) => [bare.end(), routed.end()]))
  }
  return sections
}

async function measureSetup(setup: Setup, effort: typeof FULL): Promise<Section> {
  const figures: Figure[] = []
  for (const workload of setup.workloads) {
    // Compiled before it is measured: what is added is small beside what a compiler takes.
    await blockOf(setup.routed, workload, 1, true)(effort.warmUp)
    await blockOf(setup.bare, workload, 1, true)(effort.warmUp)
    for (const concurrency of CONCURRENCIES) {
      for (const isScoped of [false, true]) {
        const bare = blockOf(setup.bare, workload, concurrency, isScoped)
        const routed = blockOf(setup.routed, workload, concurrency, isScoped)
        const result = await comparePaired(bare, routed, effort)
        const name = `${workload.name}, ${concurrency} at once${isScoped ? ', in a scope' : ''}`
        figures.push(...figuresOf(name, workload, result))
      }
    }
    const bare = blockOf(setup.bare, workload, 1, true)
    const routed = blockOf(setup.routed, workload, 1, true)
    const bytes = await compareAllocations(bare, routed, effort.allocationPairs)
    figures.push({
      name: `${workload.name}: heap added`,
      unit: 'B',
      summary: bytes.added,
      beside: `to ${show(bytes.baseline.median)} B`,
    })
  }
  const note =
    `${effort.pairs} pairs of ${effort.blockMs} ms blocks in alternating order, compared within each pair. ` +
    'Added time is CPU time of this process per run; the target is 3 µs per query in it.'
  return { title: setup.title, note, figures }
}

function figuresOf(name: string, workload: Workload, result: PairedResult): Figure[] {
  return [
    { name: `${name}: throughput`, unit: '× pg', summary: result.throughput, target: THROUGHPUT },
    {
      name: `${name}: added`,
      unit: 'µs',
      summary: result.addedCpu,
      target: { atMost: ADDED_MICROSECONDS_PER_QUERY * workload.queries },
      beside: `to ${show(result.baselineCpu.median)} µs`,
    },
  ]
}

function blockOf(pool: pg.Pool, workload: Workload, concurrency: number, isScoped: boolean): Block {
  return concurrentBlock(() => workload.run(pool), concurrency, isScoped)
}

import type { Cluster } from '@headwater/cluster'
import { RoutedPool } from '@headwater/pg'
import pg from 'pg'
import { compareAllocations } from './allocation.ts'
import { concurrentBlock } from './concurrent-block.ts'
import { type Block, comparePairs, measurePairs, type Pair, type PairedResult } from './paired.ts'
import { startPinnedCluster } from './pinned-cluster.ts'
import { SCHEMA, WORKLOADS, type Workload } from './pool-workloads.ts'
import { type Figure, type Section, show } from './report.ts'

const ADDED_MICROSECONDS_PER_QUERY = 3

export const QUICK = {
  generations: 2,
  pairs: 8,
  blockMs: 20,
  allocationPairs: 5,
  compiledAfter: 10_000,
  connectedAfter: 500,
}
/** New pools now and then: which of two twins has the luckier backends must not decide. */
export const FULL = {
  generations: 6,
  pairs: 20,
  blockMs: 25,
  allocationPairs: 15,
  compiledAfter: 20_000,
  connectedAfter: 2_000,
}

/** A logger whose lines nobody reads: the table is all that is printed. */
const UNREAD = { info: () => undefined, warn: () => undefined }

/** How many connections each pool may have, and how many callers use it at once. */
const CONCURRENCIES = [1, 10] as const

interface Pools {
  /** What `routed` is measured against. */
  readonly bare: pg.Pool
  readonly routed: pg.Pool
}

export interface Setup {
  readonly title: string
  /** What the figures are told in. */
  readonly unit: string
  readonly open: () => Pools
  readonly workloads: readonly Workload[]
}

/** What one workload is run with. */
interface Variant {
  readonly name: string
  readonly workload: Workload
  readonly concurrency: number
  readonly isScoped: boolean
}

/** `RoutedPool` against a bare `pg.Pool`, both at home, on the same server; and what its warnings cost. */
export async function measurePool(isQuick: boolean): Promise<readonly Section[]> {
  await using pinned = await startPinnedCluster({ replicas: ['ams'] })
  const { cluster } = pinned
  await cluster.primary.query(SCHEMA)
  await cluster.primary.query("insert into note (body) values ('first')")
  await cluster.waitUntilCaughtUp()
  const [server] = await cluster.primary.query('show server_version')
  const effort = isQuick ? QUICK : FULL
  const note = noteOn(effort, pinned.note)
  const sections: Section[] = []
  for (const setup of setupsOn(cluster, String(server?.['server_version']))) {
    sections.push({ title: setup.title, note, figures: await measureSetup(setup, effort) })
  }
  return sections
}

/** What is to be said of it under a table. */
export function noteOn(effort: typeof FULL, pinned: string): string {
  return (
    `${effort.generations} times new pools, ${effort.pairs} pairs of ${effort.blockMs} ms blocks with each, in alternating order, compared ` +
    `within each pair. Added time is CPU time of this process per run; the target is 3 µs per query in it. ${pinned}`
  )
}

function setupsOn(cluster: Cluster, version: string): readonly Setup[] {
  const [replica] = cluster.replicas
  if (replica === undefined) throw new Error('[bench] the cluster has no replica')
  const common: pg.PoolConfig = { max: 10, idleTimeoutMillis: 0 }
  const primary = { region: 'ams', connectionString: cluster.primary.url }
  const replicas = [{ region: 'ams', connectionString: replica.url }]
  return [
    {
      title: `RoutedPool without replicas, against pg.Pool on the same primary (PostgreSQL ${version})`,
      unit: '× pg',
      open: () => ({
        bare: new pg.Pool({ ...common, connectionString: cluster.primary.url }),
        routed: new RoutedPool({ ...common, region: 'ams', logger: false, primary, replicas: [] }),
      }),
      workloads: WORKLOADS,
    },
    {
      title: 'RoutedPool reading from a local replica, against pg.Pool on that replica',
      unit: '× pg',
      open: () => ({
        bare: new pg.Pool({ ...common, connectionString: replica.url }),
        routed: new RoutedPool({ ...common, region: 'ams', logger: false, primary, replicas }),
      }),
      workloads: WORKLOADS.filter(({ doesWrite }) => !doesWrite),
    },
    {
      title: 'RoutedPool with a logger, against one that is silent, both reading from a local replica',
      unit: '× silent',
      open: () => ({
        bare: new RoutedPool({ ...common, region: 'ams', primary, replicas, logger: false }),
        routed: new RoutedPool({ ...common, region: 'ams', primary, replicas, logger: UNREAD }),
      }),
      workloads: WORKLOADS,
    },
  ]
}

/** Runs the workloads over both pools, in pairs. */
export async function measureSetup(setup: Setup, effort: typeof FULL): Promise<Figure[]> {
  const variants = variantsOf(setup.workloads)
  const pairs = new Map<Variant, Pair[]>(variants.map((variant) => [variant, []]))
  const heap: Figure[] = []
  for (let generation = 0; generation < effort.generations; generation += 1) {
    const { bare, routed } = setup.open()
    try {
      for (const variant of variants) {
        const blocks = [blockOf(bare, variant), blockOf(routed, variant)] as const
        // Compiled and connected before it is measured: what is added is small beside that. What is compiled stays.
        const runs = generation === 0 ? effort.compiledAfter : effort.connectedAfter
        for (const block of blocks) await block(runs)
        pairs.get(variant)?.push(...(await measurePairs(...blocks, effort)))
      }
      if (generation > 0) continue
      for (const workload of setup.workloads) heap.push(await heapOf(workload, bare, routed, effort.allocationPairs))
    } finally {
      await Promise.all([bare.end(), routed.end()])
    }
  }
  return [
    ...[...pairs].flatMap(([variant, measured]) => figuresOf(variant, comparePairs(measured), setup.unit)),
    ...heap,
  ]
}

function variantsOf(workloads: readonly Workload[]): readonly Variant[] {
  return workloads.flatMap((workload) =>
    CONCURRENCIES.flatMap((concurrency) =>
      [false, true].map((isScoped) => ({
        name: `${workload.name}, ${concurrency} at once${isScoped ? ', in a scope' : ''}`,
        workload,
        concurrency,
        isScoped,
      })),
    ),
  )
}

async function heapOf(workload: Workload, bare: pg.Pool, routed: pg.Pool, pairs: number): Promise<Figure> {
  const variant = { name: '', workload, concurrency: 1, isScoped: true }
  const bytes = await compareAllocations(blockOf(bare, variant), blockOf(routed, variant), pairs)
  return {
    name: `${workload.name}: heap added`,
    unit: 'B',
    summary: bytes.added,
    beside: `to ${show(bytes.baseline.median)} B`,
  }
}

function figuresOf({ name, workload }: Variant, result: PairedResult, unit: string): Figure[] {
  return [
    { name: `${name}: throughput`, unit, summary: result.throughput, target: { atLeast: workload.atLeast } },
    {
      name: `${name}: added`,
      unit: 'µs',
      summary: result.addedCpu,
      target: { atMost: ADDED_MICROSECONDS_PER_QUERY * workload.queries },
      beside: `to ${show(result.baselineCpu.median)} µs`,
    },
  ]
}

function blockOf(pool: pg.Pool, { workload, concurrency, isScoped }: Variant): Block {
  return concurrentBlock(() => workload.run(pool), concurrency, isScoped)
}

import type { Cluster } from '@headwater/cluster'
import { RoutedPool } from '@headwater/pg'
import pg from 'pg'
import { concurrentBlock } from './concurrent-block.ts'
import { comparePairs, measurePairs, type Pair } from './paired.ts'
import { startPinnedCluster } from './pinned-cluster.ts'
import type { Figure, Section } from './report.ts'

const QUICK = { generations: 2, pairs: 8, blockMs: 30 }
const FULL = { generations: 4, pairs: 15, blockMs: 40 }
/** How long a pool is used before it is measured: its texts come back, are prepared and are measured fast, in ms. */
const SETTLING_MILLIS = 1_500

const SCHEMA = `
  create table author (id int primary key, name text not null);
  create table post (id int primary key, author_id int not null references author, title text not null);
  create table comment (id int primary key, post_id int not null references post, body text not null);
  create index on comment (post_id);
  insert into author select g, 'author ' || g from generate_series(1, 1000) g;
  insert into post select g, 1 + g % 1000, 'post ' || g from generate_series(1, 10000) g;
  insert into comment select g, 1 + g % 10000, 'comment ' || g from generate_series(1, 30000) g;
  analyze`

const POINT = 'select id, title from post where id = $1'
const JOIN = `select p.id, p.title, a.name, c.body from post p join author a on a.id = p.author_id
  join comment c on c.post_id = p.id where p.id = $1`

interface Reads {
  readonly name: string
  readonly callers: number
  readonly run: (pool: pg.Pool) => Promise<unknown>
  /** The ratio to bare pg that is wanted; `undefined`: it is there to be read. */
  readonly atLeast: number | undefined
}

const one = (text: string) => (pool: pg.Pool) => pool.query(text, [1 + Math.floor(Math.random() * 10_000)])

const READS: readonly Reads[] = [
  { name: 'point select, 1 caller', callers: 1, run: one(POINT), atLeast: undefined },
  { name: 'point select, 10 callers', callers: 10, run: one(POINT), atLeast: 2.5 },
  { name: 'point select, 50 callers', callers: 50, run: one(POINT), atLeast: 2.5 },
  { name: 'join of three tables, 10 callers', callers: 10, run: one(JOIN), atLeast: 4 },
  { name: 'join of three tables, 50 callers', callers: 50, run: one(JOIN), atLeast: 4 },
  {
    name: 'a page of ten point selects, 1 caller',
    callers: 1,
    run: (pool) => Promise.all(Array.from({ length: 10 }, () => one(POINT)(pool))),
    atLeast: 2,
  },
]

/** Small reads that share connections (S4), against a bare `pg.Pool` on the same replica; and the same with `lanes` off. */
export async function measureLanes(isQuick: boolean): Promise<readonly Section[]> {
  await using pinned = await startPinnedCluster({ replicas: ['ams'] })
  const { cluster, note } = pinned
  await cluster.primary.query(SCHEMA)
  await cluster.waitUntilCaughtUp()
  const effort = isQuick ? QUICK : FULL
  const said =
    `${effort.generations} times new pools of 10, ${effort.pairs} pairs of ${effort.blockMs} ms blocks with each, in alternating order, ` +
    `compared within each pair. Each is used for ${SETTLING_MILLIS / 1000} s before. ${note}`
  const sections: Section[] = []
  for (const lanes of [true, false]) {
    const title = `Reads of a local replica with \`lanes: ${lanes}\`, against pg.Pool on that replica`
    sections.push({ title, note: said, figures: await measureReads(cluster, lanes, effort) })
  }
  return sections
}

async function measureReads(cluster: Cluster, lanes: boolean, effort: typeof FULL): Promise<readonly Figure[]> {
  const pairs = new Map<Reads, Pair[]>(READS.map((reads) => [reads, []]))
  for (let generation = 0; generation < effort.generations; generation += 1) {
    const { bare, routed } = openPools(cluster, lanes)
    try {
      await settle(routed)
      for (const reads of READS) {
        const blocks = [bare, routed].map((pool) => concurrentBlock(() => reads.run(pool), reads.callers, false))
        const [baseline, candidate] = blocks as [(typeof blocks)[0], (typeof blocks)[0]]
        pairs.get(reads)?.push(...(await measurePairs(baseline, candidate, effort)))
      }
    } finally {
      await Promise.all([bare.end(), routed.end()])
    }
  }
  return [...pairs].map(([{ name, atLeast }, measured]) => {
    const summary = comparePairs(measured).throughput
    return { name, unit: '× pg', summary, ...(lanes && atLeast !== undefined && { target: { atLeast } }) }
  })
}

function openPools(cluster: Cluster, lanes: boolean): { readonly bare: pg.Pool; readonly routed: RoutedPool } {
  const [replica] = cluster.replicas
  if (replica === undefined) throw new Error('[bench] the cluster has no replica')
  const primary = { region: 'ams', connectionString: cluster.primary.url }
  const replicas = [{ region: 'ams', connectionString: replica.url }]
  return {
    bare: new pg.Pool({ max: 10, idleTimeoutMillis: 0, connectionString: replica.url }),
    routed: new RoutedPool({ max: 10, idleTimeoutMillis: 0, region: 'ams', logger: false, primary, replicas, lanes }),
  }
}

async function settle(pool: pg.Pool): Promise<void> {
  const until = performance.now() + SETTLING_MILLIS
  while (performance.now() < until) for (const text of [POINT, JOIN]) await one(text)(pool)
}

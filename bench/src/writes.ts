import { RoutedPool } from '@headwater/pg'
import pg from 'pg'
import { concurrentBlock } from './concurrent-block.ts'
import { comparePairs, measurePairs, type Pair } from './paired.ts'
import { startPinnedCluster } from './pinned-cluster.ts'
import { type Figure, type Section, show, type Target } from './report.ts'

const QUICK = { generations: 2, pairs: 8, blockMs: 25, warmUp: 1_000 }
const FULL = { generations: 5, pairs: 16, blockMs: 40, warmUp: 3_000 }
const CONCURRENCIES = [1, 10, 50] as const

/** What the lower end of each range has to reach; the goals are higher (README). */
const FLOORS = { statement: { atLeast: 1.2 }, transaction: { atLeast: 1.35 } } as const

const SCHEMA = `
  create table note (id int primary key generated always as identity, body text not null);
  create table counter (id int primary key, n int not null);
  insert into counter select g, 0 from generate_series(1, 1000) g;
  vacuum analyze counter`
const INSERT = 'insert into note (body) values ($1) returning id'
const UPDATE = 'update counter set n = n + 1 where id = $1'

interface Write {
  readonly name: string
  readonly floor: Target
  readonly run: (pool: pg.Pool) => Promise<unknown>
}

const WRITES: readonly Write[] = [
  { name: 'insert', floor: FLOORS.statement, run: (pool) => pool.query(INSERT, ['a note']) },
  { name: 'update', floor: FLOORS.statement, run: (pool) => pool.query(UPDATE, [anyCounter()]) },
  { name: 'BEGIN, INSERT, COMMIT', floor: FLOORS.transaction, run: (pool) => transact(pool, INSERT, ['a note']) },
  { name: 'BEGIN, UPDATE, COMMIT', floor: FLOORS.transaction, run: (pool) => transact(pool, UPDATE, [anyCounter()]) },
]

/** Callers seldom write the same row at once: who waits for a lock measures nothing. */
function anyCounter(): number {
  return 1 + Math.floor(Math.random() * 1000)
}

async function transact(pool: pg.Pool, text: string, values: unknown[]): Promise<unknown> {
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    await client.query(text, values)
    return await client.query('COMMIT')
  } finally {
    client.release()
  }
}

/** Single writes, and transactions of one, through `RoutedPool` and through `pg.Pool`, a connection for each caller. */
export async function measureWrites(isQuick: boolean): Promise<readonly Section[]> {
  await using pinned = await startPinnedCluster({ replicas: [], settings: { max_connections: '200' } })
  const { primary } = pinned.cluster
  for (const statement of SCHEMA.split(';')) await primary.query(statement)
  const effort = isQuick ? QUICK : FULL
  const figures: Figure[] = []
  for (const concurrency of CONCURRENCIES) {
    const pairs = new Map<Write, Pair[]>(WRITES.map((write) => [write, []]))
    for (let generation = 0; generation < effort.generations; generation += 1) {
      const common = { max: concurrency, idleTimeoutMillis: 0, connectionString: primary.url }
      const bare = new pg.Pool(common)
      const routed = new RoutedPool({
        ...common,
        logger: false,
        region: 'ams',
        primary: { region: 'ams' },
        replicas: [],
      })
      try {
        for (const write of WRITES) {
          const blocks = [bare, routed].map((pool) => concurrentBlock(() => write.run(pool), concurrency, false))
          const [baseline, candidate] = blocks as [(typeof blocks)[number], (typeof blocks)[number]]
          for (const block of [baseline, candidate]) await block(effort.warmUp)
          pairs.get(write)?.push(...(await measurePairs(baseline, candidate, effort)))
        }
      } finally {
        await Promise.all([bare.end(), routed.end()])
      }
    }
    for (const [{ name, floor }, measured] of pairs) {
      const { throughput, addedCpu, baselineCpu } = comparePairs(measured)
      const beside = `CPU ${show(baselineCpu.median)} µs, added ${show(addedCpu.median)}`
      figures.push({
        name: `${name}, ${concurrency} at once`,
        unit: '× pg',
        summary: throughput,
        target: floor,
        beside,
      })
    }
  }
  const note = `${effort.generations} times new pools, ${effort.pairs} pairs of ${effort.blockMs} ms blocks with each, in alternating order, compared within each pair. ${pinned.note}`
  return [{ title: 'Single writes, and transactions of one, against pg.Pool with as many connections', note, figures }]
}

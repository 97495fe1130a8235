import { setTimeout as sleep } from 'node:timers/promises'
import { type Cluster, startCluster } from '@headwater/cluster'
import { RoutedPool } from '@headwater/pg'

const SCHEMA = `
  create table author (id int primary key, name text not null);
  create table post (id int primary key, author_id int not null references author, title text not null);
  insert into author select g, 'author ' || g from generate_series(1, 100) g;
  insert into post select g, 1 + g % 100, 'post ' || g from generate_series(1, 1000) g;
  analyze`

/** What the storm reads, and what is right. A row that is none of its own is a wrong one. */
const READS: readonly Read[] = [
  {
    text: 'select id, title from post where id = $1',
    isRight: (row, n) => row['id'] === n && row['title'] === `post ${n}`,
  },
  { text: 'select * from post where id = $1', isRight: (row, n) => row['id'] === n && row['title'] === `post ${n}` },
  {
    text: 'select p.id, a.name from post p join author a on a.id = p.author_id where p.id = $1',
    isRight: (row, n) => row['id'] === n && row['name'] === `author ${1 + (n % 100)}`,
  },
  {
    text: 'select 100 / ($1::int % 10) as v',
    fails: (n) => (n % 10 === 0 ? '22012' : undefined),
    isRight: (row, n) => row['v'] === Math.trunc(100 / (n % 10)),
  },
]

/** Fast or slow, by its value. */
const COUNT = 'select count(*)::int as n from generate_series(1, $1::int) g'
const SLOW = 400_000

interface Read {
  readonly text: string
  readonly isRight: (row: Readonly<Record<string, unknown>>, n: number) => boolean
  /** The code of the error that it must have. */
  readonly fails?: (n: number) => string | undefined
}

export interface StormOptions {
  readonly seconds: number
  readonly callers: number
  readonly lanes: boolean
}

/** What came of a storm. Times are those of point reads, in ms. */
export interface StormReport {
  readonly reads: number
  /** How many had a share of a connection. */
  readonly shared: number
  readonly wrong: readonly string[]
  readonly failed: readonly string[]
  readonly changes: number
  readonly terminated: number
  readonly slowReads: number
  readonly p50: number
  readonly p99: number
  readonly slowest: number
}

/**
 * Reads by many callers from a replica next door, while the schema changes every second, sessions are ended every two, on the primary
 * and the replica in turn, and every three seconds a read is slow that was fast before.
 */
export async function storm({ seconds, callers, lanes }: StormOptions): Promise<StormReport> {
  const cluster = await startCluster({ replicas: ['first', 'second'] })
  try {
    await cluster.primary.query(SCHEMA)
    await cluster.waitUntilCaughtUp()
    return await stormOver(cluster, seconds, callers, lanes)
  } finally {
    await cluster.stop()
  }
}

async function stormOver(cluster: Cluster, seconds: number, callers: number, lanes: boolean): Promise<StormReport> {
  const pool = new RoutedPool({
    region: 'ams',
    primary: { region: 'ams', connectionString: cluster.primary.url },
    replicas: cluster.replicas.map(({ url }) => ({ region: 'ams', connectionString: url })),
    application_name: 'storm',
    lanes,
    logger: false,
  })
  const wrong: string[] = []
  const failed: string[] = []
  const times: number[] = []
  let [reads, changes, terminated, slowReads] = [0, 0, 0, 0]
  const until = performance.now() + seconds * 1_000
  const isOver = (): boolean => performance.now() >= until

  async function read(): Promise<void> {
    while (!isOver()) {
      const which = READS[Math.floor(Math.random() * READS.length)] as Read
      const n = 1 + Math.floor(Math.random() * 1_000)
      const expected = which.fails?.(n)
      const since = performance.now()
      try {
        const { rows } = await pool.query(which.text, [n])
        if (expected !== undefined || rows.length !== 1 || !which.isRight(rows[0], n)) {
          wrong.push(`${which.text} (${n}): ${JSON.stringify(rows)}`)
        }
      } catch (error) {
        if (expected === undefined || Reflect.get(Object(error), 'code') !== expected)
          failed.push(`${which.text} (${n}): ${String(error)}`)
      }
      if (which === READS[0]) times.push(performance.now() - since)
      reads += 1
    }
  }

  async function every(millis: number, deed: () => Promise<void>): Promise<void> {
    while (!isOver()) {
      await sleep(Math.min(millis, Math.max(0, until - performance.now())))
      if (!isOver()) await deed()
    }
  }

  const change = async (): Promise<void> => {
    changes += 1
    await cluster.primary.query(
      changes % 2 === 1 ? 'alter table post add column extra int' : 'alter table post drop column extra',
    )
  }
  const terminate = async (): Promise<void> => {
    const servers = [...cluster.replicas, cluster.primary]
    const server = servers[terminated % servers.length] ?? cluster.primary
    await server.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'storm' order by random() limit 3`,
    )
    terminated += 1
  }
  const beSlow = async (): Promise<void> => {
    for (const count of [1, 1, 1, 1, 1, 1, 1, SLOW]) {
      const { rows } = await pool.query(COUNT, [count])
      if (rows[0]?.n !== count) wrong.push(`${COUNT} (${count}): ${JSON.stringify(rows)}`)
    }
    slowReads += 1
  }
  const slowly = (): Promise<void> => beSlow().catch((error: unknown) => void failed.push(`${COUNT}: ${String(error)}`))

  try {
    await Promise.all([
      ...Array.from({ length: callers }, read),
      every(1_000, change),
      every(2_000, terminate),
      every(3_000, slowly),
    ])
    const shared = pool.status().servers.reduce((sum, server) => sum + server.lanes.served, 0)
    const [p50 = 0, p99 = 0, slowest = 0] = quantiles(times, [0.5, 0.99, 1])
    return { reads, shared, wrong, failed, changes, terminated, slowReads, p50, p99, slowest }
  } finally {
    await pool.end()
  }
}

function quantiles(values: readonly number[], shares: readonly number[]): readonly number[] {
  const sorted = values.toSorted((a, b) => a - b)
  return shares.map((share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0)
}

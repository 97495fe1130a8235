import { existsSync } from 'node:fs'
import type { Cluster } from '@headwater/cluster'
import pg from 'pg'
import { type FreshRun, type FreshScript, runInRounds } from './fresh-process.ts'
import { startPinnedCluster } from './pinned-cluster.ts'
import { publishedSize } from './published-size.ts'
import type { Figure, Section, Target } from './report.ts'
import { summarise } from './statistics.ts'

const QUICK = { imports: 7, starts: 7 }
const FULL = { imports: 31, starts: 31 }

const built = (file: string): URL => new URL(`../../packages/${file}`, import.meta.url)

/** What a process pays before its first answer: for loading the packages as they are published, and for beginning to read. */
export async function measureColdStart(isQuick: boolean): Promise<readonly Section[]> {
  if (!existsSync(built('pg/dist/index.js'))) {
    return [{ title: 'Cold start', note: 'Not measured: nothing is built. Run pnpm build first.', figures: [] }]
  }
  const effort = isQuick ? QUICK : FULL
  await using pinned = await startPinnedCluster({ replicas: ['ams'], settings: { max_connections: '400' } })
  return [
    await measureImports(effort.imports, pinned.note),
    await measureSizes(),
    await measureFirstReads(pinned.cluster, effort.starts, pinned.note),
  ]
}

/** Loading one package, beside another that an app has loaded anyway; `undefined`: all of its time counts. */
interface Loaded {
  readonly name: string
  readonly beyond: string | undefined
  readonly target?: Target
}

const LOADED: readonly Loaded[] = [
  { name: 'pg', beyond: undefined },
  { name: '@headwater/core', beyond: undefined, target: { atMost: 5 } },
  { name: '@headwater/pg', beyond: 'pg', target: { atMost: 12 } },
  { name: '@headwater/http/hono', beyond: undefined },
  { name: '@headwater/http/express', beyond: undefined },
  { name: '@headwater/http/koa', beyond: undefined },
  { name: 'kysely', beyond: undefined },
  { name: '@headwater/kysely', beyond: 'kysely' },
  { name: 'drizzle-orm/node-postgres', beyond: undefined },
  { name: '@headwater/drizzle', beyond: 'drizzle-orm/node-postgres' },
]

async function measureImports(rounds: number, pinning: string): Promise<Section> {
  const scripts = LOADED.map(({ name }) => ({
    name,
    script: `const start = performance.now(); await import(${JSON.stringify(name)}); console.log(performance.now() - start)`,
  }))
  const runs = await runInRounds(scripts, rounds)
  const timesOf = (name: string): readonly number[] => (runs.get(name) ?? []).map(({ printed }) => Number(printed))
  const figures = LOADED.map(({ name, beyond, target }): Figure => {
    const others = beyond === undefined ? [] : timesOf(beyond)
    const added = timesOf(name).map((time, round) => time - (others[round] ?? 0))
    return {
      name: beyond === undefined ? name : `${name}, beyond ${beyond}`,
      unit: 'ms',
      summary: summarise(added),
      ...(target !== undefined && { target }),
    }
  })
  const note = `await import() in a process of its own, ${rounds} of each, in turns; what is beyond another is compared within each round. ${pinning}`
  return { title: 'Loading what is published', note, figures }
}

const SIZES: readonly { readonly name: string; readonly modules: readonly string[]; readonly target?: Target }[] = [
  { name: '@headwater/core', modules: ['core/dist/index.js'], target: { atMost: 30 } },
  { name: 'core, with what pg and http use of it', modules: ['core/dist/index.js', 'core/dist/internal.js'] },
  { name: '@headwater/pg', modules: ['pg/dist/index.js'] },
  { name: '@headwater/http/hono', modules: ['http/dist/hono.js'] },
  { name: '@headwater/kysely', modules: ['kysely/dist/index.js'] },
  { name: '@headwater/drizzle', modules: ['drizzle/dist/index.js'] },
]

async function measureSizes(): Promise<Section> {
  const figures: Figure[] = []
  for (const { name, modules, target } of SIZES) {
    const kilobytes = (await publishedSize(modules.map(built))) / 1000
    figures.push({ name, unit: 'kB', summary: summarise([kilobytes]), ...(target !== undefined && { target }) })
  }
  const note = 'Bundled, minified, compressed by gzip; without what each imports of other packages.'
  return { title: 'The size of what is published', note, figures }
}

const FUNCTIONS = 500
const POINT = 'select id, body from note where id = $1'
const SCHEMA = `
  create table note (id int primary key, body text not null);
  insert into note select g, 'a note' from generate_series(1, 1000) g;
  vacuum analyze note`

/** What every app does first; the way to make a pool is the only difference. */
const firstRead = (make: string, source: string): string => `
  import { ${make} as Pool } from ${JSON.stringify(source)}
  const pool = new Pool(JSON.parse(process.argv[1]))
  const { rows } = await pool.query(${JSON.stringify(POINT)}, [1])
  process.stdout.write(rows[0].body, () => process.exit())`

async function measureFirstReads(cluster: Cluster, rounds: number, pinning: string): Promise<Section> {
  await prepare(cluster)
  const [replica] = cluster.replicas
  if (replica === undefined) throw new Error('[bench] the cluster has no replica')
  const routed = (name: string, replicas: number, database = 'postgres'): FreshScript => ({
    name,
    script: firstRead('RoutedPool', '@headwater/pg'),
    argument: JSON.stringify({
      region: 'ams',
      primary: { region: 'ams', connectionString: inDatabase(cluster.primary.url, database) },
      replicas: Array.from({ length: replicas }, (_, index) => ({
        region: 'ams',
        connectionString: inDatabase(replica.url, database, index),
      })),
    }),
  })
  const bare: FreshScript = {
    name: 'pg',
    script: firstRead('Pool', 'pg'),
    argument: JSON.stringify({ connectionString: cluster.primary.url }),
  }
  const few = routed('no replica', 0)
  const many = routed('100 replicas', 100)
  const scripts = [
    few,
    routed('1 replica', 1),
    routed(`1 replica, ${FUNCTIONS} functions in the catalog`, 1, 'busy'),
    routed('10 replicas', 10),
    many,
  ]
  const runs = await runInRounds([bare, ...scripts], rounds)
  const ratios = ({ name }: FreshScript, other: FreshScript): readonly number[] =>
    timesOf(runs, name).map((time, round) => time / (timesOf(runs, other.name)[round] ?? Number.NaN))
  const bareTime = summarise(timesOf(runs, bare.name)).median
  const figures = scripts.map(
    (script): Figure => ({
      name: script.name,
      unit: '× pg',
      summary: summarise(ratios(script, bare)),
      target: { atMost: 1.35 },
      beside: `pg ${bareTime.toFixed(0)} ms`,
    }),
  )
  figures.push({
    name: `${many.name}, beside ${few.name}`,
    unit: `× ${few.name}`,
    summary: summarise(ratios(many, few)),
    target: { atMost: 1.1 },
  })
  const note = `From the start of the process to the first row in hand, ${rounds} of each, in turns, compared within each round. ${pinning}`
  return { title: 'From process start to the first answered read', note, figures }
}

const timesOf = (runs: ReadonlyMap<string, readonly FreshRun[]>, name: string): readonly number[] =>
  (runs.get(name) ?? []).map(({ untilPrinted }) => untilPrinted)

/** A hundred replicas are one server under as many names: a pool tells servers apart by what they answer, not before. */
function inDatabase(url: string, database: string, index = 0): string {
  const found = new URL(url)
  found.pathname = `/${database}`
  if (index > 0) found.searchParams.set('application_name', `replica ${index}`)
  return found.href
}

/** A second database has functions for the catalog to be read. */
async function prepare(cluster: Cluster): Promise<void> {
  const { primary } = cluster
  for (const statement of SCHEMA.split(';')) await primary.query(statement)
  await primary.query('create database busy template postgres')
  const client = new pg.Client({ connectionString: inDatabase(primary.url, 'busy') })
  await client.connect()
  try {
    await client.query(`do $$ begin for index in 1..${FUNCTIONS} loop
      execute format('create function own_%s(int) returns int language sql as ''select $1''', index);
    end loop; end $$`)
  } finally {
    await client.end()
  }
  await cluster.waitUntilCaughtUp()
}

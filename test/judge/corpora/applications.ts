import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { PgBoss } from 'pg-boss'
import { makeIntrospectionQuery } from 'pg-introspection'
import { type Corpus, CorpusUnavailable, independentTexts, type Suite } from '../corpus.ts'
import { debianPackages } from '../debian-source.ts'
import { inlineParameters } from '../inline-parameters.ts'
import { cutScript } from '../psql-script.ts'

const run = promisify(execFile)

/** pgTAP, a thousand functions in SQL and PL/pgSQL, of which these only look at the catalog, or say what they found. */
export const pgtap: Corpus = {
  name: 'pgtap',
  async suites({ cacheFolder, signal }) {
    const root = await debianPackages(['postgresql-15-pgtap'], cacheFolder, signal)
    const extensions = join(root, 'usr/share/postgresql/15/extension')
    const file = readdirSync(extensions).find((name) => /^pgtap--[\d.]+\.sql$/.test(name))
    if (file === undefined) throw new CorpusUnavailable('the package of pgTAP holds no script of the extension')
    const setup = withoutCommands(readFileSync(join(extensions, file), 'utf8'))
    return [independentTexts('pgtap', setup, PGTAP_TEXTS)]
  },
}

const PGTAP_TEXTS = [
  'select pg_version(), pg_version_num(), os_name(), pgtap_version()',
  'select * from tap_funky where name = $$lower$$',
  'select name, args, returns, owner, kind from tap_funky order by name limit 5',
  'select * from pg_all_foreign_keys limit 1',
  "select _get_schema_owner('public'), _get_db_owner(current_database()::name)",
  "select findfuncs('public', '^has_'), findfuncs('^has_', 'x')",
  "select _definer('lower'), _vol('lower'), _returns('lower')",
  "select _rexists('r', 'pg_class'), _cexists('pg_class', 'oid'), _has_type('text', array['b'])",
  'select _table_privs(), display_type(23, -1)',
  "select diag('a'), diag(variadic array['a', 'b'])",
  "select array_to_string(array[_pg_sv_type_array('{23}'), 'x'], ',')",
  "select _hasc('pg_class', 'p'), _have_index('pg_class', 'pg_class_oid_index'), _is_trusted('plpgsql')",
  "select count(*) as num_failed from tap_funky as ok where ok.name like 'is%'",
  'select plan(1)',
  'select * from no_plan()',
  'select ok(true)',
]

/** The schema of graphile-worker, from its first migration on, as npm brings it. */
export const graphileWorker: Corpus = {
  name: 'graphile-worker',
  async suites({ cacheFolder, signal }) {
    const folder = join(await npmPackage('graphile-worker@0.17.3', cacheFolder, signal), 'sql')
    const texts = readdirSync(folder)
      .sort()
      .flatMap((name) => {
        const migration = readFileSync(join(folder, name), 'utf8').replaceAll(
          ':GRAPHILE_WORKER_SCHEMA',
          'graphile_worker',
        )
        return [...cutScript(migration, folder)]
      })
    const reads = [
      'select id, queue_name, priority, attempts, max_attempts, run_at, last_error, key, locked_at, locked_by from graphile_worker.jobs',
      'select count(*), min(run_at) as run_at from graphile_worker.jobs where locked_at is null group by task_identifier',
      'select * from graphile_worker.known_crontabs order by identifier',
      'select jobs.key, jobs.payload from graphile_worker._private_jobs as jobs where jobs.is_available',
      'select tasks.identifier, count(jobs.id) from graphile_worker._private_tasks as tasks left join graphile_worker._private_jobs as jobs on jobs.task_id = tasks.id group by 1',
      'select id, ts, breaking from graphile_worker.migrations order by id desc limit 1',
    ].map((sql) => ({ sql }))
    const suite: Suite = {
      name: 'graphile-worker',
      setup:
        'create schema graphile_worker; create table graphile_worker.migrations (id int primary key, ts timestamptz default now(), breaking boolean)',
      scripts: [{ name: 'migrations', isIsolated: false, texts: [...texts, ...reads] }],
    }
    return [suite]
  },
}

/** What pg-boss sends while queues live: its schema, jobs that end well and badly, schedules, events, upkeep. */
export const pgBoss: Corpus = {
  name: 'pg-boss',
  async suites({ cluster: { primary } }) {
    const texts: string[] = []
    const database = 'judge_boss'
    await primary.query(`create database ${database} template template0`)
    const url = new URL(primary.url)
    url.pathname = `/${database}`
    const client = new pg.Client({ connectionString: url.href })
    await client.connect()
    const boss = new PgBoss({
      db: {
        async executeSql(sql: string, parameters: unknown[] = []) {
          texts.push(inlineParameters({ sql, parameters }))
          const answers = [await client.query(sql, parameters)].flat()
          return { rows: answers.flatMap(({ rows }) => rows) }
        },
      },
      supervise: false,
      schedule: false,
    })
    const errors: unknown[] = []
    boss.on('error', (error) => errors.push(error))
    try {
      await boss.start()
      for (const policy of ['standard', 'short', 'singleton', 'stately'] as const) await liveOneQueue(boss, policy)
      await boss.getQueues()
      await boss.getSchedules()
      await boss.deleteAllJobs('standard')
      await boss.deleteQueue('short')
      await boss.schemaVersion()
    } finally {
      await boss.stop({ graceful: false, close: false })
      await client.end()
      await primary.query(`drop database ${database} with (force)`)
    }
    if (errors.length > 0) throw new AggregateError(errors, 'pg-boss met errors of its own')
    const cut = texts.flatMap((text) => [...cutScript(text, '.')])
    return [{ name: 'pg-boss', setup: '', scripts: [{ name: 'queues', isIsolated: false, texts: cut }] }]
  },
}

async function liveOneQueue(boss: PgBoss, policy: 'standard' | 'short' | 'singleton' | 'stately'): Promise<void> {
  const queue: string = policy
  await boss.createQueue(queue, { policy })
  await boss.updateQueue(queue, { retryLimit: 3 })
  await boss.send(queue, { round: 1 }, { singletonKey: 'one', priority: 2 })
  await boss.insert(queue, [{ data: { round: 2 } }, { data: { round: 3 }, startAfter: 60 }])
  const jobs = await boss.fetch(queue, { batchSize: 2, includeMetadata: true })
  for (const [index, job] of jobs.entries())
    await (index === 0 ? boss.complete(queue, job.id, { done: true }) : boss.fail(queue, job.id, { why: 'no' }))
  const waiting = await boss.send(queue, { round: 4 })
  if (waiting !== null) {
    await boss.findJobs(queue, { id: waiting })
    await boss.cancel(queue, waiting)
    await boss.resume(queue, waiting)
    await boss.deleteJob(queue, waiting)
  }
  await boss.schedule(queue, '0 * * * *', { round: 5 })
  await boss.subscribe(`event-${policy}`, queue)
  await boss.publish(`event-${policy}`, { round: 6 })
  await boss.getQueueStats(queue)
  await boss.supervise(queue)
  await boss.unsubscribe(`event-${policy}`, queue)
  await boss.unschedule(queue)
}

/** How PostGraphile's family reads a database: one text over the whole catalog. */
export const introspection: Corpus = {
  name: 'introspection',
  suites: async () => [independentTexts('introspection', '', [makeIntrospectionQuery()])],
}

const withoutCommands = (script: string): string => script.replaceAll(/^\\.*$/gm, '')

/** The files of a package of npm, unpacked in `cacheFolder` and not installed. */
async function npmPackage(specifier: string, cacheFolder: string, signal: AbortSignal): Promise<string> {
  const folder = join(cacheFolder, `npm-${specifier.replaceAll(/[@/]/g, '-')}`)
  const root = join(folder, 'package')
  if (existsSync(root)) return root
  mkdirSync(folder, { recursive: true })
  try {
    const { stdout } = await run('npm', ['pack', '--silent', specifier], { cwd: folder, timeout: 60_000, signal })
    await run('tar', ['-xzf', stdout.trim(), '--no-same-owner'], { cwd: folder, timeout: 60_000, signal })
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error)
    throw new CorpusUnavailable(`npm's package ${specifier} is not to be had here: ${reason}`)
  }
  return root
}

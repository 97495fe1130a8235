import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '..')

/** What users of others reported, by what went wrong. Each is the name of a test here. */
const HELD_TO = {
  'the row that was just written is missing':
    'payload#13011 payload#13588 typeorm#9427 sequelize#7844 mikro-orm#4868 pgdog#823 misskey#10897 proxysql#3433',
  'a replica that is down takes the reads with it':
    'sequelize#7180 sequelize#8832 sequelize#13944 typeorm#4262 dbal#2339 dbresolver#47 civitai#2422',
  'raw SQL goes astray': 'prisma#26795 extension-read-replicas#14 umami#4370 sequelize#14860',
  'a CTE that writes goes to a replica': 'drizzle-orm#4185 pgcat#829 active_record_proxy_adapters#46',
  'reads leave their transaction': 'drizzle-orm#6234 better-auth#5887 authentik#19086 sequelize#7323',
  'the default is not safe': 'extension-read-replicas#35 drizzle-orm#6279',
  'a wrapper lacks methods, or breaks with an upgrade':
    'drizzle-orm#1834 drizzle-orm#3951 drizzle-orm#4039 drizzle-orm#6161 drizzle-orm#6198 kysely-replication#17 extension-read-replicas#42',
  'options of the primary replace those of a replica': 'mikro-orm#1963 mikro-orm#4813',
  'a GET writes': 'doorkeeper#1783 authtrail#54 openstreetmap-website#2634 rails#56850',
  'recovery cancels a read': 'sequelize#7179 graph-node#4327 PostgREST#3673 spicedb#2233',
  'no idea of lag, and no token': 'pgdog#215 pgdog#912 pgdog#1156 pgcat#582 libsql-client-ts#145',
  'an idle primary is taken for lag': 'postgres_exporter#385 postgres_exporter#534 ubicloud#6213 check_postgres#121',
  'stickiness leaks, or ends too early': 'laravel#37646 laravel#37567 gitlab#413203',
  'locks and sequences on a replica': 'pgcat#887 pgcat#489',
  'writes do not follow a promotion':
    'node-postgres#1470 node-postgres#2781 node-postgres#3154 postgres#815 prisma#13493 pg-boss#447',
} as const

/** Those that no test is named after, and why. */
const NOT_HELD_TO = {
  'they ask for splitting as such':
    'knex#2253 knex#703 knex#6246 kysely#450 prisma#172 node-postgres#1935 efcore#25024 backstage#32266',
} as const

const issuesOf = (groups: Readonly<Record<string, string>>) => Object.values(groups).flatMap((text) => text.split(' '))

const testFiles = ['packages', 'test', 'examples']
  .flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((at) => join(folder, at)),
  )
  .filter(
    (path) => path.endsWith('.ts') && /(^|\/)(?:test|src\/testing)\//.test(path) && !/node_modules|\/dist\//.test(path),
  )
  .filter((path) => path !== join('test', 'issues.test.ts'))

/** The issues in the titles of tests: `sequelize#7180, #8832: …` names two. */
function namedIn(source: string): string[] {
  return [...source.matchAll(/'([^'\n]*#\d[^'\n]*)'/g)].flatMap(([, title = '']) => {
    let repository = ''
    return [...title.matchAll(/([\w.-]*)#(\d+)/g)].map(([, name, number]) => {
      if (name) repository = name
      return `${repository}#${number}`
    })
  })
}

const named = new Set(testFiles.flatMap((path) => namedIn(readFileSync(join(ROOT, path), 'utf8'))))

test.each(Object.entries(HELD_TO))('%s: each issue is the name of a test', (_, issues) => {
  expect(issues.split(' ').filter((issue) => !named.has(issue))).toEqual([])
})

test('what no test is named after has its reason, and nothing stands twice', () => {
  const without = issuesOf(NOT_HELD_TO)
  expect(without.filter((issue) => named.has(issue))).toEqual([])
  const all = [...issuesOf(HELD_TO), ...without]
  expect(all).toHaveLength(new Set(all).size)
})

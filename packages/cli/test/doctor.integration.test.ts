import { readFile, writeFile } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type Cluster, startCluster } from '@headwater/cluster'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Diagnosis, diagnose } from '../src/doctor/doctor.ts'
import { renderDiagnosis } from '../src/doctor/render-diagnosis.ts'
import { plain } from '../src/render.ts'
import { run } from './run.ts'

const FOLDER = join(import.meta.dirname, '..')
const PAGE = join(FOLDER, '../../docs/doctor.md')
const SECRET = 'a-secret-of-32-characters-or-more'
const NAMES = [
  'FLY_REGION',
  'PRIMARY_REGION',
  'DATABASE_URL',
  'DATABASE_REPLICA_URL',
  'HEADWATER_SECRET',
  'FLY_APP_NAME',
]

let cluster: Cluster
let other: Cluster
beforeAll(async () => {
  ;[cluster, other] = await Promise.all([
    startCluster({ replicas: ['nrt'], settings: { max_connections: '40', hot_standby_feedback: 'on' } }),
    startCluster({ replicas: [] }),
  ])
}, 120_000)
afterAll(async () => {
  await Promise.all([cluster?.stop(), other?.stop()])
})
const kept = Object.fromEntries(NAMES.map((name) => [name, process.env[name]]))
afterEach(() => setAll(kept))

function setAll(environment: Readonly<Record<string, string | undefined>>): void {
  for (const name of NAMES) {
    const value = environment[name]
    if (value === undefined) delete process.env[name]
    else process.env[name] = value
  }
}

const replicaUrl = (): string => cluster.replicas[0]?.url ?? ''
const healthy = (): Record<string, string | undefined> => ({
  FLY_REGION: 'nrt',
  PRIMARY_REGION: 'ams',
  DATABASE_URL: cluster.primary.url,
  DATABASE_REPLICA_URL: replicaUrl(),
  HEADWATER_SECRET: SECRET,
})

async function look(environment: Readonly<Record<string, string | undefined>>, remote?: string): Promise<Diagnosis> {
  setAll(environment)
  return diagnose({ folder: FOLDER, environment: process.env, module: undefined, remote })
}

const withPath = (url: string, path: string): string => {
  const changed = new URL(url)
  changed.pathname = path
  return changed.href
}
const as = (user: string, url: string): string => {
  const changed = new URL(url)
  changed.username = user
  return changed.href
}
async function change(sql: string): Promise<void> {
  await cluster.primary.query(sql)
  await cluster.waitUntilCaughtUp()
}

/** A world that is wrong, what the doctor has to say of it, and what to do. */
const WORLDS: readonly (readonly [
  title: string,
  () => Record<string, string | undefined>,
  says: RegExp,
  cure: RegExp,
])[] = [
  [
    'A URL without a scheme',
    () => ({ ...healthy(), DATABASE_REPLICA_URL: 'localhost:5433' }),
    /DATABASE_REPLICA_URL[\s\S]*has no scheme/,
    /set it to postgres:\/\/user:password@host:port\/database/,
  ],
  [
    'No DATABASE_URL',
    () => ({ ...healthy(), DATABASE_URL: undefined }),
    /primary\.connectionString[\s\S]*is missing although a region is named \(nrt\)/,
    /set DATABASE_URL/,
  ],
  [
    'No secret, and every server down',
    () => ({
      ...healthy(),
      HEADWATER_SECRET: undefined,
      DATABASE_URL: 'postgres://app:hidden@127.0.0.1:1/app',
      DATABASE_REPLICA_URL: 'postgres://app:hidden@127.0.0.1:2/app',
    }),
    /HEADWATER_SECRET\n {2}✗ is not set[\s\S]*DATABASE_URL[\s\S]*ECONNREFUSED[\s\S]*DATABASE_REPLICA_URL[\s\S]*ECONNREFUSED/,
    /openssl rand -base64 32/,
  ],
  [
    'A wrong database in one of two URLs',
    () => ({ ...healthy(), DATABASE_REPLICA_URL: withPath(replicaUrl(), '/nosuchdb') }),
    /DATABASE_REPLICA_URL[\s\S]*"nosuchdb" does not exist/,
    /correct the database in DATABASE_REPLICA_URL/,
  ],
  [
    'The replica is the primary',
    () => ({ ...healthy(), DATABASE_REPLICA_URL: cluster.primary.url }),
    /is the same server as DATABASE_URL/,
    /set DATABASE_REPLICA_URL to a server of its own/,
  ],
  [
    'The two URLs are exchanged',
    () => ({ ...healthy(), DATABASE_URL: replicaUrl(), DATABASE_REPLICA_URL: cluster.primary.url }),
    /DATABASE_URL[\s\S]*is a standby: it refuses every write[\s\S]*is no standby/,
    /set DATABASE_URL to the server that accepts writes/,
  ],
  [
    'A replica of another database',
    () => ({ ...healthy(), DATABASE_REPLICA_URL: other.primary.url }),
    /belongs to another cluster than DATABASE_URL/,
    /set DATABASE_REPLICA_URL to a standby that follows DATABASE_URL/,
  ],
  [
    'FLY_REGION is lost on Fly',
    () => ({ ...healthy(), FLY_REGION: undefined, FLY_APP_NAME: 'notes' }),
    /FLY_REGION[\s\S]*is not set, although this is Fly/,
    /set FLY_REGION/,
  ],
  [
    'PRIMARY_REGION is not set, and no replica is known',
    () => ({ ...healthy(), PRIMARY_REGION: undefined, DATABASE_REPLICA_URL: undefined }),
    /PRIMARY_REGION[\s\S]*is not set: this process \(nrt\) counts as at home/,
    /set PRIMARY_REGION/,
  ],
  [
    'A user without privileges',
    () => ({
      ...healthy(),
      DATABASE_URL: as('blind', cluster.primary.url),
      DATABASE_REPLICA_URL: as('blind', replicaUrl()),
    }),
    /does not tell blind who it is[\s\S]*may not see the WAL receiver/,
    /grant execute on function pg_control_system\(\)[\s\S]*grant pg_monitor to blind/,
  ],
  [
    'A database that somebody froze',
    () => ({
      ...healthy(),
      DATABASE_URL: withPath(cluster.primary.url, '/frozen'),
      DATABASE_REPLICA_URL: withPath(replicaUrl(), '/frozen'),
    }),
    /begins its sessions read-only/,
    /set default_transaction_read_only to off/,
  ],
]

/** The output as it stands in the docs: without what differs from run to run. */
function forDocs(output: string): string {
  const ports: readonly (readonly [number, string])[] = [
    [cluster.primary.port, 'db.ams.internal:5432'],
    [cluster.replicas[0]?.port ?? 0, 'db.nrt.internal:5432'],
    [other.primary.port, 'db.staging.internal:5432'],
    [1, 'db.ams.internal:5432'],
    [2, 'db.nrt.internal:5432'],
  ]
  let text = output
  for (const [port, name] of ports) text = text.replaceAll(new RegExp(`127\\.0\\.0\\.1:${port}\\b`, 'g'), name)
  return text
    .replaceAll(/PostgreSQL (\d+)\.\d+/g, 'PostgreSQL $1')
    .replaceAll(/\d+\.\d ms away/g, '0.4 ms away')
    .replaceAll(/, (?:\d+ bytes|nothing) behind/g, ', nothing behind')
    .replaceAll(/^(?:pg|kysely|drizzle-orm|hono|express|koa)\n {2}✓ .*\n/gm, '')
}

describe('doctor', { timeout: 60_000 }, () => {
  beforeAll(async () => {
    await change('create role blind login')
    await change('revoke execute on function pg_control_system() from public')
    await change('create database frozen')
    await change('alter database frozen set default_transaction_read_only = on')
  })

  it('O2: finds nothing where all is well, and shows a fingerprint instead of the secret', async () => {
    const diagnosis = await look(healthy())
    const output = renderDiagnosis(diagnosis, plain)
    const wrong = diagnosis.checks.filter(({ level }) => level === 'bad')
    expect(wrong).toEqual([])
    expect(output).toMatch(/HEADWATER_SECRET\n {2}✓ fingerprint [0-9a-f]{8}: /)
    expect(output).toMatch(
      /DATABASE_URL \(.*\)\n {2}✓ PostgreSQL \d+\.\d+, accepts writes, timeline 1, \d+\.\d ms away/,
    )
    expect(output).toMatch(/✓ follows DATABASE_URL/)
    expect(output).not.toContain(SECRET)
  })

  it('O2: what it prints of ten bad worlds leads to the answer, and stands in the docs', async () => {
    const sections: string[] = []
    for (const [title, environment, says, cure] of WORLDS) {
      const diagnosis = await look(environment())
      const output = renderDiagnosis(diagnosis, plain)
      expect(output, title).toMatch(says)
      expect(output, title).toMatch(cure)
      expect(output, title).not.toMatch(/hidden|a-secret-of/)
      expect(diagnosis.findings, title).toBeGreaterThan(0)
      sections.push(`## ${title}\n\n\`\`\`\n${forDocs(output)}\`\`\`\n`)
    }
    expect(sections.length).toBeGreaterThanOrEqual(10)
    const made = sections.join('\n')
    const page = await readFile(PAGE, 'utf8')
    const [head = ''] = page.split(/^## /m)
    if (process.env['HEADWATER_RECORD'] !== undefined) await writeFile(PAGE, `${head}${made}`)
    else expect(page, 'made anew with HEADWATER_RECORD=1').toBe(`${head}${made}`)
  })

  it('O2: a region that is no region name is said once, with the variable, and nothing counts as well about it', async () => {
    const { checks } = await look({ ...healthy(), PRIMARY_REGION: 'Amsterdam' })
    expect(checks.filter(({ says }) => says.includes('Amsterdam'))).toEqual([
      expect.objectContaining({ level: 'bad', cure: 'correct PRIMARY_REGION, or the option primary.region' }),
    ])
  })

  it('O2: looks at the pool that a module of the app exports, and counts its connections', async () => {
    const { status, output } = await run(
      ['doctor', '--json', '--module', join(import.meta.dirname, 'fixtures/pool.ts')],
      {
        environment: { ...clean(), ...(healthy() as Record<string, string>) },
      },
    )
    const { checks } = JSON.parse(output) as Diagnosis
    expect(checks).toContainEqual(
      expect.objectContaining({ level: 'warn', cure: expect.stringMatching(/^set max to \d+ or less/) }),
    )
    expect(checks.find(({ about }) => about.startsWith('replicas[0]'))).toMatchObject({ level: 'ok' })
    expect(status).toBe(1)
  })

  it('O2: ends within five seconds with every server down, with 1; with 2 where it cannot run', async () => {
    // 192.0.2.0/24 answers nobody (RFC 5737).
    const environment = {
      ...clean(),
      FLY_REGION: 'nrt',
      PRIMARY_REGION: 'ams',
      DATABASE_URL: 'postgres://app:hidden@192.0.2.1/app',
      DATABASE_REPLICA_URL: 'postgres://app:hidden@192.0.2.2/app',
    }
    setAll(environment)
    const began = performance.now()
    const diagnosis = await diagnose({ folder: FOLDER, environment: process.env, module: undefined, remote: undefined })
    expect(performance.now() - began).toBeLessThan(5_000)
    expect(diagnosis.checks.filter(({ says }) => says.includes('gives no session'))).toHaveLength(2)
    const { status, output, errors } = await run(['doctor'], { environment })
    expect([status, errors]).toEqual([1, ''])
    expect(output).toMatch(/findings\n$/)
    const cannot = await Promise.all([
      run(['doctor', '--env-file', 'no-such-file']),
      run(['doctor', '--module', 'no-such-module.js']),
      run(['doctor', '--remote', 'ams']),
      run(['doctor', '--assert', 'read']),
      run(['doctor', 'all']),
    ])
    // Some releases of Node look for --env-file behind the script, too, and end with 9 themselves.
    expect(cannot.map((one) => one.status === 2 || one.status === 9)).toEqual([true, true, true, true, true])
    expect(cannot.map((one) => one.errors)).toEqual([
      expect.stringMatching(/no-such-file(?: could not be read: ENOENT|: not found)/),
      expect.stringContaining('--module no-such-module.js could not be loaded'),
      expect.stringContaining('--remote is no URL'),
      expect.stringContaining('--assert is no option of doctor'),
      expect.stringContaining('doctor takes options only'),
    ])
  })

  it('O2: another instance that is not there, or says nothing of itself', async () => {
    const silent = await serve((_request, response) => response.writeHead(404).end())
    const refusing = await serve((_request, response) => response.writeHead(401).end())
    const forging = await serve((_request, response) => response.writeHead(200).end('{}'))
    const bare = await serve((_request, response) => response.writeHead(409, { 'fly-replay': 'region=ams' }).end())
    try {
      const saysOf = async (remote: string): Promise<string> => {
        const { checks } = await look({ HEADWATER_SECRET: SECRET, DATABASE_URL: cluster.primary.url }, remote)
        const found = checks.find(({ about }) => about === remote)
        return `${found?.says} → ${found?.cure}`
      }
      expect(await saysOf('http://127.0.0.1:9')).toMatch(/cannot be reached/)
      expect(await saysOf(silent.url)).toMatch(/answers 404 .*→ use health\(\{ pool \}\)/)
      expect(await saysOf(refusing.url)).toMatch(
        /HEADWATER_SECRET differs there.*→ set HEADWATER_SECRET to the same value/,
      )
      expect(await saysOf(forging.url)).toMatch(/not signed with this secret/)
      expect(await saysOf(bare.url)).toMatch(/no proxy acts on it.*replayTarget/)
    } finally {
      await Promise.all([silent, refusing, forging, bare].map(({ close }) => close()))
    }
  })
})

function clean(): Record<string, string> {
  return Object.fromEntries(NAMES.map((name) => [name, '']))
}

async function serve(listener: RequestListener): Promise<{ url: string; close: () => Promise<unknown> }> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    close: () => {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(resolve))
    },
  }
}

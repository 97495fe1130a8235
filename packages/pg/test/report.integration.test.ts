import { setTimeout as sleep } from 'node:timers/promises'
import { startCluster } from '@headwater/cluster'
import { openSlowWire, World } from '@headwater/test-world'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RoutedPool, type RoutedPoolOptions } from '../src/index.ts'

let world: World
beforeAll(async () => {
  world = await World.start({ replicas: ['nrt', 'nrt-2'] })
}, 120_000)
afterAll(() => world[Symbol.asyncDispose]())

const PATIENT = { timeout: 30_000, interval: 20 }

/** A logger that remembers, as console takes lines. */
class Heard {
  readonly lines: string[] = []
  readonly warnings: string[] = []
  info = (line: string): void => void this.lines.push(line)
  warn = (line: string): void => void this.warnings.push(line)
  /** The codes of the warnings, sorted. */
  get codes(): readonly string[] {
    return this.warnings.map((line) => /HEADWATER_\w+/.exec(line)?.[0] ?? line).toSorted()
  }
}

const replicaAt = (connectionString: string, region = 'nrt') => ({ region, connectionString })

/** Starts a pool, asks it something until its line is there, and gives what was said. */
async function said(options: RoutedPoolOptions, wanted?: string): Promise<Heard & { pool: RoutedPool }> {
  const heard = new Heard()
  const pool = world.pool('nrt', { replicas: [replicaAt(world.replica().url)], ...options, logger: heard })
  await expect
    .poll(async () => {
      await pool.query('select 1').catch(() => undefined)
      return wanted === undefined ? heard.lines.length : heard.codes.includes(wanted)
    }, PATIENT)
    .toBeTruthy()
  return Object.assign(heard, { pool })
}

describe('the line at the start', { timeout: 60_000 }, () => {
  it('O1: says where a pool reads and writes, once, and no secret', async () => {
    const { pool, lines, warnings } = await said({})
    const [primary, replica] = [world.cluster.primary, world.replica()]
    expect(lines).toEqual([
      expect.stringMatching(
        new RegExp(
          `^headwater: nrt → primary ams \\(${primary.host}:${primary.port}\\), ` +
            `reads from ${replica.host}:${replica.port} \\(standby(, \\d+ ms behind)?, \\d+(\\.\\d)? ms away\\)$`,
        ),
      ),
    ])
    await Promise.all(Array.from({ length: 200 }, () => pool.query('select 1')))
    expect([lines.length, warnings]).toEqual([1, []])
    await pool.end()
  })

  it('O1: goes to standard error by default, and nowhere with `logger: false`', async () => {
    const options = { replicas: [replicaAt(world.replica().url)] }
    const printed: string[] = []
    const error = console.error
    console.error = (line: string) => void printed.push(line)
    try {
      const silent = world.pool('nrt', { ...options, logger: false })
      const loud = world.pool('nrt', { ...options, logger: undefined })
      await Promise.all([silent.query('select 1'), loud.query('select 1')])
      await expect.poll(() => printed.length, PATIENT).toBe(1)
      await Promise.all([silent.end(), loud.end()])
    } finally {
      console.error = error
    }
    expect(printed).toEqual([expect.stringMatching(/^headwater: nrt → primary ams/)])
  })

  it('O1: a plain pool, of one server and no region, says nothing', async () => {
    const heard = new Heard()
    const pool = world.ending(new RoutedPool({ connectionString: world.cluster.primary.url, logger: heard }))
    await pool.query('select 1')
    await sleep(300)
    expect([heard.lines, heard.warnings]).toEqual([[], []])
    await pool.end()
  })

  it('O1: at home without a replica it says so', async () => {
    const heard = await said({ region: 'ams', replicas: [] })
    expect(heard.lines).toEqual([expect.stringMatching(/^headwater: ams → primary ams \(.*\), reads there too$/)])
    await heard.pool.end()
  })
})

describe('a warning', { timeout: 60_000 }, () => {
  it('O1: a replica that is down is named, with its option and address', async () => {
    const heard = await said(
      { replicas: [replicaAt('postgres://nobody:s3cret@127.0.0.1:1/app')] },
      'HEADWATER_SERVER_DOWN',
    )
    expect(heard.codes).toEqual(['HEADWATER_SERVER_DOWN'])
    expect(heard.warnings[0]).toMatch(
      /replicas\[0\] \(127\.0\.0\.1:1\) cannot be reached: .*ECONNREFUSED.*running replica/,
    )
    expect(JSON.stringify([heard.warnings, heard.lines])).not.toContain('s3cret')
    await expect.poll(() => heard.lines, PATIENT).toEqual([expect.stringMatching(/127\.0\.0\.1:1 \(down: /)])
    await heard.pool.end()
  })

  it('O1: a replica that refuses the login is told from one that is down', async () => {
    const url = new URL(world.replica().url)
    url.pathname = '/nosuchdb'
    const heard = await said({ replicas: [replicaAt(url.href)] }, 'HEADWATER_SERVER_REFUSED')
    expect(heard.codes).toEqual(['HEADWATER_SERVER_REFUSED'])
    expect(heard.warnings[0]).toMatch(/replicas\[0\].*refuses the login: .*nosuchdb.*Check user, password and database/)
    await heard.pool.end()
  })

  it('O1: a replica that is the primary itself, and one that is given twice', async () => {
    const heard = await said({ replicas: [replicaAt(world.cluster.primary.url)] }, 'HEADWATER_SAME_SERVER')
    expect(heard.codes).toEqual(['HEADWATER_SAME_SERVER'])
    expect(heard.warnings[0]).toMatch(/replicas\[0\].* and primary .*lead to the same server.*replicas: \[\]/)
    await expect.poll(() => heard.lines, PATIENT).toEqual([expect.stringMatching(/reads from \S+ \(no standby, /)])
    await heard.pool.end()
    const [own, twin] = [world.replica().url, world.replica().url.replace('127.0.0.1', 'localhost')]
    const twice = await said({ replicas: [replicaAt(own), replicaAt(twin)] }, 'HEADWATER_SAME_SERVER')
    expect(twice.warnings[0]).toMatch(/replicas\[1\] .*replicas\[0\]/)
    await twice.pool.end()
  })

  it('O1: exchanged URLs: the primary is a standby, and a replica takes the writes', async () => {
    const heard = await said(
      {
        primary: { region: 'ams', connectionString: world.replica().url },
        replicas: [replicaAt(world.cluster.primary.url, 'ams')],
      },
      'HEADWATER_PRIMARY_IS_STANDBY',
    )
    expect(heard.codes).toContain('HEADWATER_PRIMARY_IS_STANDBY')
    expect(heard.warnings.join()).toMatch(
      /primary \(.*is a standby; replicas\[0\] .*accepts the writes.*Exchange the two/,
    )
    await heard.pool.end()
  })

  it('O1: a primary that is a standby, with nothing else', async () => {
    const heard = await said(
      { region: 'ams', primary: { region: 'ams', connectionString: world.replica().url }, replicas: [] },
      'HEADWATER_PRIMARY_IS_STANDBY',
    )
    expect(heard.warnings[0]).toMatch(/it refuses every write\. Set it to the server that accepts writes/)
    await heard.pool.end()
  })

  it('O1: a replica of another cluster', async () => {
    await using other = await startCluster({ replicas: [] })
    const heard = await said({ replicas: [replicaAt(other.primary.url)] }, 'HEADWATER_FOREIGN_SERVER')
    expect(heard.codes).toEqual(['HEADWATER_FOREIGN_SERVER'])
    expect(heard.warnings[0]).toMatch(/replicas\[0\] .*another cluster than primary .*system identifiers differ/)
    await heard.pool.end()
  })

  it('O1: a primary "next door" that is an ocean away, and a process that is somewhere else than it says', async () => {
    const { port, url } = world.cluster.primary
    await using wire = await openSlowWire(port, 40)
    const far = url.replace(`:${port}`, `:${wire.port}`)
    const home = await said(
      { region: 'ams', primary: { region: 'ams', connectionString: far }, replicas: [] },
      'HEADWATER_PRIMARY_FAR',
    )
    expect(home.codes).toEqual(['HEADWATER_PRIMARY_FAR'])
    expect(home.warnings[0]).toMatch(
      /\d+ ms away although this process is in its region \(ams\).*PRIMARY_REGION.*FLY_REGION/,
    )
    await home.pool.end()
    const astray = await said(
      { region: 'ams', primary: { region: 'ams', connectionString: far }, replicas: [replicaAt(world.replica().url)] },
      'HEADWATER_OTHER_REGION_NEARER',
    )
    expect(astray.codes).toEqual(['HEADWATER_OTHER_REGION_NEARER'])
    expect(astray.warnings[0]).toMatch(/said to be in ams, and replicas\[0\] .*of nrt is nearer.*set FLY_REGION/)
    await astray.pool.end()
    const nowhere = await said(
      { region: undefined, primary: { connectionString: far }, replicas: [replicaAt(world.replica().url)] },
      'HEADWATER_PRIMARY_FAR',
    )
    expect(nowhere.warnings.join()).toMatch(/nothing says in which region this process is.*Set FLY_REGION/)
    await nowhere.pool.end()
  })

  it('O1: replicas that are all in other regions', async () => {
    const heard = await said(
      { region: 'syd', replicas: [replicaAt(world.replica().url)] },
      'HEADWATER_NO_LOCAL_REPLICA',
    )
    expect(heard.codes).toEqual(['HEADWATER_NO_LOCAL_REPLICA'])
    expect(heard.warnings[0]).toMatch(/in syd, and all its replicas are elsewhere \(nrt\).*region: 'syd'/)
    await heard.pool.end()
  })

  it('O1: more connections than the server takes', async () => {
    const heard = await said({ max: 5_000 }, 'HEADWATER_TOO_MANY_CONNECTIONS')
    expect(heard.warnings[0]).toMatch(/takes \d+ connections .*may open 5001.*Set `max`, which is 5000, to \d+ or less/)
    await heard.pool.end()
  })

  it('O1: a user who may not ask for positions, and one who may not read the catalog', async () => {
    await world.change(`
      create role blind login;
      revoke execute on function pg_control_system() from public;
      create role deaf login;
      revoke select on pg_catalog.pg_proc from public;
      grant select on pg_catalog.pg_proc to blind;
      grant execute on function pg_control_system() to deaf;
    `)
    try {
      const as = (user: string, url: string) => {
        const own = new URL(url)
        own.username = user
        return own.href
      }
      const optionsOf = (user: string): RoutedPoolOptions => ({
        primary: { region: 'ams', connectionString: as(user, world.cluster.primary.url) },
        replicas: [replicaAt(as(user, world.replica().url))],
      })
      const blind = await said(optionsOf('blind'), 'HEADWATER_POSITION_REFUSED')
      expect(blind.warnings.join()).toMatch(/how far it is.*pg_control_system.*Grant .*pg_monitor/)
      await blind.pool.end()
      const deaf = await said(optionsOf('deaf'), 'HEADWATER_CATALOG_UNREADABLE')
      expect(deaf.warnings.join()).toMatch(/catalog cannot be read \(.*pg_proc.*catalog: false/)
      await deaf.pool.end()
    } finally {
      await world.change(`
        grant execute on function pg_control_system() to public;
        grant select on pg_catalog.pg_proc to public;
      `)
    }
  })

  it('O1: the first write across regions outside a request, unless the app says that it means it', async () => {
    const write = "insert into note (body) values ('direct')"
    const heard = new Heard()
    const pool = world.pool('nrt', { replicas: [replicaAt(world.replica().url)], logger: heard })
    for (let times = 0; times < 3; times += 1) await pool.query(write)
    expect(heard.codes.filter((code) => code === 'HEADWATER_WRITE_OUTSIDE_REQUEST')).toHaveLength(1)
    expect(heard.warnings.join()).toMatch(
      /from nrt straight to the primary in ams.*is headwater\(\{ pool \}\) in use, and before the routes/,
    )
    await pool.end()
    const meant = new Heard()
    const job = world.pool('nrt', { replicas: [], logger: meant, writesOutsideRequest: 'direct' })
    const home = world.pool('ams', { replicas: [], logger: meant })
    await Promise.all([job.query(write), home.query(write)])
    expect(meant.codes).toEqual([])
    await Promise.all([job.end(), home.end()])
  })

  it('O1: thousands of queries, a replica that goes and comes, and nothing is said twice', async () => {
    const heard = await said({ replicas: [replicaAt(world.replica(0).url), replicaAt(world.replica(1).url)] })
    const { pool } = heard
    const admin = world.ending(new pg.Pool({ connectionString: world.replica(1).url, max: 1 }))
    admin.on('error', () => undefined)
    for (let round = 0; round < 5; round += 1) {
      await Promise.all(
        Array.from({ length: 400 }, (_, at) => pool.query('select $1::int', [at]).catch(() => undefined)),
      )
      await admin
        .query(
          "select pg_terminate_backend(pid) from pg_stat_activity where usename = current_user and pid <> pg_backend_pid() and backend_type = 'client backend'",
        )
        .catch(() => undefined)
    }
    const all = [...heard.lines, ...heard.warnings]
    expect(new Set(all).size).toBe(all.length)
    expect(heard.lines).toHaveLength(1)
    await Promise.all([pool.end(), admin.end()])
  })
})

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { LOAD_BALANCER } from '@headwater/core/internal'
import { describe, expect, it } from 'vitest'
import { flyReplicaUrl } from '../src/options/fly-replica-url.ts'
import { type RoutedPoolOptions, resolveOptions } from '../src/options/options.ts'
import { gapsIn } from '../src/options/wiring-gaps.ts'

const MEMBER = 'postgres://u:p@nrt.db.internal:5433/app'

describe('the replica’s address on Fly', () => {
  it.each([
    // What Fly has documented as the value of DATABASE_URL.
    ['postgres://u:p@db.flycast:5432/app', MEMBER],
    ['postgres://u:p@top1.nearest.of.db.internal:5432/app', MEMBER],
    ['postgres://u:p@top2.nearest.of.db.internal:5432/app', MEMBER],
    ['postgres://u:p@db.internal:5432/app', MEMBER],
    ['postgres://u:p@db.internal/app', MEMBER],
    ['postgres://u:p@ams.db.internal:5432/app', MEMBER],
    // The form of the scheme, the name and the query stay: fly-ruby lost the port of `postgresql://`.
    ['postgresql://db.internal:5432', 'postgresql://nrt.db.internal:5433'],
    [
      'postgres://my-app-db.flycast:5432/app?sslmode=disable',
      'postgres://nrt.my-app-db.internal:5433/app?sslmode=disable',
    ],
    ['postgres://u:p%40s%2Fs@db.flycast/a%20b', 'postgres://u:p%40s%2Fs@nrt.db.internal:5433/a%20b'],
  ])('%s leads to %s', (url, replica) => {
    expect(flyReplicaUrl(url, 'nrt')).toBe(replica)
  })

  it.each([
    // fly-ruby keeps such a port; no documentation says what listens there.
    'postgresql://db.internal:6379',
    'postgres://localhost:5432/fly_ruby_test',
    'postgres://u:p@db.internal:5433/app',
    'postgres://u:p@148e306c77e089.vm.db.internal:5432/app',
    'postgres://u:p@_api.internal/app',
    'postgres://u:p@pgbouncer.0123.flympg.net/app',
    'postgres://u:p@ip-10-0-3-4.ec2.internal/app',
    'postgres://u:p@db.flycast.example.com/app',
    'postgres://u:p@db.internal:5432/app?host=/tmp',
    'redis://db.internal:5432',
    'not a url',
    '',
  ])('%j leads to no Fly Postgres that is known, so nothing is made up', (url) => {
    expect(flyReplicaUrl(url, 'nrt')).toBeUndefined()
  })
})

const FLY = { FLY_REGION: 'nrt', PRIMARY_REGION: 'ams', DATABASE_URL: 'postgres://u:p@db.flycast:5432/app' }

describe('the environment that Fly leaves', () => {
  it('alone gives an instance abroad its replica, and one at home none', () => {
    const abroad = resolveOptions({}, FLY)
    expect(abroad).toMatchObject({
      region: 'nrt',
      primary: { region: 'ams', config: { connectionString: FLY.DATABASE_URL } },
      replicas: [{ name: 'replica-0', region: 'nrt', config: { connectionString: MEMBER }, traits: LOAD_BALANCER }],
      catalog: { isLoaded: true },
      gaps: [],
    })
    expect(resolveOptions({}, { ...FLY, FLY_REGION: 'ams' })).toMatchObject({ replicas: [], gaps: [] })
  })

  it('gives it too where the app passes DATABASE_URL on by itself', () => {
    const connectionString = FLY.DATABASE_URL
    for (const options of [{ connectionString }, { primary: { connectionString } }]) {
      expect(resolveOptions(options, FLY).replicas).toHaveLength(1)
    }
  })

  it.each<[string, RoutedPoolOptions, Record<string, string>]>([
    ['the app names its replicas', { replicas: [{ region: 'nrt', host: 'own' }] }, {}],
    ['DATABASE_REPLICA_URL is set', {}, { DATABASE_REPLICA_URL: 'postgres://own/app' }],
  ])('is not asked when %s', (_, options, more) => {
    const { replicas, gaps } = resolveOptions(options, { ...FLY, ...more })
    expect(replicas.map(({ config }) => config.host ?? config.connectionString)).toEqual([
      expect.stringContaining('own'),
    ])
    expect(gaps).toEqual([])
  })

  it.each<[string, RoutedPoolOptions, Record<string, string>]>([
    ['the app says that there are none', { replicas: [] }, {}],
    ['the primary is another server', { primary: { host: 'elsewhere' } }, {}],
    ['it is not Fly that names the region', { region: 'nrt' }, { FLY_REGION: '' }],
    ['the app says that it is somewhere else', { region: 'syd' }, {}],
  ])('makes no replica up when %s', (_, options, more) => {
    expect(resolveOptions(options, { ...FLY, ...more }).replicas).toEqual([])
  })
})

describe('a gap in the wiring', () => {
  it.each([
    [{ region: undefined, primaryRegion: undefined, hasReplicas: false }, []],
    [{ region: undefined, primaryRegion: 'ams', hasReplicas: false }, []],
    [{ region: undefined, environment: { FLY_MACHINE_ID: 'm' } }, ['HEADWATER_NO_REGION']],
    [{ region: undefined, environment: { FLY_APP_NAME: '' } }, []],
    [{ region: undefined, hasReplicas: true, environment: { PRIMARY_REGION: 'ams' } }, ['HEADWATER_NO_REGION']],
    [{ region: undefined, hasReplicas: true }, []],
    [{ region: 'nrt', primaryRegion: 'ams', isExplicit: true }, []],
    [{ region: 'ams', primaryRegion: 'ams', hasReplicas: false }, []],
    [{ region: 'nrt', primaryRegion: 'ams', hasReplicas: true }, []],
    [{ region: 'nrt', primaryRegion: 'ams', hasReplicas: false }, ['HEADWATER_NO_REPLICA']],
    [{ region: 'nrt', primaryRegion: undefined, hasReplicas: false }, ['HEADWATER_NO_PRIMARY_REGION']],
  ])('O1: %j means %j', (wiring, codes) => {
    const bare = { region: undefined, primaryRegion: undefined, hasReplicas: false, isExplicit: false, environment: {} }
    expect(gapsIn({ ...bare, ...wiring }).map(({ code }) => code)).toEqual(codes)
  })

  it('O1: is warned of once in a process, whatever the number of pools, and shows no secret', async () => {
    const index = new URL('../src/index.ts', import.meta.url)
    const program = `
      process.on('warning', ({ name, code, message }) => console.log([name, code, message].join(' ')))
      const { RoutedPool } = await import(${JSON.stringify(index.href)})
      new RoutedPool()
      new RoutedPool()
      new RoutedPool({ primary: { region: 'ams' } })
      new RoutedPool({ primary: { region: 'ams' } })
      new RoutedPool({ primary: { region: 'ams' }, replicas: [] })
    `
    const env = { ...process.env, FLY_REGION: 'nrt', DATABASE_URL: 'postgres://u:p4ssword@db.example/app' }
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--conditions=dev-source', '--no-warnings', '--input-type=module', '-e', program],
      { env, timeout: 30_000 },
    )
    expect(stdout.trim().split('\n')).toEqual([
      expect.stringMatching(/^HeadwaterWarning HEADWATER_NO_PRIMARY_REGION .*nrt.*Set PRIMARY_REGION/),
      expect.stringMatching(/^HeadwaterWarning HEADWATER_NO_REPLICA .*nrt.*ams.*Set DATABASE_REPLICA_URL/),
    ])
    expect(stdout).not.toContain('p4ssword')
  })
})

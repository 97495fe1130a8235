import { describe, expect, it } from 'vitest'
import { type RoutedPoolOptions, resolveOptions } from '../src/options/options.ts'

const POOLED = 'postgres://app:secret@pooler.example:6432/app'
const DIRECT = 'postgres://app:secret@server.example:5432/app'

const resolve = (options: RoutedPoolOptions, environment: Readonly<Record<string, string>> = {}) =>
  resolveOptions(options, environment)
const primaryOf = (options: RoutedPoolOptions, environment?: Readonly<Record<string, string>>) => {
  const { pooler, config, traits } = resolve(options, environment).primary
  return { pooling: pooler.pooling, direct: pooler.direct?.connectionString, config, traits }
}

describe('B1: the options say what stands in front of each server', () => {
  it('by itself, and for all', () => {
    const { primary, replicas } = resolve({
      pooler: 'transaction',
      primary: { connectionString: POOLED, direct: DIRECT },
      replicas: [{ connectionString: POOLED }, { connectionString: DIRECT, pooler: 'none' }],
    })
    expect(primary).toMatchObject({
      traits: { pooling: 'transaction' },
      pooler: { direct: { connectionString: DIRECT } },
    })
    expect(replicas.map(({ traits, pooler }) => [traits.pooling, pooler.direct])).toEqual([
      ['transaction', undefined],
      ['none', undefined],
    ])
    for (const { config } of [primary, ...replicas]) {
      for (const own of ['pooler', 'direct', 'provider']) expect(config).not.toHaveProperty(own)
    }
  })

  it.each([
    [{ pooler: 'statement' }, /primary\.pooler.*expected "none", "session" or "transaction"/],
    [{ direct: 'server.example' }, /primary\.direct.*expected postgres:/],
    [{ provider: 'heroku' }, /primary\.provider.*expected fly-mpg, fly-postgres/],
  ])('refuses %o', (options, expected) => {
    expect(() => resolve(options as RoutedPoolOptions)).toThrow(expected)
  })
})

describe('B2: the direct URL comes from the environment', () => {
  it('by our own name, always', () => {
    const environment = { DATABASE_URL: POOLED, DATABASE_DIRECT_URL: DIRECT }
    expect(primaryOf({}, environment).direct).toBe(DIRECT)
    expect(primaryOf({ connectionString: 'postgres://elsewhere/app' }, environment).direct).toBe(DIRECT)
    expect(primaryOf({ direct: 'postgres://other/app' }, environment).direct).toBe('postgres://other/app')
  })

  it.each([
    'DIRECT_DATABASE_URL',
    'DIRECT_URL',
    'DATABASE_URL_UNPOOLED',
    'DATABASE_UNPOOLED_URL',
    'POSTGRES_URL_NON_POOLING',
  ])('by the name of a provider, %s, for the database beside it', (name) => {
    expect(primaryOf({}, { DATABASE_URL: POOLED, [name]: DIRECT }).direct).toBe(DIRECT)
    expect(primaryOf({ connectionString: POOLED }, { POSTGRES_URL: POOLED, [name]: DIRECT }).direct).toBe(DIRECT)
    expect(
      primaryOf({ connectionString: 'postgres://elsewhere/app' }, { DATABASE_URL: POOLED, [name]: DIRECT }).direct,
    ).toBe(undefined)
  })

  it('and is none where both are the same', () => {
    expect(primaryOf({}, { DATABASE_URL: DIRECT, DIRECT_URL: DIRECT }).direct).toBe(undefined)
  })

  it('for the replica too', () => {
    const environment = { DATABASE_REPLICA_URL: POOLED, DATABASE_REPLICA_DIRECT_URL: DIRECT }
    const { replicas } = resolve({ primary: { connectionString: DIRECT, region: 'ams' } }, environment)
    expect(replicas[0]?.pooler.direct?.connectionString).toBe(DIRECT)
  })
})

describe('B1: a provider is known by its host names', () => {
  it.each([
    ['postgres://u:p@pgbouncer.abc123.flympg.net/app', undefined, 'postgres://u:p@direct.abc123.flympg.net/app', 600],
    ['postgres://u:p@direct.abc123.flympg.net/app', 'none', undefined, 600],
    ['postgres://u:p@top2.nearest.of.db.internal:5432/app', undefined, undefined, undefined],
    [
      'postgres://u:p@ep-cool-name-123456-pooler.eu-central-1.aws.neon.tech/app?sslmode=require',
      'transaction',
      'postgres://u:p@ep-cool-name-123456.eu-central-1.aws.neon.tech/app?sslmode=require',
      600,
    ],
    ['postgres://u:p@ep-cool-name-123456.eu-central-1.aws.neon.tech/app', 'none', undefined, 600],
    [
      'postgres://postgres.ref:p@aws-0-eu-central-1.pooler.supabase.com:6543/postgres',
      'transaction',
      'postgres://postgres.ref:p@aws-0-eu-central-1.pooler.supabase.com:5432/postgres',
      undefined,
    ],
    ['postgres://postgres.ref:p@aws-0-eu-central-1.pooler.supabase.com:5432/postgres', 'session', undefined, undefined],
    ['postgres://postgres:p@db.ref.supabase.co:5432/postgres', 'none', undefined, undefined],
    ['postgres://u:p@app.cluster-abc.eu-west-1.rds.amazonaws.com/app', 'none', undefined, 600],
    ['postgres://u:p@app.proxy-abc.eu-west-1.rds.amazonaws.com/app', 'transaction', undefined, 600],
    [
      'postgres://u:p@p.abc.db.postgresbridge.com:5431/app',
      undefined,
      'postgres://u:p@p.abc.db.postgresbridge.com:5432/app',
      undefined,
    ],
    ['postgres://u:p@p.abc.db.postgresbridge.com:5432/app', 'none', undefined, 600],
    [POOLED, undefined, undefined, undefined],
  ])('%s', (connectionString, pooling, direct, lifetime) => {
    const found = primaryOf({ connectionString })
    expect(found).toMatchObject({ pooling, direct })
    expect(found.config.maxLifetimeSeconds).toBe(lifetime)
  })

  it('whose reader endpoint leads to several servers', () => {
    const reader = 'postgres://u:p@app.cluster-ro-abc.eu-west-1.rds.amazonaws.com/app'
    const { replicas } = resolve({
      primary: { connectionString: DIRECT },
      replicas: [{ connectionString: reader }, { connectionString: reader, endpoint: 'server' }],
    })
    expect(replicas.map(({ traits }) => traits.isOneServer)).toEqual([false, true])
  })

  it('and the app’s own word counts more', () => {
    const connectionString = 'postgres://u:p@pgbouncer.abc123.flympg.net/app'
    const own = primaryOf({ connectionString, provider: 'plain', maxLifetimeSeconds: 5 })
    expect(own).toMatchObject({ direct: undefined, config: { maxLifetimeSeconds: 5 } })
    const told = primaryOf({ connectionString, pooler: 'session', idleTimeoutMillis: 1_000 })
    expect(told).toMatchObject({ pooling: 'session', config: { maxLifetimeSeconds: 600, idleTimeoutMillis: 1_000 } })
  })
})

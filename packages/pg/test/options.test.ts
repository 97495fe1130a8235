import { OptionsInvalid } from '@headwater/core'
import { describe, expect, it } from 'vitest'
import { resolveOptions } from '../src/options/options.ts'

const url = 'postgres://u:p4ssword@db.example:5432/app'

describe('options', () => {
  it('come from the environment by default', () => {
    const resolved = resolveOptions(
      {},
      { FLY_REGION: 'nrt', PRIMARY_REGION: 'ams', DATABASE_URL: url, DATABASE_REPLICA_URL: `${url}2` },
    )
    expect(resolved).toMatchObject({
      region: 'nrt',
      routing: 'automatic',
      consistency: 'session',
      writesOutsideRequest: 'direct',
      primary: { name: 'primary', region: 'ams', config: { connectionString: url } },
      replicas: [{ name: 'replica-0', region: 'nrt', config: { connectionString: `${url}2` } }],
    })
    expect(Object.isFrozen(resolved)).toBe(true)
  })

  it('for reads have their defaults, and are checked', () => {
    const { reads, freshness, replicas, primary } = resolveOptions({ replicas: [{ host: 'two' }] }, {})
    expect(reads).toEqual({
      choice: 'round-robin',
      readsElsewhere: 'network',
      primaryReads: { share: 0.5, waitMillis: 5000 },
    })
    expect(freshness).toMatchObject({ allLate: 'wait', lateLimit: { millis: Infinity, bytes: Infinity } })
    expect(replicas[0]).toMatchObject({ share: { weight: 1, group: undefined, isForAll: true }, standIns: [] })
    expect(primary).toMatchObject({ share: { weight: 1 }, standIns: [] })
    const late = (options: object) => resolveOptions({ maxLag: { millis: 100 }, ...options }, {}).freshness.lateLimit
    expect(late({ allLate: 'share' })).toEqual({ millis: 200, bytes: Infinity })
    expect(late({ allLate: 'stale' })).toEqual({ millis: Infinity, bytes: Infinity })
    expect(late({ allLate: 'stale', lateLimit: { bytes: 5 } })).toEqual({ millis: Infinity, bytes: 5 })
    const named = resolveOptions(
      {
        primary: { host: 'one', standIns: ['lhr'] },
        replicas: [{ host: 'two', weight: 3, group: 'reports', groupOnly: false, standIns: ['cdg'] }],
      },
      {},
    )
    expect(named.primary.standIns).toEqual(['lhr'])
    expect(named.replicas[0]).toMatchObject({
      share: { weight: 3, group: 'reports', isForAll: true },
      standIns: ['cdg'],
    })
    // None of it reaches pg.
    expect(Object.keys(named.replicas[0]?.config ?? {})).toEqual(['host'])
    expect(Object.keys(named.primary.config)).toEqual(['host'])
  })

  it.each<[string, object]>([
    ['choice', { choice: 'random' }],
    ['choice', { choice: 'toString' }],
    ['readsElsewhere', { readsElsewhere: 'always' }],
    ['primaryReads.share', { primaryReads: { share: 0 } }],
    ['primaryReads.share', { primaryReads: { share: 1.1 } }],
    ['primaryReads.share', { primaryReads: { share: Number.NaN } }],
    ['primaryReads.waitMillis', { primaryReads: { waitMillis: -1 } }],
    ['primaryReads.waitMillis', { primaryReads: { waitMillis: 1.5 } }],
    ['allLate', { maxLag: { millis: 1 }, allLate: 'sometimes' }],
    ['allLate', { allLate: 'stale' }],
    ['lateLimit', { maxLag: { millis: 1 }, allLate: 'share', lateLimit: {} }],
    ['lateLimit.millis', { maxLag: { millis: 1 }, allLate: 'share', lateLimit: { millis: 0 } }],
    ['replicas[0].weight', { replicas: [{ host: 'two', weight: 0 }] }],
    ['replicas[0].weight', { replicas: [{ host: 'two', weight: 1.5 }] }],
    ['replicas[0].group', { replicas: [{ host: 'two', group: 'a b' }] }],
    ['replicas[0].groupOnly', { replicas: [{ host: 'two', groupOnly: true }] }],
    ['replicas[0].groupOnly', { replicas: [{ host: 'two', group: 'a', groupOnly: 'no' }] }],
    ['primary.standIns', { primary: { host: 'one', standIns: 'lhr' } }],
    ['primary.standIns', { primary: { host: 'one', standIns: ['LHR'] } }],
  ])('%s is refused: %j', (option, options) => {
    const make = () => resolveOptions(options as Parameters<typeof resolveOptions>[0], {})
    expect(make).toThrow(OptionsInvalid)
    expect(make).toThrow(`${option}`)
  })

  it('with none given mean one database, in the primary’s region', () => {
    expect(resolveOptions({}, {})).toMatchObject({ region: undefined, replicas: [], primary: { region: undefined } })
  })

  it('mikro-orm#1963, #4813: at the top level hold for every node, except the primary’s address', () => {
    const { primary, replicas } = resolveOptions(
      { host: 'one', port: 1, max: 7, password: 'p', replicas: [{ host: 'two' }] },
      {},
    )
    expect(primary.config).toMatchObject({ host: 'one', port: 1, max: 7, password: 'p' })
    expect(replicas[0]?.config).toMatchObject({ host: 'two', max: 7, password: 'p' })
    expect(replicas[0]?.config.port).toBeUndefined()
  })

  it('keep a password that pg hides from a spread', () => {
    const hidden = Object.defineProperty({ host: 'one' }, 'password', { value: 'p', enumerable: false })
    expect(resolveOptions({ primary: hidden, replicas: [hidden] }, {}).replicas[0]?.config.password).toBe('p')
  })

  it.each([
    [{ region: 'NRT' }, 'region'],
    [{ region: 'nrt;state=x' }, 'region'],
    [{ region: 'a'.repeat(64) }, 'region'],
    [{ primary: { region: 'ams\r\nx: y' } }, 'primary.region'],
    [{ replicas: [{ region: 'nrt' }] }, 'replicas[0]'],
    [{ replicas: [{ region: 'N', host: 'x' }] }, 'replicas[0].region'],
    [{ region: 'nrt', replicas: [{ host: 'x' }] }, 'primary.region'],
    [{ routing: 'fast' as 'opt-in' }, 'routing'],
    [{ writesOutsideRequest: 'maybe' as 'throw' }, 'writesOutsideRequest'],
    [{ replicas: 'x' as unknown as [] }, 'replicas'],
  ])('P7: %j is refused, naming %s', (options, option) => {
    const error: unknown = (() => {
      try {
        return resolveOptions(options, {})
      } catch (caught) {
        return caught
      }
    })()
    expect(error).toBeInstanceOf(OptionsInvalid)
    expect(error).toMatchObject({ option, code: 'HEADWATER_OPTIONS_INVALID', retryable: false })
    expect((error as Error).message).toMatch(/expected|give|set/)
  })

  it('an error never shows a secret', () => {
    expect(() => resolveOptions({ primary: { connectionString: url, region: 'BAD' } }, {})).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('p4ssword') }),
    )
  })
})

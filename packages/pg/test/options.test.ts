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

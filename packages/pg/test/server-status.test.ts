import { describe, expect, it } from 'vitest'
import { errorInWords } from '../src/fleet/error-in-words.ts'
import { verdictOn } from '../src/fleet/server-verdict.ts'
import { RoutedPool } from '../src/index.ts'

describe('the verdict on a server', () => {
  it.each([
    [{ isReachable: undefined, since: 0, openSince: undefined }, 'unknown', undefined],
    [{ isReachable: undefined, since: 0, openSince: 4_500 }, 'unknown', undefined],
    [{ isReachable: undefined, since: 0, openSince: 4_000 }, 'suspect', 5_000],
    [{ isReachable: true, since: 10, openSince: undefined }, 'up', 10],
    [{ isReachable: true, since: 10, openSince: 4_001 }, 'up', 10],
    [{ isReachable: true, since: 10, openSince: 3_000 }, 'suspect', 4_000],
    [{ isReachable: false, since: 20, openSince: undefined }, 'down', 20],
    [{ isReachable: false, since: 20, openSince: 1 }, 'down', 20],
  ])('O4: %j is %s since %s', (reachability, verdict, since) => {
    expect(verdictOn(reachability, 1_000, 5_000)).toEqual({ verdict, since })
  })
})

describe('an error in words', () => {
  it.each([
    [
      Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1'), { code: 'ECONNREFUSED' }),
      'connect ECONNREFUSED 127.0.0.1:1',
      'ECONNREFUSED',
    ],
    [
      Object.assign(new Error('sorry, too many clients already'), { code: '53300', severity: 'FATAL' }),
      'sorry, too many clients already',
      '53300',
    ],
    [new Error('cannot use postgres://app:s3cret@db/app'), 'cannot use postgres://***@db/app', undefined],
    [new Error('token s3cret was refused'), 'token *** was refused', undefined],
    [
      Object.assign(new AggregateError([new Error('connect ECONNREFUSED ::1:1')]), { code: 'ECONNREFUSED' }),
      'connect ECONNREFUSED ::1:1',
      'ECONNREFUSED',
    ],
    ['s3cret', 'an error that is no Error', undefined],
  ])('O4: %s holds its message and code, and no secret', (error, message, code) => {
    expect(errorInWords(error, ['', 's3cret'])).toEqual({ message, code })
  })
})

describe('pool.status()', () => {
  it('O4: says what it does not know by nothing, before the first query and with a URL that pg cannot read', async () => {
    const pool = new RoutedPool({
      region: 'nrt',
      primary: { region: 'ams', connectionString: 'postgres://app:s3cret@primary.internal:6543/app' },
      replicas: [{ region: 'nrt', connectionString: 'postgres://app:s3cret@[' }],
    })
    const status = pool.status()
    expect(status).toEqual({
      region: 'nrt',
      primaryRegion: 'ams',
      isAtHome: false,
      hasReplica: true,
      hasPrimary: true,
      cluster: undefined,
      timeline: undefined,
      servers: [
        expect.objectContaining({
          name: 'primary',
          host: 'primary.internal',
          port: 6543,
          region: 'ams',
          verdict: 'unknown',
        }),
        expect.objectContaining({ name: 'replica-0', host: undefined, role: 'unknown', lagMillis: undefined }),
      ],
    })
    expect(Object.isFrozen(status) && status.servers.every(Object.isFrozen)).toBe(true)
    expect(JSON.parse(JSON.stringify(status))).toEqual(status)
    expect(JSON.stringify(status)).not.toContain('s3cret')
    await pool.end()
    expect(pool.status().servers).toHaveLength(2)
  })
})

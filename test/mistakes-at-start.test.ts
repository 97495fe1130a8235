import { forward } from '@headwater/http'
import { headwater, health } from '@headwater/http/express'
import { RoutedPool, type RoutedPoolOptions } from '@headwater/pg'
import { describe, expect, test } from 'vitest'
import { Heard, SECRET } from './mistakes/heard.ts'

/**
 * What a newcomer does wrong, and what is printed: each message names the variable or option and the value that it wants. Wrong servers
 * are in `packages/pg/test/report.integration.test.ts`, and wrong worlds before the app runs in the doctor's own tests.
 */
/** What making a pool or a middleware says. */
function refusalOf(make: () => unknown): string {
  try {
    make()
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
  return 'nothing was said'
}

const url = 'postgres://app:hidden@db.example/app'
const pool = (options: RoutedPoolOptions) => () => new RoutedPool({ logger: false, ...options })
const topology = { region: 'nrt', primaryRegion: 'ams', isAtHome: false, hasReplica: true }
const middleware = (options: object) => () =>
  headwater({ pool: { topology, logger: false }, secret: SECRET, ...options })

describe('what is refused at the start', () => {
  test.each<[mistake: string, make: () => unknown, leads: RegExp]>([
    ['1: no HEADWATER_SECRET', middleware({ secret: '' }), /HEADWATER_SECRET .* same random value in every region/],
    ['1b: a short one', middleware({ secret: 'short' }), /16 characters or more.*HEADWATER_SECRET/],
    ['a short one among several', middleware({ secret: [SECRET, 'old'] }), /16 characters or more/],
    [
      '3d: replicas, a region, and no PRIMARY_REGION',
      pool({ region: 'nrt', primary: { connectionString: url }, replicas: [{ connectionString: url }] }),
      /primary\.region.*PRIMARY_REGION/,
    ],
    ['3f: a region in capitals', pool({ region: 'AMS' }), /"AMS" is not a region name.*such as "ams"/],
    [
      '5c: a URL without a scheme',
      pool({ primary: { connectionString: 'localhost:5433' } }),
      /primary\.connectionString: has no scheme.*postgres:\/\/user:password@host:port\/database/,
    ],
    [
      '5c: the same for a replica',
      pool({ replicas: [{ connectionString: 'db.nrt:5433/app' }] }),
      /replicas\[0\]\.connectionString: has no scheme/,
    ],
    ['a user and host without a scheme', pool({ connectionString: 'app:hidden@db/app' }), /has no scheme/],
    ['quotation marks that a file has kept', pool({ connectionString: `"${url}"` }), /begins with a quotation mark/],
    ['a blank before the URL', pool({ connectionString: ` ${url}` }), /begins with a blank/],
    [
      'a list of key=value with a blank in a value',
      pool({ connectionString: 'host=db dbname=my app' }),
      /no list of keywords and values.*name='value'/,
    ],
    [
      '6b: no DATABASE_URL, with regions',
      pool({ region: 'nrt', primary: { region: 'ams' } }),
      /primary\.connectionString: is missing.*127\.0\.0\.1:5432.*set DATABASE_URL/,
    ],
    [
      'a replica without an address',
      pool({ replicas: [{ region: 'nrt' }] }),
      /replicas\[0\].*connectionString, a host or port, or discover/,
    ],
    ['replicas that are no list', pool({ replicas: { connectionString: url } as never }), /replicas.*array/],
    ['bounded reads without a bound', pool({ consistency: 'bounded', connectionString: url }), /consistency.*maxLag/],
    ['routing that is not known', pool({ routing: 'auto' as never }), /routing.*"automatic" or "opt-in"/],
    ['a logger that is none', pool({ logger: 'console' as never }), /logger.*`info` and `warn`.*`false`/],
    ['a time in seconds', pool({ suspectAfterMillis: 1 }), /suspectAfterMillis.*50 to 60000 milliseconds/],
    ['no pool for the middleware', middleware({ pool: undefined }), /pool.*RoutedPool/],
    ['no pool for the health checks', () => health({} as never), /pool.*RoutedPool/],
    [
      'a path of health checks without a slash',
      () => health({ pool: { topology }, readyPath: 'ready' }),
      /readyPath.*"\/health"/,
    ],
    ['a limit that is no number', middleware({ bodyLimitBytes: '1mb' }), /bodyLimitBytes.*bytes/],
  ])('O1: %s', (_mistake, make, leads) => {
    const message = refusalOf(make)
    expect(message).toMatch(leads)
    expect(message).not.toContain('hidden')
  })

  test('O1: without regions nothing is asked for: no secret, no DATABASE_URL, and nothing is said', () => {
    const heard = new Heard()
    const plain = new RoutedPool({ logger: heard })
    expect(refusalOf(() => headwater({ pool: plain, secret: '' }))).toBe('nothing was said')
    expect(heard.said).toEqual([])
  })

  test('O1: with replicas and no secret that is said, once', () => {
    const heard = new Heard()
    const alone = {
      topology: { ...topology, region: undefined, primaryRegion: undefined, isAtHome: true },
      logger: heard,
    }
    headwater({ pool: alone, secret: '' })
    headwater({ pool: alone, secret: '' })
    expect(heard.said).toEqual([
      expect.stringMatching(/HEADWATER_NO_SECRET.*set HEADWATER_SECRET to the same random value/i),
    ])
  })

  test('O1: a body limit above what the proxy can replay', () => {
    const heard = new Heard()
    for (const bodyLimitBytes of [undefined, 1_000_000, 1_000_001]) {
      headwater({ pool: { topology, logger: heard }, secret: SECRET, bodyLimitBytes })
    }
    const replayTarget = forward({ regions: { ams: 'http://127.0.0.1:1' } })
    const unasked = new Heard()
    headwater({ pool: { topology, logger: unasked }, secret: SECRET, bodyLimitBytes: 10_000_000, replayTarget })
    expect(unasked.said).toEqual([])
    expect(heard.said).toEqual([
      expect.stringMatching(/HEADWATER_BODY_LIMITS: bodyLimitBytes is 1000001.*to 1000000 or less/),
    ])
  })
})

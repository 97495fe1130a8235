import { OptionsInvalid } from '@headwater/core'
import { createTopology } from '@headwater/core/internal'
import type { HeadwaterOptions } from '@headwater/http'
import { flyReplay } from '@headwater/http'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { resolveOptions } from '../src/options.ts'

const pool = { topology: createTopology({ region: 'nrt', primaryRegion: 'ams', hasReplica: true }) }
const secret = 'long enough to be a secret'

afterEach(() => {
  vi.unstubAllEnvs()
})

/** The error that refuses these options. */
function classifyRefusal(options: unknown): OptionsInvalid {
  try {
    resolveOptions(options as HeadwaterOptions)
  } catch (error) {
    if (error instanceof OptionsInvalid) return error
    throw error
  }
  throw new Error('these options were accepted')
}

describe('options', () => {
  test('are checked once, completed and frozen', () => {
    const resolved = resolveOptions({ pool, secret })
    expect(Object.isFrozen(resolved)).toBe(true)
    expect(resolved).toMatchObject({ bodyLimitBytes: 1_000_000, retryAfterSeconds: 1, secrets: [secret] })
    expect(resolved.replayTarget.name).toBe('fly-replay')
  })

  test('F1: tokens are carried by cookie and header for a minute, unless the app says otherwise', () => {
    expect(resolveOptions({ pool, secret }).token).toEqual({
      cookie: { name: 'headwater', path: '/' },
      hasHeader: true,
      timeToLiveMillis: 60_000,
      isTrackingAll: false,
      isForWritesOnly: false,
      store: undefined,
    })
    const token = {
      cookie: { name: '__Host-seen' },
      header: false,
      timeToLiveMillis: 5000,
      trackReads: 'always',
    } as const
    expect(resolveOptions({ pool, secret, token }).token).toEqual({
      cookie: { name: '__Host-seen', path: '/' },
      hasHeader: false,
      timeToLiveMillis: 5000,
      isTrackingAll: true,
      isForWritesOnly: false,
      store: undefined,
    })
    expect(resolveOptions({ pool, secret, token: { trackReads: 'never' } }).token?.isForWritesOnly).toBe(true)
    const longest = 'a'.repeat(55)
    expect(resolveOptions({ pool, secret, token: { cookie: { name: longest } } }).token?.cookie?.name).toBe(longest)
    expect(resolveOptions({ pool, secret, token: { cookie: false } }).token?.cookie).toBeUndefined()
    const store = { load: () => undefined, save: () => undefined }
    expect(
      resolveOptions({ pool, secret, token: { cookie: false, header: false, ...store } }).token?.store,
    ).toBeDefined()
    for (const off of [false, { cookie: false, header: false }] as const) {
      expect(resolveOptions({ pool, secret, token: off }).token).toBeUndefined()
    }
  })

  test('P10: what the app says of refusals is checked when it says it', () => {
    const facts = { method: 'GET', url: '/', header: () => undefined, isSecure: false }
    const saying = (answer: unknown) =>
      resolveOptions({ pool, secret, refusals: () => answer as 'errors' }).refusals(facts)
    expect([saying('always'), saying('never'), saying(undefined)]).toEqual(['always', 'never', 'errors'])
    expect(() => saying('some')).toThrow(OptionsInvalid)
    expect(resolveOptions({ pool, secret })).toMatchObject({ tooLarge: 'refuse', replayOn: undefined })
  })

  test('the secret comes from HEADWATER_SECRET when none is given', () => {
    vi.stubEnv('HEADWATER_SECRET', 'from the environment')
    expect(resolveOptions({ pool }).secrets).toEqual(['from the environment'])
    expect(resolveOptions({ pool, secret: [secret] }).secrets).toEqual([secret])
  })

  test.each([[undefined], [''], [[]], ['short'], [[secret, 'short']], [42]])(
    'a secret that is %j is refused, with what to set, and is not shown',
    (wrong) => {
      vi.stubEnv('HEADWATER_SECRET', undefined)
      const error = classifyRefusal({ pool, secret: wrong })
      expect(error).toMatchObject({ option: 'secret', code: 'HEADWATER_OPTIONS_INVALID' })
      expect(error.message).toContain('HEADWATER_SECRET')
      expect(error.message).not.toContain('short')
    },
  )

  test.each([
    ['pool', { secret }],
    ['pool', { pool: {}, secret }],
    ['pool', undefined],
    ['bodyLimitBytes', { pool, secret, bodyLimitBytes: -1 }],
    ['bodyLimitBytes', { pool, secret, bodyLimitBytes: '1mb' }],
    ['earlyReplay', { pool, secret, earlyReplay: 'no' }],
    ['tooLarge', { pool, secret, tooLarge: 'forward' }],
    ['tooLarge', { pool, secret, tooLarge: true }],
    ['refusals', { pool, secret, refusals: 'some' }],
    ['refusals', { pool, secret, refusals: false }],
    ['replayOn', { pool, secret, replayOn: true }],
    ['replayOn', { pool, secret, replayOn: null }],
    ['replayTarget.steer', { pool, secret, replayTarget: { ...flyReplay(), steer: 'fly-prefer-region' } }],
    ['route', { pool, secret, route: '/x' }],
    ['skip', { pool, secret, skip: ['/x'] }],
    ['retryAfterSeconds', { pool, secret, retryAfterSeconds: 0.5 }],
    ['replayTarget', { pool, secret, replayTarget: {} }],
    ['replayTarget', { pool, secret, replayTarget: { ...flyReplay(), connect: () => undefined } }],
    ['replayTarget', { pool, secret, replayTarget: flyReplay(), timeoutMillis: 1000 }],
    ['timeoutMillis', { pool, secret, timeoutMillis: 0 }],
    ['fallback', { pool, secret, fallback: 'me' }],
    ['pool.hasEveryReplica', { pool: { ...pool, hasEveryReplica: true }, secret }],
    ['token', { pool, secret, token: true }],
    ['token', { pool, secret, token: null }],
    ['token.cookie', { pool, secret, token: { cookie: true } }],
    ['token.cookie.name', { pool, secret, token: { cookie: { name: '' } } }],
    ['token.cookie.name', { pool, secret, token: { cookie: { name: 'a b' } } }],
    ['token.cookie.name', { pool, secret, token: { cookie: { name: 'a=b' } } }],
    ['token.cookie.name', { pool, secret, token: { cookie: { name: 'ä' } } }],
    ['token.cookie.name', { pool, secret, token: { cookie: { name: 7 } } }],
    // With `.` and 8 characters behind it, it would have 65.
    ['token.cookie.name', { pool, secret, token: { cookie: { name: 'a'.repeat(56) } } }],
    ['token.cookie.path', { pool, secret, token: { cookie: { path: 'app' } } }],
    ['token.cookie.path', { pool, secret, token: { cookie: { name: '__Host-seen', path: '/app' } } }],
    ['pool.positionSince', { pool: { ...pool, positionSince: true }, secret }],
    ['token.cookie.path', { pool, secret, token: { cookie: { path: '/; Domain=a' } } }],
    ['token.header', { pool, secret, token: { header: 'x-token' } }],
    ['token.timeToLiveMillis', { pool, secret, token: { timeToLiveMillis: 0 } }],
    ['token.timeToLiveMillis', { pool, secret, token: { timeToLiveMillis: 2 ** 32 } }],
    ['token.timeToLiveMillis', { pool, secret, token: { timeToLiveMillis: '60s' } }],
    ['token.trackReads', { pool, secret, token: { trackReads: 'sometimes' } }],
    ['token.save', { pool, secret, token: { load: () => {} } }],
    ['token.load', { pool, secret, token: { load: 'redis', save: () => {} } }],
    ['token.storeTimeoutMillis', { pool, secret, token: { storeTimeoutMillis: 5 } }],
    ['token.storeTimeoutMillis', { pool, secret, token: { load: () => {}, save: () => {}, storeTimeoutMillis: 0 } }],
    ['pool.topology.primaryRegion', { pool: { topology: { region: 'a', primaryRegion: 'a;b' } }, secret }],
  ])('a wrong %s is refused by its name', (option, options) => {
    expect(classifyRefusal(options).option).toBe(option)
  })
})

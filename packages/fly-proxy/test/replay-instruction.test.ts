import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type ReplayRules, readReplayHeaders, readReplayJson, replayFormOf } from '../src/replay/instruction.ts'
import { InvalidReplayError } from '../src/replay/invalid-replay-error.ts'

const rules: ReplayRules = { unknownFields: 'reject', unquotedValues: 'token', stateMaxBytes: 1024 }
const header = (text: string, more: [string, string][] = []) =>
  readReplayHeaders([['Fly-Replay', text], ...more], rules)
const json = (value: unknown) => readReplayJson(typeof value === 'string' ? value : JSON.stringify(value), rules)

describe('1.10.4: replay iff fly-replay is present or the media type is the JSON one', () => {
  it('1.1: the header name is case-insensitive', () => {
    expect(replayFormOf([['FLY-REPLAY', 'region=ord']])).toBe('header')
  })

  it('1.10.4: media type parameters are ignored', () => {
    expect(replayFormOf([['Content-Type', 'Application/vnd.fly.replay+json; charset=utf-8']])).toBe('json')
  })

  it('1.10.4: any other answer is an answer', () => {
    expect(replayFormOf([['Content-Type', 'application/json']])).toBeUndefined()
    expect(replayFormOf([['fly-replay-src', 'x']])).toBeUndefined()
  })
})

describe('1.1: fields of the header', () => {
  it('1.1: all of them', () => {
    expect(
      header('app=b;region="sjc,any";prefer_instance=m1;state=s;elsewhere=true;timeout=800ms;fallback=force_self'),
    ).toEqual({
      ...{ app: 'b', regions: ['sjc', 'any'], preferInstance: 'm1', state: 's' },
      ...{ isElsewhere: true, timeoutMillis: 800, fallback: 'force_self' },
    })
  })

  it.each([
    ['unknown key: reject', 'region=ord;colour=red'],
    ['unknown fallback', 'region=ord;fallback=self'],
    ['bad duration', 'region=ord;timeout=10'],
    ['elsewhere is true or false', 'elsewhere=yes'],
    ['combinations must be logically valid', 'instance=a;prefer_instance=b'],
    ['a target is needed', 'state=x'],
    ['not even this names a target', 'elsewhere=false'],
    ['region names', 'region="ord,,ams"'],
    ['fly E8: a region in capitals', 'region=ORD'],
    ['fly E8: a semicolon at the end', 'region=ord;'],
    ['fly E8: a fraction of a second', 'region=ord;timeout=1.5s'],
    ['fly E8: two units', 'region=ord;timeout=1m30s'],
    ['an empty value', 'region=""'],
  ])('1.10.5: PA03: %s (%s)', (_rule, text) => {
    expect(() => header(text)).toThrow(InvalidReplayError)
  })

  it('1.10.5: unknownFields "ignore" lets an unknown key pass', () => {
    expect(readReplayHeaders([['fly-replay', 'region=ord;colour=red']], { ...rules, unknownFields: 'ignore' })).toEqual(
      {
        regions: ['ord'],
      },
    )
  })

  it('1.1: stateMaxBytes 1024 counts bytes', () => {
    expect(header(`region=ord;state=${'x'.repeat(1024)}`).state).toHaveLength(1024)
    expect(() => header(`region=ord;state=${'x'.repeat(1025)}`)).toThrow(/1024 bytes/)
  })

  it('1.7: cache headers', () => {
    const more: [string, string][] = [
      ['fly-replay-cache', '/p/*'],
      ['fly-replay-cache-ttl-secs', '60'],
      ['fly-replay-cache-allow-bypass', 'yes'],
    ]
    expect(header('app=b', more).cache).toEqual({ kind: 'store', prefix: '/p/*', ttlSeconds: 60, allowBypass: true })
    expect(header('app=b', [['fly-replay-cache', 'invalidate']]).cache).toEqual({ kind: 'invalidate' })
    expect(() =>
      header('app=b', [
        ['fly-replay-cache', '/p/*'],
        ['fly-replay-cache-ttl-secs', 'x'],
      ]),
    ).toThrow(InvalidReplayError)
  })
})

describe('1.2: the JSON form', () => {
  it('1.2: the example of the documentation; lists are plain strings', () => {
    const { instance: _, ...example } = {
      ...{ app: 'a', region: 'iad,us', instance: '..', prefer_instance: '..', state: '..', elsewhere: true },
      ...{ timeout: '10s', fallback: 'force_self' },
      transform: { path: '/new?x=1', delete_headers: ['Cookie'], set_headers: [{ name: 'x-a', value: 'b' }] },
      cache: { prefix: '/p/*', ttl: 60 },
    }
    expect(json(example)).toEqual({
      ...{ app: 'a', regions: ['iad', 'us'], preferInstance: '..', state: '..', isElsewhere: true },
      ...{ timeoutMillis: 10_000, fallback: 'force_self' },
      transform: { path: '/new?x=1', deleteHeaders: ['cookie'], setHeaders: [['x-a', 'b']] },
      cache: { kind: 'store', prefix: '/p/*', ttlSeconds: 60, allowBypass: false },
    })
  })

  it('1.2: allow_bypass: accept top level and under cache', () => {
    const cache = { prefix: '/p/*', ttl: 60 }
    expect(json({ app: 'a', cache: { ...cache, allow_bypass: true } }).cache).toMatchObject({ allowBypass: true })
    expect(json({ app: 'a', cache, allow_bypass: true }).cache).toMatchObject({ allowBypass: true })
  })

  it('1.2: cache.invalidate: true', () => {
    expect(json({ region: 'ams', cache: { invalidate: true } }).cache).toEqual({ kind: 'invalidate' })
  })

  it.each([
    ['no JSON', '{'],
    ['no object', '[]'],
    ['a number for a region', { region: 1 }],
    ['a string for elsewhere', { elsewhere: 'true' }],
    ['an unknown field', { region: 'ord', colour: 'red' }],
    ['an unknown field', { region: 'ord', transform: { method: 'GET' } }],
    ['a path that is none', { region: 'ord', transform: { path: 'http://evil' } }],
    ['a path with a line break', { region: 'ord', transform: { path: '/a\r\nx: y' } }],
    ['a header that injects', { region: 'ord', transform: { set_headers: [{ name: 'a', value: 'b\r\nc: d' }] } }],
    ['a header without a name', { region: 'ord', transform: { set_headers: [{ value: 'b' }] } }],
    ['names that are no list', { region: 'ord', transform: { delete_headers: 'cookie' } }],
    ['__proto__', '{"region":"ord","__proto__":{"app":"x"}}'],
  ])('1.10.5: PA03: %s', (_rule, value) => {
    expect(() => json(value)).toThrow(InvalidReplayError)
  })

  it('1.10.5: any JSON is an instruction or refused with InvalidReplayError', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc
            .dictionary(fc.constantFrom('region', 'app', 'timeout', 'transform', 'cache', 'state'), fc.jsonValue())
            .map((value) => JSON.stringify(value)),
        ),
        (text) => {
          try {
            expect(Object.isFrozen(json(text))).toBe(true)
          } catch (error) {
            expect(error).toBeInstanceOf(InvalidReplayError)
          }
        },
      ),
    )
  })
})

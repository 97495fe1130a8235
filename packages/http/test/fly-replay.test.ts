import { OptionsInvalid } from '@headwater/core'
import { flyReplay, type ReplayOrder } from '@headwater/http'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseHeaderPairs } from '../src/replay/header-pairs.ts'

const headers =
  (values: Record<string, string>) =>
  (name: string): string | undefined =>
    values[name]

describe('header pairs', () => {
  test('the documented examples are read', () => {
    expect([...(parseHeaderPairs('instance=148e21;region=nrt;t=1700000000000000;state=v1.a-b_c') ?? [])]).toEqual([
      ['instance', '148e21'],
      ['region', 'nrt'],
      ['t', '1700000000000000'],
      ['state', 'v1.a-b_c'],
    ])
    expect(parseHeaderPairs('region="iad,ord"; reason=timeout')?.get('region')).toBe('iad,ord')
  })

  test.each(['', ';', 'a', 'a=1,b=2', 'a=1;;b=2', 'a=1;a=2', '=1', 'A=1', 'a="x', 'a="\\""', 'a=1;', 'a=\n', 'a=é'])(
    'P7: %j is refused whole',
    (value) => {
      expect(parseHeaderPairs(value)).toBeUndefined()
    },
  )

  test('P7: nothing makes it throw, and what it accepts it accepts again', () => {
    const piece = fc.oneof(fc.string(), fc.constantFrom('a=1', ';', '"', 'state=', 'region=ams', ' '))
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        const pairs = parseHeaderPairs(pieces.join(''))
        if (pairs === undefined) return
        const again = [...pairs].map(([key, value]) => `${key}="${value}"`).join(';')
        expect(parseHeaderPairs(again)).toEqual(pairs)
      }),
    )
  })

  test('P7: a long value is refused in no time', () => {
    expect(parseHeaderPairs(`a=${'x'.repeat(5000)}`)).toBeUndefined()
  })
})

const orderOf = (regions: ReplayOrder['regions'], state: string): ReplayOrder => ({
  region: regions[0],
  regions,
  state,
  reason: 'write',
  request: { method: 'POST', scheme: 'https', host: 'app.example', url: '/notes' },
})

describe('flyReplay', () => {
  test('X8: several regions are a list in quotes, in their order, each once', () => {
    const answer = (regions: ReplayOrder['regions']) =>
      flyReplay().answer(orderOf(regions, 'v1.x'))?.headers['fly-replay']
    expect(answer(['fra', 'ams', 'lhr'])).toMatch(/^region="fra,ams,lhr";state=v1\.x;timeout=10s;/)
    expect(answer(['fra', 'fra', 'ams'])).toMatch(/^region="fra,ams";/)
    expect(answer(['fra'])).toMatch(/^region=fra;/)
  })

  test('P8: how long a failed replay took is read where it is a number', () => {
    const took = (value: string) => flyReplay().arrival(headers({ 'fly-replay-failed': value })).failedAfterMillis
    expect(took('reason=timeout;elapsed_ms=10000')).toBe(10_000)
    for (const value of ['reason=timeout', 'reason=timeout;elapsed_ms=-1', 'reason=timeout;elapsed_ms=1e9', '']) {
      expect(took(value)).toBeUndefined()
    }
  })

  test('P9: the answer is a 409 that nobody stores, with the fields that Fly documents', () => {
    expect(flyReplay().answer(orderOf(['ams'], 'v1.x'))).toEqual({
      status: 409,
      headers: {
        'fly-replay': 'region=ams;state=v1.x;timeout=10s;fallback=prefer_self',
        'cache-control': 'no-store',
        'content-length': '0',
      },
    })
    const other = flyReplay({ timeoutMillis: 1500, fallback: 'none' }).answer(orderOf(['ams'], 's'))
    expect(other?.headers['fly-replay']).toBe('region=ams;state=s;timeout=1500ms')
  })

  test('P8: a failed replay is recognized by its reason, whatever else Fly adds', () => {
    const failed = (value: string): boolean => flyReplay().arrival(headers({ 'fly-replay-failed': value })).hasFailed
    expect(failed('instance=1;app=a;region=ams;replay_source=2;reason=timeout;elapsed_ms=10000')).toBe(true)
    expect(failed('reason=something_new;more=1')).toBe(true)
    expect(failed('instance=1;region=ams')).toBe(false)
    expect(failed('reason=')).toBe(false)
    expect(failed('reason=a b')).toBe(false)
  })

  test('P4: a state of ours shows also in a header that does not parse, as two folded into one', () => {
    const stateOf = (source: string) => flyReplay().arrival(headers({ 'fly-replay-src': source })).state
    expect(stateOf('region=nrt;state=hw2.a.b, region=nrt;t=1')).toBe('hw2.a.b')
    expect(stateOf('x, instance=1;state="hw2.a.b";t=é')).toBe('hw2.a.b')
    expect(stateOf('state=mine;state=hw2.a.b')).toBe('hw2.a.b')
    expect(stateOf(`${'a'.repeat(8000)};state=hw2.a.b`)).toBe('hw2.a.b')
    for (const none of ['state=mine, state=yours', ', state=hwx.a', 'state="', ' '])
      expect(stateOf(none)).toBeUndefined()
  })

  test('P7: no header makes it throw', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (source, failed) => {
        const arrival = flyReplay().arrival(headers({ 'fly-replay-src': source, 'fly-replay-failed': failed }))
        expect(arrival.isBehindProxy).toBe(true)
      }),
    )
    const { state, hasFailed, isBehindProxy } = flyReplay().arrival(headers({}))
    expect({ state, hasFailed, isBehindProxy }).toEqual({ state: undefined, hasFailed: false, isBehindProxy: false })
  })

  test.each([0, -1, 1.5, Number.NaN, 1e9])('a timeout of %d is refused', (timeoutMillis) => {
    expect(() => flyReplay({ timeoutMillis })).toThrow(OptionsInvalid)
  })

  test('an unknown fallback is refused', () => {
    // @ts-expect-error what JavaScript may pass
    expect(() => flyReplay({ fallback: 'self' })).toThrow(/prefer_self, force_self or none/)
  })
})

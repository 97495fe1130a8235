import { OptionsInvalid } from '@headwater/core'
import { caddy, envoy, forward, haproxy, nginx, type ReplayOrder, redirect } from '@headwater/http'
import { describe, expect, test } from 'vitest'

const orderOf = (url: string, more: Partial<ReplayOrder> = {}): ReplayOrder => ({
  region: 'ams',
  regions: ['ams'],
  state: 'hw2.state',
  reason: 'write',
  request: { method: 'POST', scheme: 'https', host: 'app.example', url },
  ...more,
})

describe('targets of proxies', () => {
  const words = { 'headwater-region': 'ams', 'headwater-state': 'hw2.state' }

  test.each([
    ['nginx by error_page', nginx(), 470, {}],
    ['nginx by accel', nginx({ by: 'accel' }), 200, { 'x-accel-redirect': '@primary' }],
    ['HAProxy by retry', haproxy(), 425, {}],
    ['HAProxy by Lua', haproxy({ by: 'lua' }), 470, {}],
    ['Envoy', envoy(), 307, { location: 'https://app.example/a?b=c' }],
    ['Caddy', caddy(), 470, {}],
  ])('P9: %s is told by a status and headers', (_, target, status, headers) => {
    expect(target.answer(orderOf('/a?b=c'))).toMatchObject({ status, headers: { ...words, ...headers } })
  })

  test('P7: a request is a hop by its state, and came back by a header that only the proxy sets', () => {
    const arrival = (headers: Record<string, string>) => nginx().arrival((name) => headers[name])
    expect(arrival({})).toEqual({ state: undefined, hasFailed: false, isBehindProxy: false })
    expect(arrival({ 'headwater-proxy': 'nginx', 'headwater-state': 's', 'headwater-failed': '1' })).toEqual({
      state: 's',
      hasFailed: true,
      isBehindProxy: true,
    })
  })
})

describe('redirect()', () => {
  const target = redirect({ regions: { ams: 'https://ams.api.example', fra: 'https://fra.api.example:8443' } })
  const locationOf = (url: string, more: Partial<ReplayOrder> = {}) =>
    target.answer(orderOf(url, more))?.headers['location']

  test('P9: is a 307 to the same path and query at the region’s own host', () => {
    expect(target.answer(orderOf('/notes?a=1&b=%20'))).toEqual({
      status: 307,
      headers: {
        location: 'https://ams.api.example/notes?a=1&b=%20',
        'cache-control': 'no-store',
        'content-length': '0',
      },
    })
  })

  test('P9: a stand-in takes the place of a region without an address; where there is none, the replay has failed', () => {
    expect(locationOf('/', { region: 'lhr', regions: ['lhr', 'fra'] })).toBe('https://fra.api.example:8443/')
    expect(target.answer(orderOf('/', { region: 'lhr', regions: ['lhr'] }))).toBeUndefined()
  })

  test.each([
    '//evil.example/x',
    '/\\\\evil.example',
    'http://evil.example/x',
    '*',
    '@evil.example',
    '.evil.example',
    '',
  ])('P7: %j leads to no other host', (url) => {
    expect(new URL(locationOf(url) ?? '').host).toBe('ams.api.example')
  })

  test.each([
    {},
    { ams: 'ams.example' },
    { ams: 'https://ams.example/path' },
    { AMS: 'https://a.example' },
    { ams: 'ftp://a.example' },
  ])('wrong addresses are refused: %j', (regions) => {
    expect(() => redirect({ regions: regions as Record<string, string> })).toThrow(OptionsInvalid)
  })
})

describe('the options of forward()', () => {
  test.each([
    { regions: {} },
    { regions: 'http://app.internal' },
    { regions: '{region}' },
    { regions: { ams: 'http://user:secret@app' } },
    { regions: { ams: 'http://app/path' } },
    { regions: { 'a b': 'http://app' } },
    { regions: { ams: 'http://app' }, connectTimeoutMillis: 0 },
    { regions: { ams: 'http://app' }, answerTimeoutMillis: 1.5 },
    { regions: { ams: 'http://app' }, idleTimeoutMillis: -1 },
    { regions: { ams: 'http://app' }, maxConnections: 0 },
    { regions: { ams: 'http://app' }, host: 'mine' },
  ])('are checked: %j', (options) => {
    const refused = () => forward(options as unknown as Parameters<typeof forward>[0])
    expect(refused).toThrow(OptionsInvalid)
    expect(refused).not.toThrow(/secret/)
  })
})

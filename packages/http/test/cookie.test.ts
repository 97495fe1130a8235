import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatCookie, readCookie } from '../src/cookie.ts'

describe('a Cookie header', () => {
  test.each([
    [undefined, undefined],
    ['', undefined],
    ['headwater', undefined],
    ['other=1', undefined],
    ['headwater=a', 'a'],
    ['headwater=', ''],
    ['first=1; headwater=a; last=2', 'a'],
    ['first=1;headwater=a;last', 'a'],
    ['first=headwater=b; headwater=a', 'a'],
    ['xheadwater=b; headwaterx=c', undefined],
    ['HEADWATER=a', undefined],
    ['headwater=a=b', 'a=b'],
    ['headwater="a"', '"a"'],
    ['headwater=%41', '%41'],
  ])('%j has the value %j', (header, value) => {
    expect(readCookie(header, 'headwater')).toBe(value)
  })

  test.each(['headwater=a; headwater=b', 'headwater=a; x=1;headwater=a'])(
    'F3: %j has none: it comes more than once',
    (header) => {
      expect(readCookie(header, 'headwater')).toBeUndefined()
    },
  )

  test('F3: garbage never throws, and ours is found among others', () => {
    const pair = fc.stringMatching(/^[a-z]{1,5}=[!-:<-~]{0,10}$/).filter((text) => !text.startsWith('mine='))
    fc.assert(fc.property(fc.string(), (text) => typeof (readCookie(text, 'mine') ?? '') === 'string'))
    fc.assert(
      fc.property(fc.array(pair), fc.array(pair), fc.stringMatching(/^[\w-]{1,90}$/), (before, after, value) => {
        expect(readCookie([...before, `mine=${value}`, ...after].join('; '), 'mine')).toBe(value)
      }),
    )
  })
})

test('a cookie of ours is out of reach of scripts and of other sites', () => {
  const cookie = { name: 'headwater', value: 'a', path: '/', maxAge: 60, isSecure: false }
  expect(formatCookie(cookie)).toBe('headwater=a; Path=/; Max-Age=60; HttpOnly; SameSite=Lax')
  expect(formatCookie({ ...cookie, isSecure: true })).toBe(
    'headwater=a; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure',
  )
})

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatCookie, readCookies } from '../src/token/cookie.ts'

const A = 'headwater.AAAAAAAA'
const B = 'headwater.b-_9bbbb'

describe('a Cookie header', () => {
  test.each<[string | undefined, readonly (readonly [string, string])[]]>([
    [undefined, []],
    ['', []],
    [A, []],
    ['other=1', []],
    [`${A}=a`, [[A, 'a']]],
    [`${A}=`, [[A, '']]],
    [`first=1; ${A}=a; last=2`, [[A, 'a']]],
    [`first=1;${A}=a;last`, [[A, 'a']]],
    [
      `${B}=b; x=1; ${A}=a`,
      [
        [B, 'b'],
        [A, 'a'],
      ],
    ],
    [
      `${A}=a; ${A}=b;${A}=a`,
      [
        [A, 'a'],
        [A, 'b'],
        [A, 'a'],
      ],
    ],
    [`first=${A}=b; ${A}=a`, [[A, 'a']]],
    [`${A}=a=b`, [[A, 'a=b']]],
    [`${A}="a"`, [[A, '"a"']]],
    [`${A}=%41`, [[A, '%41']]],
  ])('%j has %j', (header, pairs) => {
    expect(readCookies(header, 'headwater').map(({ key, text }) => [key, text])).toEqual(pairs)
  })

  test.each([
    'headwater',
    'headwater.',
    'headwater.AAAAAAA',
    'headwater.AAAAAAAAA',
    'headwater.AAAA AAA',
    'headwater.AAAAAAA%',
    'headwater.AAAAAAA"',
    'headwater.AAAAAAA\n',
    'headwaterXAAAAAAAA',
    'xheadwater.AAAAAAAA',
    'HEADWATER.AAAAAAAA',
  ])('P7: %j is no name of ours', (name) => {
    expect(readCookies(`a=1; ${name}=x; b=2`, 'headwater')).toEqual([])
  })

  test('F3: garbage never throws, and our cookies are found among others', () => {
    const pair = fc.stringMatching(/^[a-z.]{1,5}=[!-:<-~]{0,10}$/)
    const suffix = fc.stringMatching(/^[\w-]{8}$/)
    fc.assert(
      fc.property(fc.string(), (text) => {
        for (const { key } of readCookies(text, 'mine')) expect(key).toMatch(/^mine\.[\w-]{8}$/)
      }),
    )
    fc.assert(
      fc.property(fc.array(pair), fc.array(pair), fc.array(suffix), (before, after, suffixes) => {
        const ours = suffixes.map((text) => `mine.${text}=${text}`)
        const found = readCookies([...before, ...ours, ...after].join('; '), 'mine')
        expect(found.map(({ key, text }) => `${key}=${text}`)).toEqual(ours)
      }),
    )
  })
})

test('a cookie of ours is out of reach of scripts and of other sites', () => {
  const cookie = { name: 'headwater', value: 'a', path: '/', maxAgeSeconds: 60, isSecure: false }
  expect(formatCookie(cookie)).toBe('headwater=a; Path=/; Max-Age=60; HttpOnly; SameSite=Lax')
  expect(formatCookie({ ...cookie, isSecure: true })).toBe(
    'headwater=a; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure',
  )
})

test.each(['__Host-seen', '__Secure-seen', '__host-seen', '__Http-seen'])(
  'P7: a cookie named %s is Secure also where TLS ends at a proxy that does not say so: browsers drop it otherwise',
  (name) => {
    const cookie = { name, value: 'a', path: '/', maxAgeSeconds: 60, isSecure: false }
    expect(formatCookie(cookie)).toMatch(/; Secure$/)
  },
)

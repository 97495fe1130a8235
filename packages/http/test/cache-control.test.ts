import { describe, expect, test } from 'vitest'
import { isOfferedToSharedCaches, withoutSharedCaches, withVary } from '../src/response/cache-control.ts'

describe('a response for one client', () => {
  test.each([
    [undefined, 'private'],
    ['', 'private'],
    ['max-age=60', 'private, max-age=60'],
    ['public', 'private'],
    ['public, max-age=60', 'private, max-age=60'],
    ['Public,max-age=60,S-MaxAge=600', 'private, max-age=60'],
    ['s-maxage=600, stale-while-revalidate=30', 'private, stale-while-revalidate=30'],
    ['public, private', 'private'],
    ['private', 'private'],
    ['Private, max-age=0', 'Private, max-age=0'],
    ['no-store', 'no-store'],
    ['no-cache, no-store', 'no-cache, no-store'],
    // A shared cache stores it even so, and serves it after a 304.
    ['no-cache', 'private, no-cache'],
    ['private="x-a, x-b", max-age=1', 'private, private="x-a, x-b", max-age=1'],
    ['no-cache="public, s-maxage=1", max-age=1', 'private, no-cache="public, s-maxage=1", max-age=1'],
    ['public, broken="', 'private, broken="'],
  ])('%j becomes %j', (given, wanted) => {
    expect(withoutSharedCaches(given)).toBe(wanted)
    expect(withoutSharedCaches(wanted)).toBe(wanted)
    expect(isOfferedToSharedCaches(wanted)).toBe(false)
  })

  test('an offer is recognized by its name, not inside a string', () => {
    expect(['public', 'max-age=1, PUBLIC', 's-maxage=1', 's-maxage = 1'].map(isOfferedToSharedCaches)).toEqual(
      Array(4).fill(true),
    )
    expect(
      [undefined, '', 'max-age=1', 'publicly', 'no-cache="public"', 's-maxage-not=1'].map(isOfferedToSharedCaches),
    ).toEqual(Array(6).fill(false))
  })
})

test.each([
  [undefined, 'Cookie'],
  ['', 'Cookie'],
  ['Accept', 'Accept, Cookie'],
  ['cookie', 'cookie'],
  ['Accept, COOKIE', 'Accept, COOKIE'],
  ['X-Cookie', 'X-Cookie, Cookie'],
  ['*', '*'],
  ['Accept, *', 'Accept, *'],
])('Vary: %j with Cookie is %j', (vary, wanted) => {
  expect(withVary(vary, 'Cookie')).toBe(wanted)
})

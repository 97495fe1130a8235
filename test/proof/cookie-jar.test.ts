import { expect, it } from 'vitest'
import { CookieJar } from './cookie-jar.ts'

const NOW = 1_700_000_000_000

it('keeps, replaces and forgets as a browser does', () => {
  const jar = new CookieJar()
  expect(jar.header(NOW)).toBeUndefined()
  jar.take(['a=1; Path=/; HttpOnly', 'b=x=y; Max-Age=2', 'no pair', '=none'], NOW)
  expect(jar.header(NOW)).toBe('a=1; b=x=y')
  jar.take(['a=2'], NOW)
  expect(jar.header(NOW + 1999)).toBe('a=2; b=x=y')
  expect(jar.header(NOW + 2000)).toBe('a=2')
  jar.take(['a=; Max-Age=0; Expires=Fri, 31 Dec 9999 23:59:59 GMT'], NOW)
  expect(jar.header(NOW)).toBeUndefined()
  jar.take(['c=1; expires=Thu, 01 Jan 1970 00:00:00 GMT', 'd=1; Expires=Fri, 31 Dec 9999 23:59:59 GMT'], NOW)
  expect(jar.header(NOW)).toBe('d=1')
})

it('lists them by age; one that is set anew keeps its age, unless it was gone', () => {
  const jar = new CookieJar()
  jar.take(['a=1', 'b=1; Max-Age=1', 'c=1'], NOW)
  jar.take(['a=2'], NOW)
  expect(jar.header(NOW)).toBe('a=2; b=1; c=1')
  jar.take(['b=2', 'a=; Max-Age=0', 'a=3'], NOW + 1000)
  expect(jar.header(NOW + 1000)).toBe('c=1; b=2; a=3')
})

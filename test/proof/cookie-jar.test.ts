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

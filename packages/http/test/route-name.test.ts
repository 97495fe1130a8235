import fc from 'fast-check'
import { expect, test } from 'vitest'
import { routeNameOf } from '../src/request/route-name.ts'

test.each([
  ['/', '/'],
  ['/notes', '/notes'],
  ['/notes/17?page=2', '/notes/:id'],
  ['/v1/users/3f2b8c1e-9a4d-4e6f-8b7a-1c2d3e4f5a6b/posts', '/v1/users/:id/posts'],
  ['/commits/9fceb02d0ae598e9', '/commits/:id'],
  ['/magic/eyJhbGciOiJIUzI1NiJ9abc', '/magic/:id'],
  ['/verify/aVeryLongTokenWithoutAnyDigitsInItAtAll', '/verify/:id'],
  ['/users/facade/settings', '/users/facade/settings'],
  ['/articles/how-to-boil-an-egg', '/articles/how-to-boil-an-egg'],
])('P5: %s is remembered as %s', (url, name) => {
  expect(routeNameOf(url)).toBe(name)
})

test('P5: whatever a client sends, the name is short and holds no query', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ maxLength: 5000 }), fc.webUrl({ withQueryParameters: true })), (url) => {
      const name = routeNameOf(url)
      expect(name.length).toBeLessThanOrEqual(200)
      expect(name).not.toContain('?')
    }),
  )
})

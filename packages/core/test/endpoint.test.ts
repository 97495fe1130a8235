import { LOAD_BALANCER, ONE_SERVER, withFound } from '@headwater/core/internal'
import { expect, it } from 'vitest'

it('X1, B1: an address keeps the traits that it did not prove otherwise', () => {
  expect(withFound(ONE_SERVER, { keepsReadOnly: false })).toEqual({ ...ONE_SERVER, keepsReadOnly: false })
  expect(withFound(LOAD_BALANCER, { isDirect: false })).toEqual({ ...ONE_SERVER, isOneServer: false, isDirect: false })
})

it('X1, B1: what was known already makes no new object', () => {
  const pooled = withFound(ONE_SERVER, { isDirect: false, keepsReadOnly: false })
  for (const found of [{}, { isDirect: false }, { keepsReadOnly: false, takesStartupOptions: true }]) {
    expect(withFound(pooled, found)).toBe(pooled)
  }
})

it('B1: what an address proved can be disproved: a pooler may leave the way', () => {
  const pooled = withFound(ONE_SERVER, { isDirect: false })
  expect(withFound(pooled, { isDirect: true })).toEqual(ONE_SERVER)
})

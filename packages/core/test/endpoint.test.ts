import { type EndpointTraits, LOAD_BALANCER, ONE_SERVER, withFound } from '@headwater/core/internal'
import { expect, it } from 'vitest'

it('X1, B1: an address keeps the traits that it did not prove otherwise', () => {
  expect(withFound(ONE_SERVER, { takesTransactions: false })).toEqual({ ...ONE_SERVER, takesTransactions: false })
  expect(withFound(LOAD_BALANCER, { pooling: 'transaction' })).toEqual({
    ...ONE_SERVER,
    isOneServer: false,
    pooling: 'transaction',
  })
})

it('X1, B1: what was known already makes no new object', () => {
  const pooled = withFound(ONE_SERVER, { pooling: 'transaction', takesTransactions: false })
  const same: Partial<EndpointTraits>[] = [
    {},
    { pooling: 'transaction' },
    { takesTransactions: false, takesStartupOptions: true },
  ]
  for (const found of same) {
    expect(withFound(pooled, found)).toBe(pooled)
  }
})

it('B1: what an address proved can be disproved: a pooler may leave the way', () => {
  const pooled = withFound(ONE_SERVER, { pooling: 'transaction' })
  expect(withFound(pooled, { pooling: 'none' })).toEqual({ ...ONE_SERVER, pooling: 'none' })
})

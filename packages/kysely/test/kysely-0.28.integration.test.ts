import * as kysely from 'kysely'
import * as kysely28 from 'kysely-0.28'
import { expect, it, vi } from 'vitest'
import { describeConformance } from './conformance.ts'

// Everything here, the dialect's own sources included, gets 0.28 for `kysely`.
vi.mock('kysely', () => import('kysely-0.28'))

it('the dialect under test is built on Kysely 0.28', () => {
  expect(kysely.Kysely).toBe(kysely28.Kysely)
})

describeConformance('0.28', { hasAbortedTransactionError: false })

import { Migrator, PostgresAdapter } from 'kysely-0.28'
import { expect, it, vi } from 'vitest'
import { HeadwaterAdapter } from '../src/headwater-adapter.ts'
import { describeConformance } from './conformance.ts'
import { describeLifetimes } from './lifetimes.ts'
import { describeMigrations, type MigratorClass } from './migrations.ts'

// Everything here, the dialect's own sources included, gets 0.28 for `kysely`.
vi.mock('kysely', () => import('kysely-0.28'))

it('the dialect under test is built on Kysely 0.28', () => {
  expect(Object.getPrototypeOf(HeadwaterAdapter)).toBe(PostgresAdapter)
})

describeConformance('0.28', { hasAbortedTransactionError: false })
describeLifetimes('0.28')
describeMigrations('0.28', Migrator as unknown as MigratorClass)

import { Migrator } from 'kysely/migration'
import { describeConformance } from './conformance.ts'
import { describeLifetimes } from './lifetimes.ts'
import { describeMigrations, type MigratorClass } from './migrations.ts'

describeConformance('0.29', { hasAbortedTransactionError: true })
describeLifetimes('0.29')
describeMigrations('0.29', Migrator as unknown as MigratorClass)

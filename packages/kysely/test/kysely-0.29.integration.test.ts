import { Migrator } from 'kysely/migration'
import { describeConformance } from './conformance.ts'
import { describeMigrations, type MigratorClass } from './migrations.ts'

describeConformance('0.29', { hasAbortedTransactionError: true })
describeMigrations('0.29', Migrator as unknown as MigratorClass)

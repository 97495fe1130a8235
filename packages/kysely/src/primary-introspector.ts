import { withPrimary } from '@headwater/core'
import { currentFrame } from '@headwater/core/internal'
import { type DatabaseMetadataOptions, PostgresIntrospector, type SchemaMetadata, type TableMetadata } from 'kysely'

/**
 * Kysely's introspector, which reads at the primary for the Migrator.
 *
 * The Migrator looks for its own tables before it takes its lock; with the answer of a replica that lags it would create them
 * twice. It asks for the schemas, and for the tables including Kysely's own.
 */
export class PrimaryIntrospector extends PostgresIntrospector {
  override getSchemas(): Promise<SchemaMetadata[]> {
    return onPrimary(() => super.getSchemas())
  }

  override getTables(options?: DatabaseMetadataOptions): Promise<TableMetadata[]> {
    if (options?.withInternalKyselyTables !== true) return super.getTables(options)
    return onPrimary(() => super.getTables(options))
  }
}

/** Inside `withReplica` the replica is read all the same. */
function onPrimary<Result>(ask: () => Result): Result {
  return currentFrame()?.forced === 'replica' ? ask() : withPrimary(ask)
}

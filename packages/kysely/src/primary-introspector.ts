import { withPrimary } from '@headwater/core'
import { currentFrame } from '@headwater/core/internal'
import { type DatabaseMetadataOptions, PostgresIntrospector, type SchemaMetadata, type TableMetadata } from 'kysely'

/**
 * Kysely's introspector, on the primary where its Migrator asks.
 *
 * The Migrator looks for its own tables before it takes its lock; a replica that lags behind would have it create them
 * twice. It asks for the schemas, and for the tables with Kysely's own among them.
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

/** Who asked for a replica by name gets it. */
function onPrimary<Result>(ask: () => Result): Result {
  return currentFrame()?.forced === 'replica' ? ask() : withPrimary(ask)
}

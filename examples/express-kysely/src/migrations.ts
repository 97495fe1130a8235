import { type Kysely, sql } from 'kysely'
import type { Migration, MigrationProvider } from 'kysely/migration'

/** What has been done to the schema, in order. A migration that has run anywhere is never changed again. */
const migrations: Readonly<Record<string, Migration>> = {
  '0000_notes': {
    async up(db: Kysely<unknown>): Promise<void> {
      await db.schema
        .createTable('note')
        .addColumn('id', 'integer', (column) => column.primaryKey().generatedAlwaysAsIdentity())
        .addColumn('author', 'text', (column) => column.notNull())
        .addColumn('body', 'text', (column) => column.notNull())
        .addColumn('written_in', 'text', (column) => column.notNull())
        .addColumn('written_at', 'timestamptz', (column) => column.notNull().defaultTo(sql`now()`))
        .execute()
    },
  },
  // As connect-pg-simple's table.sql has it; the library does not create it here, for no request is to change the schema.
  '0001_sessions': {
    async up(db: Kysely<unknown>): Promise<void> {
      await db.schema
        .createTable('session')
        .addColumn('sid', 'varchar', (column) => column.primaryKey())
        .addColumn('sess', 'json', (column) => column.notNull())
        .addColumn('expire', sql`timestamp(6)`, (column) => column.notNull())
        .execute()
      await db.schema.createIndex('session_expire').on('session').column('expire').execute()
    },
  },
}

export const provider: MigrationProvider = { getMigrations: async () => ({ ...migrations }) }

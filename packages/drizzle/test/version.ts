import type { RoutedPool } from '@headwater/pg'
import type * as orm from 'drizzle-orm'
import type { Relations } from 'drizzle-orm'
import type { Cache } from 'drizzle-orm/cache/core'
import type * as core from 'drizzle-orm/pg-core'
import type { RoutedDatabase } from '../src/index.ts'
import type { Tables } from './schema.ts'

/** The tables and relations, as Drizzle 0.45 types them; both versions are tested through these types. */
export type Schema = Tables & {
  authorRelations: Relations<'author', { notes: orm.Many<'note'> }>
  noteRelations: Relations<'note', { author: orm.One<'author', false> }>
}

export type Database = RoutedDatabase<Schema>

/** One version of Drizzle, and what differs between them. */
export interface Version {
  readonly orm: typeof orm
  readonly core: typeof core
  readonly tables: Tables
  /** This version's own database class. */
  readonly NodePgDatabase: new (
    ...args: never[]
  ) => object
  /** 1.0 takes `relations` where 0.45 takes `schema`. */
  open(pool: RoutedPool, cache?: Cache): Database
  /** Runs the migrations of a new folder that holds these statements, in this version's own format. */
  migrate(database: Database, statements: readonly string[]): Promise<unknown>
}

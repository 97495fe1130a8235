import { OptionsInvalid } from '@headwater/core'
import type { RoutedPool } from '@headwater/pg'
import {
  type DatabaseIntrospector,
  type Dialect,
  type DialectAdapter,
  type Driver,
  type Kysely,
  PostgresQueryCompiler,
  type QueryCompiler,
} from 'kysely'
import type { CursorConstructor } from './cursor-constructor.ts'
import { HeadwaterAdapter } from './headwater-adapter.ts'
import { HeadwaterDriver } from './headwater-driver.ts'
import { PrimaryIntrospector } from './primary-introspector.ts'

/** Options of `HeadwaterDialect`. */
export interface HeadwaterDialectOptions {
  /** The pool, or a function that makes it, called once, at the first query. `db.destroy()` ends it. */
  readonly pool: RoutedPool | (() => RoutedPool | Promise<RoutedPool>)
  /** `Cursor` of the package pg-cursor; needed for `stream()`, and for nothing else. */
  readonly cursor?: CursorConstructor | undefined
  /**
   * The tables in which Kysely's Migrator keeps its records; they are read on the primary.
   * Default: Kysely's own names, `kysely_migration` and `kysely_migration_lock`.
   */
  readonly migrationTables?: readonly string[] | undefined
}

/** `DEFAULT_MIGRATION_TABLE` and `DEFAULT_MIGRATION_LOCK_TABLE`; Kysely 0.28 and 0.29 export them from different places. */
const MIGRATION_TABLES = Object.freeze(['kysely_migration', 'kysely_migration_lock'])

/**
 * A Kysely dialect over a `RoutedPool`: reads next door, writes at the source.
 *
 * ```ts
 * const db = new Kysely<Database>({ dialect: new HeadwaterDialect({ pool }) })
 * ```
 */
export class HeadwaterDialect implements Dialect {
  readonly #options: HeadwaterDialectOptions & { readonly migrationTables: readonly string[] }

  /** @throws {OptionsInvalid} naming the option, what was expected, and what to do. */
  constructor(options: HeadwaterDialectOptions) {
    const { pool, cursor, migrationTables = MIGRATION_TABLES } = options
    if (typeof pool !== 'function') assertIsRouted(pool)
    if (cursor !== undefined && typeof cursor !== 'function') {
      throw new OptionsInvalid('cursor', `is ${typeof cursor}; expected the class that pg-cursor exports`)
    }
    if (!isNames(migrationTables)) {
      throw new OptionsInvalid('migrationTables', 'expected an array of table names, without their schema')
    }
    this.#options = Object.freeze({ pool, cursor, migrationTables })
  }

  createDriver(): Driver {
    const { pool, cursor, migrationTables } = this.#options
    return new HeadwaterDriver({
      pool: async () => (typeof pool === 'function' ? assertIsRouted(await pool()) : pool),
      cursor,
      primaryTables: migrationTables,
    })
  }

  createQueryCompiler(): QueryCompiler {
    return new PostgresQueryCompiler()
  }

  createAdapter(): DialectAdapter {
    return new HeadwaterAdapter()
  }

  createIntrospector(db: Kysely<unknown>): DatabaseIntrospector {
    return new PrimaryIntrospector(db)
  }
}

function isNames(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((name) => typeof name === 'string')
}

/** A plain pg.Pool would work, and route nothing. */
function assertIsRouted(pool: RoutedPool): RoutedPool {
  if (typeof pool === 'object' && pool !== null && typeof pool.connect === 'function' && 'topology' in pool) return pool
  throw new OptionsInvalid('pool', 'is no RoutedPool; make one with `new RoutedPool()` of @headwater/pg')
}

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
  /** The pool, or a function that makes it, which is called once, at the first query. `db.destroy()` ends the pool. */
  readonly pool: RoutedPool | (() => RoutedPool | Promise<RoutedPool>)
  /**
   * The class that the package pg-cursor exports. Only `stream()` needs it, and throws without it.
   *
   * @default none
   */
  readonly cursor?: CursorConstructor | undefined
  /**
   * The tables in which Kysely's Migrator keeps its records, without their schema. They are always read at the primary. Give them
   * when the Migrator has other names for them.
   *
   * @default ['kysely_migration', 'kysely_migration_lock']
   */
  readonly migrationTables?: readonly string[] | undefined
}

/** Kysely's `DEFAULT_MIGRATION_TABLE` and `DEFAULT_MIGRATION_LOCK_TABLE`, which 0.28 and 0.29 export from different modules. */
const MIGRATION_TABLES = Object.freeze(['kysely_migration', 'kysely_migration_lock'])

/**
 * A Kysely dialect over a `RoutedPool`: reads run on a local replica, writes at the primary.
 *
 * @example
 * ```ts
 * const pool = new RoutedPool()
 * const db = new Kysely<Database>({ dialect: new HeadwaterDialect({ pool }) })
 * const posts = await db.selectFrom('post').selectAll().execute()
 * ```
 */
export class HeadwaterDialect implements Dialect {
  readonly #options: HeadwaterDialectOptions & { readonly migrationTables: readonly string[] }

  /** @throws {OptionsInvalid} naming the option, what was expected, and what to do. */
  constructor(options: HeadwaterDialectOptions) {
    const { pool, cursor, migrationTables = MIGRATION_TABLES } = options
    if (typeof pool !== 'function') assertIsRouted(pool)
    if (cursor !== undefined && typeof cursor !== 'function') {
      throw new OptionsInvalid('cursor', `is of type ${typeof cursor}; expected the class that pg-cursor exports`)
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

/** A plain pg.Pool would work, but route nothing. */
function assertIsRouted(pool: RoutedPool): RoutedPool {
  if (typeof pool === 'object' && pool !== null && typeof pool.connect === 'function' && 'topology' in pool) return pool
  throw new OptionsInvalid('pool', 'is not a RoutedPool; make one with `new RoutedPool()` of @headwater/pg')
}

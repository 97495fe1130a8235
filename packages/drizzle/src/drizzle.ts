import { OptionsInvalid, withPrimary } from '@headwater/core'
import type { RoutedPool } from '@headwater/pg'
import type { DrizzleConfig } from 'drizzle-orm'
import { type NodePgDatabase, drizzle as overPool } from 'drizzle-orm/node-postgres'

/*
 * Drizzle 0.45 takes the tables as `schema`, 1.0 as `relations`. Their types are derived from the installed Drizzle, so that the
 * published types fit both: nothing here names one of the two.
 */
type OwnConfig = NonNullable<Parameters<typeof overPool.mock>[0]>

/** The tables that Drizzle's own `drizzle()` takes: a schema in 0.45, relations in 1.0. */
export type AnyShape = OwnConfig extends DrizzleConfig<infer Any> ? Any : never

/** The same when no tables are given. */
export type NoShape = NodePgDatabase extends NodePgDatabase<infer None> ? None : never

/** Options of `drizzle()`: Drizzle's own, and the pool as `client`. */
export type RoutedDrizzleConfig<Shape extends AnyShape = NoShape> = DrizzleConfig<Shape> &
  // The options for Postgres only: 1.0 has `codecs`.
  Omit<OwnConfig, keyof DrizzleConfig> & { readonly client: RoutedPool }

/** Drizzle's own database over a routed pool. */
export type RoutedDatabase<Shape extends AnyShape = NoShape> = NodePgDatabase<Shape> & { $client: RoutedPool }

/** The options of each database, for the handles that are derived from it. */
const configs = new WeakMap<object, RoutedDrizzleConfig<AnyShape>>()

/**
 * Makes Drizzle's own database over a `RoutedPool`: every statement is routed by the SQL that Drizzle sends.
 *
 * It takes the options of Drizzle's own `drizzle()`: `{ client, schema }` in 0.45, `{ client, relations }` in 1.0. Migrations
 * run at the primary, including their reads.
 *
 * @throws {OptionsInvalid} when `client` is not a `RoutedPool`.
 * @example
 * ```ts
 * const pool = new RoutedPool()
 * const db = drizzle({ client: pool, schema })
 * const posts = await db.select().from(schema.post)
 * ```
 */
export function drizzle<Shape extends AnyShape = NoShape>(config: RoutedDrizzleConfig<Shape>): RoutedDatabase<Shape> {
  // Not instanceof: a pool of another copy of the package works as well.
  if (typeof config?.client?.topology !== 'object') {
    throw new OptionsInvalid(
      'client',
      'is not a RoutedPool; expected drizzle({ client: new RoutedPool({ … }), schema }). Over a plain pg.Pool, use drizzle from drizzle-orm/node-postgres.',
    )
  }
  const database = overPool<Shape, RoutedPool>(config)
  readMigrationsAtPrimary(database._.session)
  configs.set(database, config)
  return database
}

/** The options that a database was made with; `undefined` when `drizzle()` of this package did not make it. */
export function configOf(database: object): RoutedDrizzleConfig<AnyShape> | undefined {
  return configs.get(database)
}

/** The session methods that only Drizzle's migrator reads with: `all` in 0.45, `objects` in 1.0. */
const MIGRATOR_READS = ['all', 'objects'] as const

/** On a replica that is behind, a migration that has run would look as if it had not, and would run twice. */
function readMigrationsAtPrimary(session: object): void {
  for (const method of MIGRATOR_READS) {
    const original: unknown = Reflect.get(session, method)
    if (typeof original !== 'function') continue
    Reflect.set(session, method, (...args: unknown[]) => withPrimary(() => Reflect.apply(original, session, args)))
  }
}

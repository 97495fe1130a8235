import { OptionsInvalid, withPrimary } from '@headwater/core'
import type { RoutedPool } from '@headwater/pg'
import type { DrizzleConfig } from 'drizzle-orm'
import { type NodePgDatabase, drizzle as overPool } from 'drizzle-orm/node-postgres'

/*
 * Drizzle 0.45 is told of tables as `schema`, 1.0 of `relations`. What may stand there is asked of the Drizzle that is
 * installed, so that the published types are those of either: nothing here names one of the two.
 */
type OwnConfig = NonNullable<Parameters<typeof overPool.mock>[0]>

/** What Drizzle's own `drizzle()` takes as the type of its tables: a schema in 0.45, relations in 1.0. */
export type AnyShape = OwnConfig extends DrizzleConfig<infer Any> ? Any : never

/** The type of its tables when it is told of none. */
export type NoShape = NodePgDatabase extends NodePgDatabase<infer None> ? None : never

/** What `drizzle()` takes: Drizzle's own options, and the pool. */
export type RoutedDrizzleConfig<Shape extends AnyShape = NoShape> = DrizzleConfig<Shape> &
  // Those that it has for Postgres only: 1.0 has `codecs`.
  Omit<OwnConfig, keyof DrizzleConfig> & { readonly client: RoutedPool }

/** Drizzle's own database over a routed pool. */
export type RoutedDatabase<Shape extends AnyShape = NoShape> = NodePgDatabase<Shape> & { $client: RoutedPool }

/** With what each database was made, for the handles that are derived from it. */
const configs = new WeakMap<object, RoutedDrizzleConfig<AnyShape>>()

/**
 * Makes Drizzle's database over a `RoutedPool`: every statement is routed by the SQL that Drizzle sends.
 *
 * Takes what Drizzle's own takes: `drizzle({ client, schema })` in 0.45, `drizzle({ client, relations })` in 1.0.
 * Migrations run on the primary, what they read included.
 *
 * @throws {OptionsInvalid} when `client` is no `RoutedPool`.
 */
export function drizzle<Shape extends AnyShape = NoShape>(config: RoutedDrizzleConfig<Shape>): RoutedDatabase<Shape> {
  // A pool of another copy of the package is as good.
  if (typeof config?.client?.topology !== 'object') {
    throw new OptionsInvalid(
      'client',
      'it is no RoutedPool; expected drizzle({ client: new RoutedPool({ … }), schema }). Over a plain pg.Pool, use drizzle from drizzle-orm/node-postgres.',
    )
  }
  const database = overPool<Shape, RoutedPool>(config)
  readMigrationsAtPrimary(database._.session)
  configs.set(database, config)
  return database
}

/** The options with which a database was made; `undefined` when `drizzle()` of this package did not make it. */
export function configOf(database: object): RoutedDrizzleConfig<AnyShape> | undefined {
  return configs.get(database)
}

/** With what Drizzle's migrator, and nothing else in Drizzle, reads: `all` in 0.45, `objects` in 1.0. */
const MIGRATOR_READS = ['all', 'objects'] as const

/** A replica that is behind would say that a migration which has run has not: it would run twice. */
function readMigrationsAtPrimary(session: object): void {
  for (const method of MIGRATOR_READS) {
    const original: unknown = Reflect.get(session, method)
    if (typeof original !== 'function') continue
    Reflect.set(session, method, (...args: unknown[]) => withPrimary(() => Reflect.apply(original, session, args)))
  }
}

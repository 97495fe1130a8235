import { OptionsInvalid, withPrimary } from '@headwater/core'
import type { RoutedPool } from '@headwater/pg'
import type { DrizzleConfig } from 'drizzle-orm'
import { type NodePgDatabase, drizzle as overPool } from 'drizzle-orm/node-postgres'

type AnySchema = Record<string, unknown>
type NoSchema = Record<string, never>

/** What `drizzle()` takes: Drizzle's own options, and the pool. */
export type RoutedDrizzleConfig<Schema extends AnySchema = NoSchema> = DrizzleConfig<Schema> & {
  readonly client: RoutedPool
}

/** Drizzle's own database over a routed pool. */
export type RoutedDatabase<Schema extends AnySchema = NoSchema> = NodePgDatabase<Schema> & { $client: RoutedPool }

/** With what each database was made, for the handles that are derived from it. */
const configs = new WeakMap<object, RoutedDrizzleConfig<AnySchema>>()

/**
 * Makes Drizzle's database over a `RoutedPool`: every statement is routed by the SQL that Drizzle sends.
 *
 * Takes what Drizzle's own `drizzle({ client, schema })` takes. Migrations run on the primary, what they read included.
 *
 * @throws {OptionsInvalid} when `client` is no `RoutedPool`.
 */
export function drizzle<Schema extends AnySchema = NoSchema>(
  config: RoutedDrizzleConfig<Schema>,
): RoutedDatabase<Schema> {
  // A pool of another copy of the package is as good.
  if (typeof config?.client?.topology !== 'object') {
    throw new OptionsInvalid(
      'client',
      'it is no RoutedPool; expected drizzle({ client: new RoutedPool({ … }), schema }). Over a plain pg.Pool, use drizzle from drizzle-orm/node-postgres.',
    )
  }
  const database = overPool<Schema, RoutedPool>(config)
  readMigrationsAtPrimary(database._.session)
  configs.set(database, config)
  return database
}

/** The options with which a database was made; `undefined` when `drizzle()` of this package did not make it. */
export function configOf(database: object): RoutedDrizzleConfig<AnySchema> | undefined {
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

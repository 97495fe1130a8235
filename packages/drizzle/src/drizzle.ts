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

/** Drizzle's own `drizzle()`, over a `RoutedPool`. */
export interface RoutedDrizzle {
  <Shape extends AnyShape = NoShape>(config: RoutedDrizzleConfig<Shape>): RoutedDatabase<Shape>
  <Shape extends AnyShape = NoShape>(
    pool: RoutedPool,
    config?: Omit<RoutedDrizzleConfig<Shape>, 'client'>,
  ): RoutedDatabase<Shape>
  /** Drizzle's own mock, which has no connection. */
  readonly mock: typeof overPool.mock
}

/**
 * Makes Drizzle's own database over a `RoutedPool`: every statement is routed by the SQL that Drizzle sends.
 *
 * It takes what Drizzle's own `drizzle()` takes, except a URL: `{ client, schema }` or `pool, { schema }` in 0.45, `relations`
 * instead in 1.0. Migrations run at the primary, including their reads.
 *
 * @throws {OptionsInvalid} when the pool is not a `RoutedPool`, and for a URL or `connection`: one URL is one server.
 * @example
 * ```ts
 * const pool = new RoutedPool()
 * const db = drizzle({ client: pool, schema })
 * const posts = await db.select().from(schema.post)
 * ```
 */
export const drizzle: RoutedDrizzle = Object.assign(overRoutedPool, { mock: overPool.mock })

function overRoutedPool<Shape extends AnyShape = NoShape>(
  first: RoutedPool | RoutedDrizzleConfig<Shape>,
  second?: Omit<RoutedDrizzleConfig<Shape>, 'client'>,
): RoutedDatabase<Shape> {
  const config = isRouted(first) ? ({ ...second, client: first } as RoutedDrizzleConfig<Shape>) : first
  if (!isRouted(config?.client)) {
    throw new OptionsInvalid(
      'client',
      `${nameOf(first)}; expected drizzle({ client: new RoutedPool({ … }), schema }). ${HINT}`,
    )
  }
  const database = overPool<Shape, RoutedPool>(config)
  readMigrationsAtPrimary(database._.session)
  configs.set(database, config)
  return database
}

const HINT = 'Over a plain pg.Pool, use drizzle from drizzle-orm/node-postgres.'

/** Not instanceof: a pool of another copy of the package works as well. */
function isRouted(candidate: unknown): candidate is RoutedPool {
  return typeof candidate === 'object' && candidate !== null && typeof Reflect.get(candidate, 'topology') === 'object'
}

/** What was given instead of a pool. A URL may hold a password: it is not repeated. */
function nameOf(first: unknown): string {
  const isUrl = typeof first === 'string' || Reflect.get(Object(first), 'connection') !== undefined
  return isUrl ? 'is the address of one server, which has no replicas' : 'is not a RoutedPool'
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

import { diagnostics, type RouteEvent } from '@headwater/core'
import type { World } from '@headwater/test-world'
import { type Kysely, sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SETTINGS, startApp, startWorld } from './world.ts'

interface MigratorProps {
  readonly db: Kysely<never>
  readonly provider: {
    getMigrations(): Promise<
      Record<string, { up(db: Kysely<never>): Promise<void>; down(db: Kysely<never>): Promise<void> }>
    >
  }
  readonly migrationTableName?: string
  readonly migrationLockTableName?: string
  readonly migrationTableSchema?: string
}

/** Kysely's own; 0.28 and 0.29 export it from different places. */
export type MigratorClass = new (
  props: MigratorProps,
) => {
  migrateToLatest(): Promise<{ readonly error?: unknown; readonly results?: readonly { readonly status: string }[] }>
  migrateDown(): Promise<{ readonly error?: unknown }>
  getMigrations(): Promise<readonly { readonly name: string; readonly executedAt?: Date }[]>
}

/** The names of one run's tables. */
const TABLES = [
  { named: 'Kysely’s own tables', props: {}, options: {} },
  {
    named: 'tables and a schema of the app’s own',
    props: { migrationTableName: 'done', migrationLockTableName: 'lock', migrationTableSchema: 'migrations' },
    options: { migrationTables: ['done', 'lock'] },
  },
] as const

/** Migrations run on the primary from their first look at the catalog to their last word, whatever the replica knows. */
export function describeMigrations(version: string, Migrator: MigratorClass): void {
  describe(`kysely ${version}: migrations`, () => {
    let world: World
    beforeAll(async () => {
      world = await startWorld()
      // The replica never learns of anything below.
      await world.replica().pauseReplay()
    })
    afterAll(() => world[Symbol.asyncDispose]())

    const places = SETTINGS.filter(({ isRequest }) => !isRequest)
    const cases = places.flatMap((place) => TABLES.map((tables) => ({ ...place, ...tables })))

    it.each(cases)('$setting, with $named', async ({ setting, region, props, options }) => {
      const routes = new Set<string>()
      const listen = (event: unknown) => routes.add((event as RouteEvent).decision.route)
      const { db, pool } = await startApp(world, { region, isRequest: false }, options)
      const table = `made_${setting === 'at home' ? 'here' : 'there'}_${Object.keys(props).length}`
      const up = async (on: Kysely<never>) => {
        await sql`create table ${sql.table(table)} (id int)`.execute(on)
        await sql`insert into ${sql.table(table)} select count(*) from ${sql.table(table)}`.execute(on)
      }
      const down = async (on: Kysely<never>) => on.schema.dropTable(table).execute()
      const migrator = () =>
        new Migrator({
          db: db as unknown as Kysely<never>,
          provider: { getMigrations: async () => ({ first: { up, down } }) },
          ...props,
        })
      diagnostics.route.subscribe(listen)
      try {
        const [one, other] = await Promise.all([migrator().migrateToLatest(), migrator().migrateToLatest()])
        expect([one?.error, other?.error]).toEqual([undefined, undefined])
        // The lock holds: one of the two did the work.
        expect([...(one?.results ?? []), ...(other?.results ?? [])]).toMatchObject([{ status: 'Success' }])
        expect(await migrator().getMigrations()).toMatchObject([{ name: 'first', executedAt: expect.any(Date) }])
        expect((await migrator().migrateDown()).error).toBeUndefined()
        expect([...routes]).toEqual([region === 'ams' ? 'primary' : 'direct'])
      } finally {
        diagnostics.route.unsubscribe(listen)
        await world.admin.query('drop schema if exists migrations cascade')
        await world.admin.query('drop table if exists kysely_migration, kysely_migration_lock')
      }
      const locks = await world.admin.query("select count(*)::int as held from pg_locks where locktype = 'advisory'")
      expect(locks.rows).toEqual([{ held: 0 }])
      expect(pool.idleCount).toBe(pool.totalCount)
    })
  })
}

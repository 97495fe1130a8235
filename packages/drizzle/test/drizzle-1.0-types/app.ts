// An app on Drizzle 1.0; type-checked against 1.0 by ../drizzle-1.0-types.test.ts, never run.
import { type AnyShape, drizzle, type NoShape, type RoutedDatabase, readonly } from '@headwater/drizzle'
import type { RoutedPool } from '@headwater/pg'
import { type AnyRelations, defineRelations, type EmptyRelations } from 'drizzle-orm'
import type { NodePgDatabase } from 'drizzle-orm/node-postgres'
import { migrate } from 'drizzle-orm/node-postgres/migrator'
import { integer, type PgCodecs, pgTable, text } from 'drizzle-orm/pg-core'
import type pg from 'pg'
import { expectTypeOf } from 'vitest'

const author = pgTable('author', { id: integer().primaryKey(), name: text().notNull() })
const note = pgTable('note', { id: integer().primaryKey(), authorId: integer('author_id'), body: text().notNull() })
const relations = defineRelations({ author, note }, (r) => ({
  author: { notes: r.many.note({ from: r.author.id, to: r.note.authorId }) },
}))
type Relations = typeof relations

export async function itsTypesAreThoseOfDrizzle1(pool: RoutedPool, codecs: PgCodecs): Promise<void> {
  expectTypeOf<AnyShape>().toEqualTypeOf<AnyRelations>()
  expectTypeOf<NoShape>().toEqualTypeOf<EmptyRelations>()

  const db = drizzle({ client: pool, relations })
  expectTypeOf(db).toEqualTypeOf<RoutedDatabase<Relations>>()
  expectTypeOf(db).toExtend<NodePgDatabase<Relations>>()
  expectTypeOf(db.$client).toEqualTypeOf<RoutedPool>()
  expectTypeOf(await db.query.author.findFirst({ with: { notes: true } })).toEqualTypeOf<
    { id: number; name: string; notes: { id: number; authorId: number | null; body: string }[] } | undefined
  >()
  expectTypeOf(await db.select({ body: note.body }).from(note)).toEqualTypeOf<{ body: string }[]>()
  await db.transaction(
    async (tx) => expectTypeOf(await tx.query.note.findMany()).toEqualTypeOf<(typeof note.$inferSelect)[]>(),
    { accessMode: 'read only' },
  )
  await migrate(db, { migrationsFolder: 'migrations' })

  const bare = drizzle({ client: pool, codecs, logger: true, paramsInErrors: true })
  expectTypeOf(bare).toEqualTypeOf<RoutedDatabase>()
  // @ts-expect-error it was told of no tables
  bare.query.author
  // @ts-expect-error what 0.45 takes
  drizzle({ client: pool, schema: { author } })
  // @ts-expect-error what 0.45 takes
  drizzle({ client: pool, casing: 'snake_case' })
  // @ts-expect-error tables are no relations
  drizzle({ client: pool, relations: { author: 1 } })
  // @ts-expect-error a plain pool is not routed
  drizzle({ client: {} as pg.Pool, relations })
  // @ts-expect-error a pool is needed
  drizzle({ relations })
  expectTypeOf(drizzle(pool, { relations })).toEqualTypeOf<RoutedDatabase<Relations>>()
  expectTypeOf(drizzle.mock({ relations })).toExtend<NodePgDatabase<Relations>>()
  // @ts-expect-error no string
  drizzle('postgres://localhost/app')
}

export async function itsReadOnlyHandleToo(pool: RoutedPool): Promise<void> {
  const reader = readonly(drizzle({ client: pool, relations }))
  expectTypeOf(await reader.query.note.findFirst()).toEqualTypeOf<typeof note.$inferSelect | undefined>()
  expectTypeOf(await reader.$count(note)).toEqualTypeOf<number>()
  const names = await reader.transaction(async (tx) => await tx.select({ name: author.name }).from(author), {
    isolationLevel: 'repeatable read',
  })
  expectTypeOf(names).toEqualTypeOf<{ name: string }[]>()
  // @ts-expect-error writes
  reader.insert
  // @ts-expect-error writes
  reader.with().insert
  // @ts-expect-error raw: nobody knows
  reader.execute
  // @ts-expect-error its transactions are READ ONLY
  reader.transaction(async () => 1, { accessMode: 'read write' })
}

import type { RoutedPool } from '@headwater/pg'
import { relations } from 'drizzle-orm'
import type { NodePgDatabase } from 'drizzle-orm/node-postgres'
import { integer, type PgTransaction, pgTable, text } from 'drizzle-orm/pg-core'
import type { NodePgDatabase as NodePgDatabase1 } from 'drizzle-orm-1.0/node-postgres'
import type { PgAsyncTransaction as PgTransaction1 } from 'drizzle-orm-1.0/pg-core'
import type pg from 'pg'
import { describe, expectTypeOf, it } from 'vitest'
import {
  type AnyShape,
  drizzle,
  type NoShape,
  type ReadonlyDatabase,
  type RoutedDatabase,
  readonly,
} from '../src/index.ts'

const author = pgTable('author', { id: integer().primaryKey(), name: text().notNull() })
const note = pgTable('note', { id: integer().primaryKey(), authorId: integer('author_id'), body: text().notNull() })
const authorRelations = relations(author, ({ many }) => ({ notes: many(note) }))
const noteRelations = relations(note, ({ one }) => ({
  author: one(author, { fields: [note.authorId], references: [author.id] }),
}))
const schema = { author, note, authorRelations, noteRelations }

const pool = {} as RoutedPool
// Types only: nothing here runs.
const make = () => drizzle({ client: pool, schema })
const db = {} as ReturnType<typeof make>
const reader = {} as ReadonlyDatabase<typeof db>

/**
 * What becomes of each member of Drizzle's database: `text` is routed by the SQL it sends, `part` only builds a part of
 * a query, `inside` is a handle to what is routed. `kept` and `gone` say whether a read-only handle has it.
 */
type Routed = 'text, kept' | 'text, gone' | 'part, kept' | 'inside, gone'

/** A new version of Drizzle with another member does not compile here: say how it is routed, and whether it only reads. */
const MEMBERS = {
  select: 'text, kept',
  selectDistinct: 'text, kept',
  selectDistinctOn: 'text, kept',
  $count: 'text, kept',
  query: 'text, kept',
  with: 'text, kept',
  transaction: 'text, kept',
  $with: 'part, kept',
  insert: 'text, gone',
  update: 'text, gone',
  delete: 'text, gone',
  refreshMaterializedView: 'text, gone',
  execute: 'text, gone',
  $cache: 'inside, gone',
  _: 'inside, gone',
} as const satisfies Record<keyof NodePgDatabase, Routed>

/** `tagged` says whether a comment is added to each text. */
type MembersOf1 = typeof MEMBERS & { readonly tagged: 'inside, gone' }

type KeptOf<Members> = {
  [Name in keyof Members]: Members[Name] extends `${string}, kept` ? Name : never
}[keyof Members]

describe('types of Drizzle', () => {
  it('drizzle() gives Drizzle’s own database, over a RoutedPool only', () => {
    expectTypeOf<AnyShape>().toEqualTypeOf<Record<string, unknown>>()
    expectTypeOf<NoShape>().toEqualTypeOf<Record<string, never>>()
    expectTypeOf(db).toEqualTypeOf<RoutedDatabase<typeof schema>>()
    expectTypeOf(db).toExtend<NodePgDatabase<typeof schema>>()
    expectTypeOf(db.$client).toEqualTypeOf<RoutedPool>()
    expectTypeOf(db.query.author.findFirst({ with: { notes: true } }).execute()).resolves.toExtend<
      { id: number; name: string; notes: { body: string }[] } | undefined
    >()
    drizzle({ client: pool, schema, logger: true, casing: 'snake_case' })
    expectTypeOf(drizzle({ client: pool })).toEqualTypeOf<RoutedDatabase>()
    // @ts-expect-error it was told of no tables
    drizzle({ client: pool }).query.author
    // @ts-expect-error what 1.0 takes; drizzle-1.0-types/app.ts is the same for it
    drizzle({ client: pool, relations: {} })
    // @ts-expect-error what 1.0 takes
    drizzle({ client: pool, codecs: {} })
    // @ts-expect-error a plain pool is not routed
    drizzle({ client: {} as pg.Pool, schema })
    // @ts-expect-error a pool is needed
    drizzle({ schema })
    // @ts-expect-error no string
    drizzle('postgres://localhost/app')
    // @ts-expect-error no connection
    drizzle({ connection: 'postgres://localhost/app' })
    expectTypeOf(drizzle(pool)).toEqualTypeOf<RoutedDatabase>()
    expectTypeOf(drizzle(pool, { schema, logger: true })).toEqualTypeOf<RoutedDatabase<typeof schema>>()
    // @ts-expect-error the pool is given already
    drizzle(pool, { client: pool })
    expectTypeOf(drizzle.mock({ schema })).toExtend<NodePgDatabase<typeof schema>>()
  })

  it('every member of the database is accounted for, in both versions', () => {
    expectTypeOf<keyof typeof MEMBERS>().toEqualTypeOf<keyof NodePgDatabase>()
    expectTypeOf<keyof MembersOf1>().toEqualTypeOf<keyof NodePgDatabase1>()
    type Added<Transaction, Members> = Exclude<keyof Transaction, keyof Members>
    expectTypeOf<Added<PgTransaction<never>, typeof MEMBERS>>().toEqualTypeOf<'rollback' | 'setTransaction'>()
    expectTypeOf<Exclude<Added<PgTransaction1<never>, MembersOf1>, 'nestedIndex'>>().toEqualTypeOf<
      'rollback' | 'setTransaction'
    >()
  })

  it('a read-only handle has what reads, in both versions', () => {
    expectTypeOf<keyof typeof reader>().toEqualTypeOf<KeptOf<typeof MEMBERS>>()
    type Reader1 = ReadonlyDatabase<NodePgDatabase1 & { $client: RoutedPool }>
    expectTypeOf<keyof Reader1>().toEqualTypeOf<KeptOf<MembersOf1>>()
    type With = 'select' | 'selectDistinct' | 'selectDistinctOn'
    type Writes = 'insert' | 'update' | 'delete'
    expectTypeOf<keyof ReturnType<typeof reader.with>>().toEqualTypeOf<With>()
    expectTypeOf<keyof ReturnType<Reader1['with']>>().toEqualTypeOf<With>()
    expectTypeOf<keyof ReturnType<NodePgDatabase['with']>>().toEqualTypeOf<With | Writes>()
    expectTypeOf<keyof ReturnType<NodePgDatabase1['with']>>().toEqualTypeOf<With | Writes>()
  })

  it('what writes does not compile on a read-only handle', () => {
    const wrong = () => {
      // @ts-expect-error writes
      reader.insert(note)
      // @ts-expect-error writes
      reader.update(note)
      // @ts-expect-error writes
      reader.delete(note)
      // @ts-expect-error raw: nobody knows
      reader.execute('select 1')
      // @ts-expect-error writes
      reader.refreshMaterializedView
      // @ts-expect-error the way round
      reader.$client
      // @ts-expect-error writes
      reader.with().insert(note)
      // @ts-expect-error its transactions are READ ONLY
      const readWrite = reader.transaction(async () => 1, { accessMode: 'read write' })
      // @ts-expect-error writes
      const inside = reader.transaction(async (tx) => await tx.insert(note).values({ id: 1, body: '' }))
      // @ts-expect-error a transaction is no database of drizzle()
      const nested = db.transaction(async (tx) => readonly(tx))
      return [readWrite, inside, nested]
    }
    expectTypeOf(wrong).toBeFunction()
  })

  it('what reads has the types of the database', () => {
    const right = async () => {
      expectTypeOf(await reader.select({ body: note.body }).from(note)).toEqualTypeOf<{ body: string }[]>()
      expectTypeOf(await reader.query.note.findFirst()).toEqualTypeOf<typeof note.$inferSelect | undefined>()
      expectTypeOf(await reader.$count(note)).toEqualTypeOf<number>()
      const inTransaction = reader.transaction(
        (tx) => tx.transaction(async (nested) => await nested.select().from(author)),
        { isolationLevel: 'repeatable read' },
      )
      expectTypeOf(await inTransaction).toEqualTypeOf<(typeof author.$inferSelect)[]>()
      expectTypeOf(readonly(db)).toEqualTypeOf(reader)
    }
    expectTypeOf(right).toBeFunction()
  })
})

import type { Access } from '@headwater/core/internal'
import type { RoutedPool } from '@headwater/pg'
import { type Generated, Kysely, type RootOperationNode, type Selectable, type SelectModifier, sql } from 'kysely'
import type { ReadonlyKysely as KyselysOwn } from 'kysely/readonly'
import type * as kysely28 from 'kysely-0.28'
import Cursor from 'pg-cursor'
import { describe, expectTypeOf, it } from 'vitest'
import { HeadwaterDialect, type ReadonlyKysely, readonlyKysely } from '../src/index.ts'
import type { MODIFIER_NEEDS, ROOT_NEEDS } from '../src/node-need.ts'

interface Database {
  note: { id: Generated<number>; body: string }
  server: { who: string }
}

const db = {} as Kysely<Database>
const read = {} as ReadonlyKysely<Database>

describe('the tables of nodes', () => {
  it('name every statement and every row lock that the newest Kysely can build, and no other', () => {
    expectTypeOf<keyof typeof ROOT_NEEDS>().toEqualTypeOf<RootOperationNode['kind']>()
    expectTypeOf<keyof typeof MODIFIER_NEEDS>().toEqualTypeOf<SelectModifier>()
    expectTypeOf<(typeof ROOT_NEEDS)[RootOperationNode['kind']]>().toEqualTypeOf<'write' | 'text'>()
    expectTypeOf<'write'>().toExtend<Access>()
  })

  it('name every statement that Kysely 0.28 can build', () => {
    expectTypeOf<kysely28.RootOperationNode['kind']>().toExtend<keyof typeof ROOT_NEEDS>()
    expectTypeOf<kysely28.SelectModifier>().toExtend<keyof typeof MODIFIER_NEEDS>()
  })
})

describe('HeadwaterDialect', () => {
  it('is a dialect for Kysely, over a RoutedPool or a function that makes one', () => {
    const pool = {} as RoutedPool
    new Kysely<Database>({ dialect: new HeadwaterDialect({ pool }) })
    new HeadwaterDialect({ pool: () => pool, cursor: Cursor })
    new HeadwaterDialect({ pool: async () => pool, migrationTables: ['a'] })
    // @ts-expect-error a plain pool routes nothing
    new HeadwaterDialect({ pool: {} as import('pg').Pool })
  })
})

describe('readonlyKysely', () => {
  it('gives Kysely’s own result types', async () => {
    expectTypeOf(readonlyKysely(db)).toEqualTypeOf<ReadonlyKysely<Database>>()
    expectTypeOf(read.selectFrom('note').selectAll().execute()).resolves.toEqualTypeOf<Selectable<Database['note']>[]>()
    expectTypeOf(read.selectFrom('note').select(['id']).executeTakeFirst()).resolves.toEqualTypeOf<
      { id: number } | undefined
    >()
    const common = read.with('latest', (creator) => creator.selectFrom('note').select('body')).selectFrom('latest')
    expectTypeOf(common.selectAll().execute()).resolves.toEqualTypeOf<{ body: string }[]>()
    const named = read.with('latest(text)', (creator) => creator.selectFrom('note').select('body as text'))
    expectTypeOf(named.selectFrom('latest').select('text').execute()).resolves.toEqualTypeOf<{ text: string }[]>()
    const built = read.with(
      (cte) => cte('latest').materialized(),
      (creator) => creator.selectFrom('server').selectAll(),
    )
    expectTypeOf(built.selectFrom('latest').selectAll().execute()).resolves.toEqualTypeOf<{ who: string }[]>()
    const recursive = read.withRecursive('n(i)', (creator) =>
      creator.selectNoFrom(sql<number>`1`.as('i')).unionAll(creator.selectFrom('n').select(sql<number>`i + 1`.as('i'))),
    )
    expectTypeOf(recursive.selectFrom('n').select('i').execute()).resolves.toEqualTypeOf<{ i: number }[]>()
    expectTypeOf(sql<{ n: number }>`select 1 as n`.execute(read)).resolves.toExtend<{ rows: { n: number }[] }>()
  })

  it('does not compile a write, at any level', () => {
    // @ts-expect-error no insert
    read.insertInto('note')
    // @ts-expect-error no update
    read.updateTable('note')
    // @ts-expect-error no delete
    read.deleteFrom('note')
    // @ts-expect-error no merge
    read.mergeInto('note')
    // @ts-expect-error no replace
    read.replaceInto('note')
    // @ts-expect-error no schema change
    read.schema.dropTable('note')
    // @ts-expect-error nor by way of a query of another handle
    read.executeQuery(db.insertInto('note').values({ body: '' }))
    // @ts-expect-error nor compiled
    read.executeQuery(db.insertInto('note').values({ body: '' }).compile())
    // @ts-expect-error no insert without plugins
    read.withoutPlugins().insertInto('note')
    // @ts-expect-error no insert in a common table expression
    read.with('added', (creator) => creator.insertInto('note').values({ body: '' }).returningAll())
    // @ts-expect-error nor beside one
    read.with('old', (creator) => creator.selectFrom('note').selectAll()).insertInto('note')
    // @ts-expect-error nor a common table expression of the full handle
    read.with('added', () => db.insertInto('note').values({ body: '' }).returningAll())
    // @ts-expect-error a read-only transaction is read-only
    read.transaction().setAccessMode('read write')
    // @ts-expect-error no insert in a transaction
    const inTransaction = () => read.transaction().execute((transaction) => transaction.insertInto('note'))
    // @ts-expect-error no insert on a connection
    const onConnection = () => read.connection().execute((connection) => connection.insertInto('note'))
    expectTypeOf(inTransaction).toBeFunction()
    expectTypeOf(onConnection).toBeFunction()
    expectTypeOf(read.withSchema('public')).toEqualTypeOf<ReadonlyKysely<Database>>()
  })

  it('can be used wherever Kysely’s own ReadonlyKysely can', () => {
    const takes = (own: KyselysOwn<Database>) => own.selectFrom('note').selectAll()
    expectTypeOf(takes).toBeCallableWith(read)
    expectTypeOf<keyof KyselysOwn<Database>>().toExtend<keyof ReadonlyKysely<Database>>()
  })

  it('has what Kysely’s own ReadonlyKysely has', async () => {
    type Note = Selectable<Database['note']>
    const query = db.selectFrom('note').selectAll()
    expectTypeOf(read.executeQuery(read.selectFrom('note').selectAll())).resolves.toExtend<{ rows: Note[] }>()
    expectTypeOf(read.withoutPlugins()).toEqualTypeOf<ReadonlyKysely<Database>>()
    read.connection().execute(async (connection) => connection.executeQuery(query), { signal: AbortSignal.timeout(1) })
    const transaction = await read.startTransaction().setIsolationLevel('repeatable read').execute()
    const inside = await transaction.savepoint('a').execute()
    expectTypeOf(inside.selectFrom('note').selectAll().execute()).resolves.toEqualTypeOf<Note[]>()
    // @ts-expect-error there is no such savepoint
    inside.rollbackToSavepoint('b')
    const outside = await inside.withSchema('public').releaseSavepoint('a').execute()
    // @ts-expect-error it was released
    outside.releaseSavepoint('a')
  })
})

import { type Compilable, type InsertQueryBuilder, type InsertResult, type Kysely, sql } from 'kysely'
import type { ShopDatabase } from './kysely-shop.ts'

type Database = Kysely<ShopDatabase>
type ProductInsert = InsertQueryBuilder<ShopDatabase, 'product', InsertResult>

/** Inserts, updates, deletes and merges, alone and inside of common table expressions. */
export function* kyselyWrites(db: Database): Generator<Compilable> {
  yield* inserts(db)
  yield* updates(db)
  yield* deletes(db)
  yield* merges(db)
  yield* writingTables(db)
}

const CONFLICTS: readonly ((query: ProductInsert) => ProductInsert)[] = [
  (query) => query,
  (query) => query.onConflict((conflict) => conflict.doNothing()),
  (query) => query.onConflict((conflict) => conflict.column('sku').doNothing()),
  (query) => query.onConflict((conflict) => conflict.constraint('product_sku_key').doUpdateSet({ price: 4 })),
  (query) =>
    query.onConflict((conflict) =>
      conflict
        .columns(['sku'])
        .doUpdateSet((eb) => ({ price: eb.ref('excluded.price') }))
        .where('product.price', '<', 10),
    ),
]

function* inserts(db: Database): Generator<Compilable> {
  const product = db.insertInto('product')
  const values: readonly ProductInsert[] = [
    product.values({ sku: 'sku-1', price: 3 }),
    product.values([
      { sku: 'sku-2', price: 3, tags: ['x', 'y'] },
      { sku: 'new', price: 5, detail: JSON.stringify({ select: 1 }) },
    ]),
    product
      .columns(['sku', 'price'])
      .expression(db.selectFrom('product').select((eb) => ['sku', eb('price', '*', 2).as('price')])),
    product.values((eb) => ({ sku: 'sku-3', price: eb.selectFrom('product').select(eb.fn.max('price').as('most')) })),
  ]
  for (const value of values) {
    for (const conflict of CONFLICTS) {
      const query = conflict(value)
      yield query
      yield query.returning(['id', 'sku as code'])
      yield query.returningAll()
    }
  }
  yield db.insertInto('audit').defaultValues().returning('id')
  yield db.insertInto('audit').values({ what: 'a' }).modifyEnd(sql`-- a comment`)
  yield db
    .insertInto('purchase')
    .columns(['person_id', 'product_id'])
    .expression(
      db
        .selectFrom(['person', 'product'])
        .select(['person.id', 'product.id as product_id'])
        .limit(2)
        .forUpdate('person'),
    )
}

function* updates(db: Database): Generator<Compilable> {
  const plain = db.updateTable('person').set({ age: 31 }).where('person.id', '=', 3)
  const joined = db
    .updateTable('person')
    .from('purchase')
    .set({ name: 'x' })
    .whereRef('purchase.person_id', '=', 'person.id')
    .where('purchase.id', '=', 4)
  const queries = [
    plain,
    db
      .updateTable('person')
      .set((eb) => ({ age: eb('age', '+', 1) }))
      .where('person.id', 'in', [1, 2]),
    db.updateTable('person as p').set('mood', 'ok').where('p.id', '=', 5),
    db
      .updateTable('person')
      .set({ manager_id: (eb) => eb.selectFrom('person as boss').select('boss.id').limit(1) })
      .where('person.id', '=', 9),
    joined,
    db
      .updateTable('product')
      .from(db.selectFrom('purchase').select(['product_id']).distinct().as('sold'))
      .set({ price: 9 })
      .whereRef('sold.product_id', '=', 'product.id'),
  ]
  for (const query of queries) {
    yield query
    yield query.modifyEnd(sql`/* select */`)
    yield query.modifyEnd(sql`returning 1 as one`)
  }
  yield plain.returning(['id', 'age'])
  yield joined.returning(['person.id', 'purchase.note'])
  yield plain.returningAll()
}

function* deletes(db: Database): Generator<Compilable> {
  const plain = db.deleteFrom('purchase').where('purchase.id', '=', 8)
  const queries = [
    plain,
    db.deleteFrom('audit').where('id', 'in', db.selectFrom('audit').select('id').limit(1).forUpdate().skipLocked()),
    db
      .deleteFrom('purchase')
      .using('person')
      .whereRef('purchase.person_id', '=', 'person.id')
      .where('person.name', '=', 'p9'),
    db
      .deleteFrom('purchase as old')
      .using(['product'])
      .whereRef('old.product_id', '=', 'product.id')
      .where('product.price', '>', 1000),
    db
      .deleteFrom('purchase')
      .using('purchase')
      .innerJoin('person', 'person.id', 'purchase.person_id')
      .where('person.age', '>', 1000),
  ]
  for (const query of queries) {
    yield query
    yield query.modifyEnd(sql`returning 1 as one`)
  }
  yield plain.returning('id')
  yield plain.returningAll()
}

function* merges(db: Database): Generator<Compilable> {
  const merge = db.mergeInto('product').using('purchase', 'purchase.product_id', 'product.id')
  const once = db
    .mergeInto('product as target')
    .using(db.selectFrom('product').select(['id', 'sku', 'price']).where('id', '<', 5).as('source'), (join) =>
      join.onRef('source.id', '=', 'target.id'),
    )
  yield merge.whenMatched().thenDoNothing()
  yield merge.whenMatchedAnd('purchase.id', '=', 12).thenUpdateSet({ price: 12 })
  yield merge.whenMatchedAnd('purchase.id', '=', 3).thenDelete().whenNotMatched().thenDoNothing()
  yield merge.whenNotMatched().thenInsertValues({ sku: 'merged', price: 1 })
  yield once.whenMatched().thenUpdateSet((eb) => ({ price: eb.ref('source.price') }))
  yield once
    .whenMatchedAndRef('source.price', '<', 'target.price')
    .thenDoNothing()
    .whenNotMatched()
    .thenInsertValues({ sku: 'other', price: 2 })
  yield once.whenNotMatchedAnd('source.id', '>', 3).thenInsertValues({ sku: 'third', price: 3 })
  yield once.whenMatched().thenUpdateSet({ price: 7 }).returning('target.id')
  yield once.whenNotMatchedBySource().thenDoNothing().whenMatched().thenUpdateSet({ price: 8 })
  yield db
    .with('late', (qb) => qb.selectFrom('purchase').selectAll())
    .mergeInto('product')
    .using('late', 'late.product_id', 'product.id')
    .whenMatched()
    .thenDoNothing()
}

/** A write in a common table expression, and a read or a write behind it; and a write behind a read. */
function* writingTables(db: Database): Generator<Compilable> {
  const written = [
    db.with('w', (qb) => qb.insertInto('audit').values({ what: 'cte' }).returning('id')),
    db.with('w', (qb) => qb.updateTable('audit').set({ what: 'cte' }).where('id', '=', 1).returning('id')),
    db.with('w', (qb) => qb.deleteFrom('audit').where('id', '=', 1).returning('id')),
    db.with(
      (cte) => cte('w').materialized(),
      (qb) => qb.selectFrom('audit').select('id'),
    ),
    db.with('w', (qb) =>
      qb
        .with('inner', (inner) => inner.selectFrom('audit').select('id').forUpdate())
        .selectFrom('inner')
        .select('id'),
    ),
  ]
  for (const first of written) {
    yield first.selectFrom('w').selectAll()
    yield first.selectFrom('person').innerJoin('w', 'w.id', 'person.id').select('person.name').limit(3)
    yield first
      .selectFrom('person')
      .select(({ fn }) => fn.countAll().as('n'))
      .where('id', 'in', (eb) => eb.selectFrom('w').select('w.id'))
    yield first
      .insertInto('audit')
      .columns(['what'])
      .expression((eb) => eb.selectFrom('w').select(sql<string>`w.id::text`.as('what')))
    yield first
      .updateTable('person')
      .from('w')
      .set({ age: 44 })
      .whereRef('w.id', '=', 'person.id')
      .returning('person.id')
    yield first
      .deleteFrom('purchase')
      .using('w')
      .whereRef('w.id', '=', 'purchase.person_id')
      .where('purchase.id', '<', 0)
  }
}

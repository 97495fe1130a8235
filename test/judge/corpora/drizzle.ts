import {
  and,
  asc,
  avg,
  between,
  count,
  countDistinct,
  desc,
  eq,
  exists,
  gt,
  ilike,
  inArray,
  isNotNull,
  isNull,
  like,
  lt,
  max,
  min,
  not,
  or,
  type SQL,
  sql,
  sum,
} from 'drizzle-orm'
import { drizzle as connect, type NodePgDatabase } from 'drizzle-orm/node-postgres'
import { except, exceptAll, intersect, intersectAll, PgDialect, union, unionAll } from 'drizzle-orm/pg-core'
import { type Corpus, independentTexts } from '../corpus.ts'
import { type BuiltQuery, inlineParameters } from '../inline-parameters.ts'
import * as shop from './drizzle-shop.ts'
import { SHOP_SCHEMA } from './shop.ts'

const { person, product, purchase, audit, adult, daily } = shop

/** What Drizzle's builders and its relational queries come to for Postgres. */
export const drizzle: Corpus = {
  name: 'drizzle',
  async suites() {
    return [independentTexts('drizzle', SHOP_SCHEMA, new Set(drizzleQueries().map(inlineParameters)))]
  },
}

interface Built {
  toSQL(): { readonly sql: string; readonly params: readonly unknown[] }
}
type Database = NodePgDatabase<typeof shop>

/** All of the corpus before its parameters are put in. */
export function drizzleQueries(): readonly BuiltQuery[] {
  const db = connect.mock({ schema: shop })
  const built = [...selects(db), ...compounds(db), ...relational(db), ...writes(db), ...commonTables(db), ...raw(db)]
  return built.map((query) => {
    const { sql: text, params } = query.toSQL()
    return { sql: text, parameters: params }
  })
}

const dialect = new PgDialect()
const template = (query: SQL): Built => ({ toSQL: () => dialect.sqlToQuery(query) })

/** Awaited, a count sends another text than the one it puts into a query; its type hides it. */
const countAlone = (counted: SQL): Built => template(Reflect.get(counted, 'sql') as SQL)

const CONDITIONS: readonly (SQL | undefined)[] = [
  undefined,
  eq(person.id, 7),
  or(
    between(person.age, 18, 30),
    like(person.name, '%p1%'),
    inArray(person.mood, ['ok', 'happy']),
    isNull(person.email),
  ),
  and(gt(person.id, 3), not(ilike(person.name, "it's $1 -- for update"))),
]

/** Each source with each condition and each ending. */
function* selects(db: Database): Generator<Built> {
  const boss = db
    .select({ id: person.id, called: sql<string>`upper(${person.name})`.as('called') })
    .from(person)
    .where(lt(person.id, 10))
    .as('boss')
  for (const condition of CONDITIONS) {
    const sources = [
      () => db.select().from(person).where(condition).$dynamic(),
      () => db.select({ id: person.id, update: person.name }).from(person).where(condition).$dynamic(),
      () => db.select().from(person).innerJoin(purchase, eq(purchase.personId, person.id)).where(condition).$dynamic(),
      () =>
        db
          .select({ id: person.id, note: purchase.note })
          .from(person)
          .leftJoin(purchase, eq(purchase.personId, person.id))
          .where(condition)
          .$dynamic(),
      () =>
        db
          .select({ name: person.name, called: boss.called })
          .from(person)
          .innerJoin(boss, eq(boss.id, person.managerId))
          .where(condition)
          .$dynamic(),
      () =>
        db
          .select({ name: person.name, age: adult.age })
          .from(person)
          .innerJoin(adult, eq(adult.id, person.id))
          .where(condition)
          .$dynamic(),
      () =>
        db
          .selectDistinctOn([person.id], { id: person.id, name: person.name })
          .from(person)
          .where(condition)
          .orderBy(person.id)
          .$dynamic(),
    ]
    for (const [index, source] of sources.entries()) {
      yield source()
      yield source().orderBy(asc(person.id)).limit(5).offset(2)
      yield source().orderBy(person.id, desc(person.name)).limit(1)
      if (index === sources.length - 1) continue
      yield source().for('update', { of: person })
      yield source().for('update', { of: person, skipLocked: true })
      yield source().for('share', { of: person, noWait: true })
      yield source().limit(2).for('no key update', { of: person })
      yield source().for('key share', { of: person })
    }
    yield db
      .select({ n: db.$count(person, condition) })
      .from(daily)
      .limit(1)
    yield countAlone(db.$count(person, condition))
    yield db.selectDistinct({ mood: person.mood }).from(person).where(condition)
  }
}

/** Aggregates, windows, subqueries, set operations, views. */
function* compounds(db: Database): Generator<Built> {
  for (const aggregate of [avg, count, countDistinct, max, min, sum]) {
    const value = aggregate(purchase.quantity)
    yield db.select({ value }).from(purchase)
    yield db.select({ personId: purchase.personId, value }).from(purchase).groupBy(purchase.personId)
    yield db.select({ id: purchase.productId }).from(purchase).groupBy(purchase.productId).having(gt(value, 2))
    yield db.select({ value: sql`${value} filter (where ${purchase.id} > 9)` }).from(purchase)
    if (aggregate !== countDistinct)
      yield db
        .select({ value: sql`${value} over (partition by ${purchase.personId} order by ${purchase.id})` })
        .from(purchase)
  }
  for (const name of ['row_number', 'rank', 'dense_rank'])
    yield db.select({ value: sql`${sql.raw(name)}() over (order by ${purchase.id})` }).from(purchase)
  const left = db.select({ id: person.id, name: person.name }).from(person)
  const right = db.select({ id: product.id, name: product.sku }).from(product)
  for (const combine of [union, unionAll, intersect, intersectAll, except, exceptAll]) {
    yield combine(left, right)
    yield combine(left, right).orderBy(sql`name`).limit(4)
    yield db.select({ n: count() }).from(combine(left, right).as('both'))
  }
  const bought = db.select({ id: purchase.id }).from(purchase).where(eq(purchase.personId, person.id))
  yield db.select().from(person).where(exists(bought))
  yield db
    .select()
    .from(person)
    .where(inArray(person.id, db.select({ id: purchase.personId }).from(purchase)))
  yield db
    .select()
    .from(person)
    .where(inArray(person.id, db.select({ id: purchase.personId }).from(purchase).for('update')))
  const lateral = bought.limit(1).as('last')
  yield db.select({ id: lateral.id }).from(person).leftJoinLateral(lateral, sql`true`)
  for (const view of [adult, daily]) {
    yield db.select().from(view)
    yield db.select({ n: count() }).from(view)
    yield countAlone(db.$count(view))
  }
  yield db.refreshMaterializedView(daily)
  yield db.refreshMaterializedView(daily).concurrently()
  yield db.refreshMaterializedView(daily).withNoData()
}

function* relational(db: Database): Generator<Built> {
  for (const where of CONDITIONS) {
    const options = { where }
    yield db.query.person.findMany(options)
    yield db.query.person.findFirst(options)
    yield db.query.person.findMany({
      ...options,
      columns: { id: true, name: true },
      orderBy: [desc(person.id)],
      limit: 4,
      offset: 1,
    })
    yield db.query.person.findMany({ ...options, with: { purchases: true } })
    yield db.query.person.findMany({
      ...options,
      with: { purchases: { with: { product: true }, limit: 2 }, manager: true },
    })
    yield db.query.person.findFirst({ ...options, extras: { loud: sql<string>`upper(${person.name})`.as('loud') } })
    yield db.query.person.findMany({ ...options, with: { manager: { columns: { name: true } } }, orderBy: person.name })
  }
  yield db.query.purchase.findMany({ with: { person: true, product: true }, where: isNotNull(purchase.note) })
  yield db.query.product.findFirst({ columns: { sku: true } })
}

function* writes(db: Database): Generator<Built> {
  const values = [
    { sku: 'sku-1', price: 3 },
    { sku: 'new', price: 5, tags: ['x'], detail: { select: 1 } },
  ]
  const inserts = [
    () => db.insert(product).values({ sku: 'sku-2', price: 4 }),
    () => db.insert(product).values(values),
    () => db.insert(product).overridingSystemValue().values({ sku: 'third', price: 6 }),
  ]
  for (const insert of inserts) {
    for (const conflict of [
      () => insert(),
      () => insert().onConflictDoNothing(),
      () => insert().onConflictDoNothing({ target: product.sku }),
      () => insert().onConflictDoUpdate({ target: product.sku, set: { price: 8 } }),
      () =>
        insert().onConflictDoUpdate({
          target: product.sku,
          set: { price: sql`excluded.price` },
          setWhere: lt(product.price, 9),
        }),
    ]) {
      yield conflict()
      yield conflict().returning()
      yield conflict().returning({ id: product.id })
    }
  }
  yield db.insert(audit).select(
    db
      .select({ id: sql<number>`${person.id} + 500`.as('id'), what: person.name })
      .from(person)
      .limit(2),
  )
  for (const condition of CONDITIONS.slice(1)) {
    yield db.update(person).set({ age: 31 }).where(condition)
    yield db
      .update(person)
      .set({ age: sql`${person.age} + 1`, mood: 'ok' })
      .where(condition)
      .returning()
    yield db
      .update(person)
      .set({ name: 'x' })
      .from(purchase)
      .where(and(eq(purchase.personId, person.id), condition))
    yield db
      .update(person)
      .set({ name: 'y' })
      .from(purchase)
      .where(and(eq(purchase.personId, person.id), condition))
      .returning({ id: person.id })
    yield db.delete(person).where(condition)
    yield db.delete(person).where(condition).returning({ id: person.id })
    yield db
      .delete(purchase)
      .where(inArray(purchase.personId, db.select({ id: person.id }).from(person).where(condition).for('update')))
  }
  yield db.delete(audit)
}

/** Each writing and reading CTE with a read and a write behind it. */
function* commonTables(db: Database): Generator<Built> {
  const tables = [
    db.$with('w').as(db.select({ id: audit.id }).from(audit)),
    db.$with('w').as(db.select({ id: audit.id }).from(audit).for('update')),
    db.$with('w').as(db.insert(audit).values({ what: 'cte' }).returning({ id: audit.id })),
    db.$with('w').as(db.update(audit).set({ what: 'cte' }).where(eq(audit.id, 1)).returning({ id: audit.id })),
    db.$with('w').as(db.delete(audit).where(eq(audit.id, 1)).returning({ id: audit.id })),
  ]
  for (const table of tables) {
    const ids = sql`(select id from w)`
    yield db.with(table).select().from(table)
    yield db.with(table).select({ n: count() }).from(person).where(sql`${person.id} in ${ids}`)
    yield db.with(table).update(person).set({ age: 44 }).where(sql`${person.id} in ${ids}`)
    yield db.with(table).delete(purchase).where(sql`${purchase.id} in ${ids}`).returning()
    yield db.with(table).insert(audit).values({ what: 'behind' })
  }
}

/** `sql` templates, also around built queries, and what a transaction sends. */
function* raw(db: Database): Generator<Built> {
  const inner = [
    db.select().from(person),
    db.select().from(person).for('share'),
    db.delete(audit).where(eq(audit.id, 2)),
    db.insert(audit).values({ what: 'x' }),
  ]
  for (const query of inner)
    for (const options of ['', 'verbose', 'analyze', '(analyze, costs off, timing off)', '(format json)'])
      yield template(sql`explain ${sql.raw(options)} ${query.getSQL()}`)
  const texts = [
    'begin',
    'begin isolation level serializable read only deferrable',
    'savepoint sp1',
    'rollback to savepoint sp1',
    'commit',
    'rollback',
    'show work_mem',
    "select nextval('person_id_seq')",
    'select pg_advisory_xact_lock(1)',
    'select now()',
    'select gen_random_uuid() is null',
    "notify channel, 'x'",
    'create schema if not exists "drizzle"',
    'create table if not exists "drizzle"."migrations" (id serial primary key, hash text not null, created_at bigint)',
    'select id, hash, created_at from "drizzle"."migrations" order by created_at desc limit 1',
    'truncate table audit restart identity cascade',
    'merge into product using purchase on purchase.product_id = product.id when matched then do nothing',
    'create index concurrently person_age on person (age)',
  ]
  for (const text of texts) yield template(sql.raw(text))
}

import { type Compilable, type Kysely, type OperationNodeSource, sql } from 'kysely'
import { jsonArrayFrom, jsonBuildObject, jsonObjectFrom } from 'kysely/helpers/postgres'
import type { PersonQuery, ShopDatabase } from './kysely-shop.ts'

type Database = Kysely<ShopDatabase>
type Step = (query: PersonQuery) => PersonQuery

/** What has more tables than `person` in it knows `person` all the same; Kysely's types have no word for that. */
const asPersonQuery = (query: unknown): PersonQuery => query as PersonQuery

/** Selects: each source with each condition and each ending, then what fits no such table. */
export function* kyselyReads(db: Database): Generator<Compilable> {
  for (const source of sources(db))
    for (const condition of CONDITIONS) for (const ending of ENDINGS) yield ending(condition(source))
  yield* setOperations(db)
  yield* aggregates(db)
  yield* commonTables(db)
  yield* expressions(db)
  yield* raw(db)
}

function sources(db: Database): readonly PersonQuery[] {
  const person = db.selectFrom('person')
  return [
    person.selectAll(),
    person.select(['person.id', 'person.name as called']),
    person.innerJoin('purchase', 'purchase.person_id', 'person.id').select(['person.id', 'purchase.quantity']),
    person
      .leftJoin('purchase as p', (join) => join.onRef('p.person_id', '=', 'person.id').on('p.quantity', '>', 2))
      .selectAll('person'),
    person.crossJoin('daily').select(['person.name', 'daily.purchases']),
    person
      .innerJoinLateral(
        (eb) =>
          eb
            .selectFrom('purchase')
            .select('note')
            .whereRef('purchase.person_id', '=', 'person.id')
            .orderBy('id', 'desc')
            .limit(1)
            .as('last'),
        (join) => join.onTrue(),
      )
      .select(['person.id', 'last.note']),
    person.leftJoin('person as boss', 'boss.id', 'person.manager_id').select(['person.name', 'boss.name as boss']),
    person
      .innerJoin(db.selectFrom('purchase').select(['person_id']).distinct().as('buyer'), 'buyer.person_id', 'person.id')
      .select('person.email'),
    person.innerJoin('adult', 'adult.id', 'person.id').select(['adult.name', 'person.mood']),
    db.withSchema('public').selectFrom('person').selectAll('person'),
  ].map(asPersonQuery)
}

const CONDITIONS: readonly Step[] = [
  (query) => query,
  (query) => query.where('person.id', '=', 7),
  (query) =>
    query.where((eb) =>
      eb.or([
        eb.between('person.age', 18, 30),
        eb('person.name', 'like', '%p1%'),
        eb('person.mood', 'in', ['ok', 'happy']),
        eb.not(eb('person.email', 'is', null)),
      ]),
    ),
]

const ENDINGS: readonly Step[] = [
  (query) => query,
  (query) => query.orderBy('person.id', 'desc').limit(5).offset(2),
  (query) => query.orderBy('person.name', (order) => order.asc().nullsLast()).fetch(3),
  (query) => query.distinctOn('person.id').orderBy('person.id'),
  (query) => query.forUpdate('person'),
  (query) => query.forUpdate('person').skipLocked(),
  (query) => query.forShare('person').noWait(),
  (query) => query.forNoKeyUpdate('person').limit(1).skipLocked(),
  (query) => query.forKeyShare('person').orderBy('person.id'),
  (query) => query.modifyFront(sql`/* first */`).modifyEnd(sql.raw('-- for update')),
  (query) => query.modifyEnd(sql`for update of person`),
]

function* setOperations(db: Database): Generator<Compilable> {
  const left = db.selectFrom('person').select(['id', 'name'])
  const right = db.selectFrom('product').select(['id', 'sku as name'])
  const all = [
    left.union(right),
    left.unionAll(right),
    left.intersect(right),
    left.intersectAll(right),
    left.except(right),
    left.exceptAll(right),
  ]
  for (const query of all) {
    yield query
    yield query.orderBy('name').limit(10)
    yield db.selectFrom(query.as('both')).select(({ fn }) => fn.countAll().as('n'))
  }
  yield left.union(({ parens }) => parens(right.limit(3).forUpdate()))
  yield left.unionAll(({ parens }) => parens(right.orderBy('id').limit(3).forShare().skipLocked()))
}

function* aggregates(db: Database): Generator<Compilable> {
  const purchases = db.selectFrom('purchase')
  for (const name of ['avg', 'sum', 'min', 'max', 'count', 'array_agg', 'variance', 'bit_or'] as const) {
    yield purchases.select(({ fn }) => fn.agg(name, ['quantity']).as('value'))
    yield purchases
      .select(['person_id', ({ fn }) => fn.agg(name, ['quantity']).distinct().as('value')])
      .groupBy('person_id')
    yield purchases.select(({ fn }) => fn.agg(name, ['quantity']).filterWhere('quantity', '>', 1).as('value'))
    yield purchases.select([
      'id',
      ({ fn }) =>
        fn
          .agg(name, ['quantity'])
          .over((over) => over.partitionBy('person_id').orderBy('id'))
          .as('value'),
    ])
    yield purchases
      .select('product_id')
      .groupBy('product_id')
      .having(({ fn }) => fn.agg<number>(name === 'array_agg' ? 'max' : name, ['quantity']), '>', 2)
  }
  for (const name of ['row_number', 'rank', 'dense_rank', 'percent_rank', 'cume_dist'])
    yield purchases.select([
      'id',
      ({ fn }) =>
        fn
          .agg(name, [])
          .over((over) => over.partitionBy(['person_id']).orderBy('placed_on', 'desc'))
          .as('value'),
    ])
  for (const name of ['lag', 'lead', 'first_value', 'last_value'])
    yield purchases.select([
      'id',
      ({ fn }) =>
        fn
          .agg(name, ['quantity'])
          .over((over) => over.orderBy('id'))
          .as('value'),
    ])
  yield purchases.select(({ fn }) => [
    fn.countAll().as('n'),
    fn.countAll('purchase').as('m'),
    fn.count('id').distinct().as('d'),
  ])
  yield purchases.select(({ fn }) => fn.jsonAgg('purchase').as('rows'))
  yield purchases.select(({ fn }) =>
    fn
      .agg<string>('string_agg', ['note', sql.lit(',')])
      .orderBy('id')
      .as('notes'),
  )
}

function* commonTables(db: Database): Generator<Compilable> {
  yield db
    .with('rich', (qb) => qb.selectFrom('product').selectAll().where('price', '>', 50))
    .selectFrom('rich')
    .selectAll()
  yield db
    .with('a', (qb) => qb.selectFrom('person').select('id'))
    .with('b', (qb) => qb.selectFrom('a').select('id').where('id', '<', 9))
    .selectFrom('b')
    .innerJoin('a', 'a.id', 'b.id')
    .select('a.id')
  yield db
    .with(
      (cte) => cte('m').materialized(),
      (qb) => qb.selectFrom('adult').selectAll(),
    )
    .selectFrom('m')
    .selectAll()
    .where('age', '<', 30)
  yield db
    .with(
      (cte) => cte('m').notMaterialized(),
      (qb) => qb.selectFrom('adult').selectAll(),
    )
    .selectFrom('m')
    .selectAll()
  yield db
    .withRecursive('chain(id, manager_id)', (qb) =>
      qb
        .selectFrom('person')
        .select(['id', 'manager_id'])
        .where('id', '=', 99)
        .unionAll((eb) =>
          eb
            .selectFrom('person')
            .innerJoin('chain', 'chain.manager_id', 'person.id')
            .select(['person.id', 'person.manager_id']),
        ),
    )
    .selectFrom('chain')
    .selectAll()
  yield db
    .with('locked', (qb) => qb.selectFrom('person').select('id').limit(2).forUpdate().skipLocked())
    .selectFrom('locked')
    .selectAll()
  yield db
    .with('shared', (qb) => qb.selectFrom('person').select('id').forShare())
    .selectFrom('adult')
    .selectAll()
    .limit(1)
}

function* expressions(db: Database): Generator<Compilable> {
  const person = db.selectFrom('person')
  const last = db.selectFrom('purchase').select('id').where('purchase.person_id', '=', sql.ref<number>('person.id'))
  yield person.select((eb) =>
    eb.case().when('age', '<', 18).then('young').when('age', '>', 60).then('old').else('grown').end().as('kind'),
  )
  yield person.selectAll().where((eb) => eb.exists(last))
  yield person.selectAll().where((eb) => eb.not(eb.exists(last.where('quantity', '>', 4))))
  yield person.selectAll().where('id', 'in', db.selectFrom('purchase').select('person_id'))
  yield person.selectAll().where('id', 'in', db.selectFrom('purchase').select('person_id').forUpdate())
  yield person.selectAll().where((eb) => eb('id', '=', eb.fn.any(eb.val([1, 2, 3]))))
  yield person.selectAll().where((eb) => eb(eb.refTuple('id', 'age'), 'in', [eb.tuple(1, 11), eb.tuple(2, 12)]))
  yield person.select((eb) => [
    eb.fn.coalesce('email', eb.val('none')).as('email'),
    eb.fn<string>('upper', ['name']).as('name'),
  ])
  yield person.select((eb) => [
    eb.cast<string>('age', 'text').as('age'),
    eb('age', '+', 1).as('next'),
    eb.neg('id').as('less'),
  ])
  yield person.select((eb) =>
    jsonArrayFrom(eb.selectFrom('purchase').select(['id', 'note']).whereRef('purchase.person_id', '=', 'person.id')).as(
      'purchases',
    ),
  )
  yield person.select((eb) =>
    jsonObjectFrom(
      eb.selectFrom('person as boss').select('boss.name').whereRef('boss.id', '=', 'person.manager_id'),
    ).as('boss'),
  )
  yield person.select((eb) => jsonBuildObject({ id: eb.ref('id'), name: eb.ref('name') }).as('object'))
  yield db.selectFrom('product').select((eb) =>
    eb
      .ref('detail', '->>')
      .key('n' as never)
      .as('n'),
  )
  yield db
    .selectFrom('product')
    .selectAll()
    .where('tags', '@>', sql<string[]>`${sql.val(['a'])}`)
  yield db.selectNoFrom((eb) => [
    eb.lit(1).as('one'),
    eb.val('two').as('two'),
    eb.exists(db.selectFrom('purchase').select('id')).as('some'),
  ])
  yield db.selectFrom(['person', 'product']).select(['person.id', 'product.sku']).limit(4)
  yield person.select(last.orderBy('id').limit(1).as('first')).orderBy('person.id')
  for (const operator of ['=', '!=', '<', '<=', '>', '>=', 'is distinct from'] as const)
    yield person.select('id').where('age', operator, 30)
  for (const operator of ['like', 'not like', 'ilike', 'not ilike', '~', '~*', '!~'] as const)
    yield person.select('id').where('name', operator, 'p%')
  for (const called of ['update', 'insert into person', 'for update', 'nextval(1)'])
    yield person.select(sql<string>`name`.as(called))
  for (const value of ["it's", '$1', '/*', '--', 'delete from person; --', '\\', '"'])
    yield person.select('id').where('name', '=', value)
}

/** `sql` templates: alone, and around each kind of built query. */
function* raw(db: Database): Generator<Compilable> {
  const inner: readonly OperationNodeSource[] = [
    db.selectFrom('person').selectAll(),
    db.selectFrom('person').select('id').forUpdate(),
    db.insertInto('audit').values({ what: 'x' }),
    db.updateTable('person').set({ age: 30 }).where('id', '=', 2),
    db.deleteFrom('audit').where('id', '=', 1).returning('id'),
    db
      .with('gone', (qb) => qb.deleteFrom('audit').where('id', '=', 1).returning('id'))
      .selectFrom('gone')
      .selectAll(),
  ]
  for (const query of inner) {
    for (const options of [
      '',
      'verbose ',
      'analyze ',
      '(analyze, costs off, timing off) ',
      '(analyze false, format json) ',
    ])
      yield compilable(db, sql`explain ${sql.raw(options)}${query}`)
    yield compilable(db, sql`copy (${query}) to stdout`)
  }
  for (const name of ['lower', 'length', 'md5', 'initcap'])
    yield compilable(db, sql`select ${sql.id(name)}(${sql.ref('person.name')}) from ${sql.table('person')}`)
  const texts = [
    "nextval('person_id_seq')",
    "currval('person_id_seq')",
    "setval('audit_id_seq', 50)",
    'pg_advisory_lock(7)',
    'pg_advisory_unlock(7)',
    'pg_advisory_xact_lock(7)',
    'pg_try_advisory_lock(8)',
    'txid_current()',
    'pg_current_xact_id_if_assigned()',
    "pg_notify('channel', 'x')",
    'now()',
    'random() < 2',
    'gen_random_uuid() is null',
    'version()',
    'pg_is_in_recovery() is null',
    "set_config('a.b', '1', true)",
    "current_setting('search_path')",
    'pg_backend_pid() > 0',
  ]
  for (const text of texts) yield compilable(db, sql`select ${sql.raw(text)}`)
  const statements = [
    'begin',
    'start transaction isolation level serializable read only',
    'savepoint a',
    'rollback to savepoint a',
    'release savepoint a',
    'commit',
    'rollback',
    "set local statement_timeout = '1s'",
    'show search_path',
    'table person',
    'values (1), (2)',
    'listen channel',
    'truncate audit',
    'lock table audit in share mode',
    'vacuum audit',
    'analyze person',
    'comment on table audit is null',
    'refresh materialized view daily',
    'do $$ begin perform 1; end $$',
    'do $$ begin delete from audit; end $$',
    'create temporary table scratch (id int)',
    'select * into kept from person',
    'prepare p as select 1',
  ]
  for (const text of statements) yield compilable(db, sql.raw(text))
}

const compilable = (
  db: Database,
  template: { compile(executor: Database): ReturnType<Compilable['compile']> },
): Compilable => ({
  compile: () => template.compile(db),
})

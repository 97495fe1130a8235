import fc from 'fast-check'
import { type Corpus, independentTexts } from '../corpus.ts'
import { SCHEMA } from './schema.ts'

/** Statements grown from a grammar over our schema: what people write, in every nesting, reads and writes alike. */
export const grammar: Corpus = over('grammar', false)

/** The same, and calls of users' functions, views that write, unlogged tables, sequences read as tables: only a catalog tells. */
export const grammarOddities: Corpus = over('grammar-oddities', true)

function over(name: string, hasOddities: boolean): Corpus {
  return {
    name,
    suites: async ({ limit, seed }) => [
      independentTexts(name, SCHEMA, grow(Math.min(limit, 10_000), seed, hasOddities)),
    ],
  }
}

/** `count` statements; the same ones for the same seed. */
export function grow(count: number, seed: number, hasOddities = false): readonly string[] {
  return fc.sample(statement(hasOddities), { numRuns: count, seed })
}

type Texts = fc.Arbitrary<string>
type Parts = Readonly<Record<string, Texts>>

const pick = (...texts: readonly string[]): Texts => fc.constantFrom(...texts)
const often = (weight: number, arbitrary: Texts): fc.WeightedArbitrary<string> => ({ weight, arbitrary })

/** A template with arbitraries in its holes. */
function fill(parts: TemplateStringsArray, ...holes: readonly Texts[]): Texts {
  return fc
    .tuple(...holes)
    .map((values) => parts.reduce((text, part, index) => text + part + (values[index] ?? ''), ''))
}

const maybe = (text: Texts, weight = 1): Texts => fc.oneof(often(2, fc.constant('')), often(weight, text))
const list = (item: Texts, maxLength = 3): Texts =>
  fc.array(item, { minLength: 1, maxLength }).map((items) => items.join(', '))

const number = fc.integer({ min: 0, max: 150 }).map(String)
const word = pick(
  "'v1'",
  "'a'",
  "'b'",
  "E'it\\'s'",
  "'insert into t'",
  '$$for update$$',
  "U&'\\0061'",
  '$q$delete from t$q$',
)
const lock = pick(
  'FOR UPDATE',
  'FOR NO KEY UPDATE',
  'FOR SHARE',
  'FOR KEY SHARE',
  'FOR UPDATE SKIP LOCKED',
  'FOR SHARE OF u NOWAIT',
)
const table = pick('t', 't', 't2', 'public.t', '"t"', 'vw', 'mv', 'part', 'empty')

const innocent = pick(
  'now()',
  'random()',
  'version()',
  'current_date',
  'current_user',
  'pg_catalog.now()',
  'gen_random_uuid()',
  'clock_timestamp()',
  "to_char(now(), 'YYYY')",
  "pg_size_pretty(pg_relation_size('t'))",
  "to_regclass('t')::text",
  "current_setting('work_mem')",
  "jsonb_build_object('update', 1)",
  'array_agg(1) OVER ()',
  'count(*) OVER (PARTITION BY 1)',
  "substring('abc' FROM 2 FOR 1)",
  "overlay('abc' PLACING 'x' FROM 2 FOR 1)",
  "set_config('app.x', '1', true)",
  'coalesce(null, 1)',
  'extract(year from now())',
  "string_agg('a', ',') FILTER (WHERE true) OVER ()",
  "obj_description('t'::regclass)",
  "pg_get_viewdef('vw'::regclass)",
  'row_number() OVER w',
)
const guilty = pick(
  "nextval('s')",
  "setval('s', 9)",
  "currval('s')",
  'lastval()',
  "pg_notify('c', 'x')",
  'pg_advisory_lock(1)',
  'pg_try_advisory_xact_lock(1, 2)',
  'txid_current()',
  'pg_current_xact_id()',
  'txid_current_snapshot()',
  'lo_create(0)',
  "set_config('app.x', '1', false)",
  'pg_current_wal_lsn()',
  'pg_is_in_recovery()',
  'pg_backend_pid()',
  'pg_export_snapshot()',
  "pg_catalog.nextval('s')",
  '"nextval"(\'s\')',
  "PG_NOTIFY('c','x')",
  'setseed(0.5)',
  'pg_switch_wal()',
  "pg_logical_emit_message(true, 'a', 'b')",
  'pg_stat_get_snapshot_timestamp()',
  "pg_sequence_last_value('s')",
)
const unseen = pick(
  'f_read_stable()',
  'f_write()',
  'f_exc()',
  'f_cond(false)',
  'f_lock()',
  "f_dyn('select 1')",
  'f_nextval()',
)

function parts(): Parts {
  return fc.letrec<Record<string, string>>((tie) => ({
    expression: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      often(8, pick('u.id', 'id', 'v', 'u.v', '1', 'null', 'u.*::text')),
      often(3, number),
      often(2, word),
      often(2, fill`(${tie('expression')})::text || ${word}`),
      often(2, fill`CASE WHEN ${tie('condition')} THEN 1 ELSE 2 END`),
      often(2, fill`(${tie('query')} LIMIT 1)::text`),
      often(1, fill`ARRAY(${tie('query')} LIMIT 3)::text`),
      often(1, fill`EXISTS (${tie('query')})`),
      often(1, fill`lower((${tie('expression')})::text)`),
      often(1, innocent),
    ),
    condition: fc.oneof(
      { maxDepth: 4 },
      often(4, fill`u.id = ${number}`),
      often(3, fill`id BETWEEN ${number} AND ${number}`),
      often(2, fill`v LIKE ${word}`),
      often(2, fill`u.id IN (SELECT id FROM t WHERE ${tie('condition')})`),
      often(1, fill`NOT (${tie('condition')})`),
      often(2, fill`${tie('condition')} AND ${tie('condition')}`),
      often(1, fill`EXISTS (SELECT FROM item AS x WHERE x.owner = u.id)`),
      often(1, pick('true', 'false', 'u.id IS NOT NULL', "v ~ '^v'", 'u.id = ANY (ARRAY[1, 2])')),
    ),
    source: fc.oneof(
      { maxDepth: 3 },
      often(8, fill`${table} AS u`),
      often(
        2,
        fill`t u JOIN item ON item.owner = u.id AND ${number} < 140`.map((text) =>
          text.replace('t u JOIN item', 't u JOIN (SELECT owner, price FROM item) AS item'),
        ),
      ),
      often(2, fill`t u LEFT JOIN LATERAL (SELECT price FROM item WHERE owner = u.id LIMIT 1) AS x ON true`),
      often(2, fill`(SELECT id, v FROM t WHERE id < ${number}) AS u`),
      often(1, fill`(${tie('common')}SELECT id, v FROM t) AS u (id, v)`),
      often(1, fill`generate_series(1, 3) AS u (id), LATERAL (SELECT 'x'::text AS v) AS w`),
      often(
        1,
        pick(
          "ROWS FROM (generate_series(1, 2)) WITH ORDINALITY AS u (id, n), (VALUES ('a'::text)) AS w (v)",
          't TABLESAMPLE BERNOULLI (100) AS u',
          'ONLY t AS u',
        ),
      ),
    ),
    common: fc.oneof(
      often(4, fill`WITH q AS (SELECT id, v FROM ${table} WHERE id < ${number}) `),
      often(2, fill`WITH q AS MATERIALIZED (SELECT 1 AS id), r (id) AS (VALUES (${number})) `),
      often(1, fill`WITH RECURSIVE q (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM q WHERE n < 5) `),
      often(1, fill`WITH update AS (SELECT 1 AS delete), insert (set) AS (SELECT 2) `),
    ),
    query: fc.oneof(
      { maxDepth: 4 },
      often(8, fill`SELECT id FROM ${tie('source')} WHERE ${tie('condition')}`),
      often(2, fill`SELECT count(*) FROM ${tie('source')} WHERE ${tie('condition')}`),
      often(1, fill`SELECT max(u.id) FROM ${tie('source')} GROUP BY u.id HAVING count(*) > 0`),
      often(1, fill`${tie('common')}SELECT 1 FROM q`),
    ),
  }))
}

function selects(p: Parts): Texts {
  const { expression, condition, source, common, query } = p as { [name: string]: Texts } & Record<
    'expression' | 'condition' | 'source' | 'common' | 'query',
    Texts
  >
  const tail = fill`${maybe(pick(' ORDER BY 1', ' ORDER BY 1 DESC NULLS LAST', ' ORDER BY u.id, 1'))}${maybe(fill` LIMIT ${number}`)}${maybe(pick(' OFFSET 1', ' OFFSET 0 ROWS'))}`
  const plain = fill`${maybe(common)}SELECT ${maybe(pick('DISTINCT ', 'ALL '), 1)}${list(expression)} FROM ${source} WHERE ${condition}`
  return fc.oneof(
    often(10, fill`${plain}${maybe(fill` LIMIT ${number}`)}`),
    often(4, fill`${maybe(common)}SELECT ${list(expression)} FROM ${source} WHERE ${condition}${tail}`),
    often(3, fill`SELECT ${innocent}, ${list(expression)} FROM ${source} WINDOW w AS (ORDER BY u.id)`),
    often(
      2,
      fill`SELECT v, count(*), grouping(v) FROM t AS u WHERE ${condition} GROUP BY ${pick('ROLLUP (v)', 'CUBE (v, id)', 'GROUPING SETS ((v), ())', 'DISTINCT v', 'v')}`,
    ),
    often(3, fill`(${query}) ${pick('UNION', 'UNION ALL', 'INTERSECT', 'EXCEPT ALL')} (${query}) ORDER BY 1`),
    often(1, fill`((${query}))`),
    often(1, fill`VALUES (${number}, ${word}), (1, now()::text)`),
    often(1, fill`TABLE ${pick('t', 'public.item', 'vw', 'mv')}`),
    often(
      2,
      fill`SELECT doc -> 'n', doc #>> '{k,0}', tags && ARRAY['a'], price * 2 FROM item WHERE doc @> ${pick(`'{"n": 1}'`, `'{}'`)} AND at < now()`,
    ),
    often(
      1,
      fill`SELECT * FROM ${pick('jsonb_to_recordset(\'[{"a":1}]\') AS x (a int)', "unnest(ARRAY[1,2], ARRAY['a','b']) AS x (a, b)", "regexp_split_to_table('a,b', ',') AS x", 'vw_join', 'information_schema.tables', 'pg_class', "json_table('[1]', '$[*]' COLUMNS (a int PATH '$')) AS x")}`,
    ),
  )
}

/** One statement of any kind. */
function statement(hasOddities: boolean): Texts {
  const p = parts()
  const { condition, source, common, query } = p as Record<'condition' | 'source' | 'common' | 'query', Texts>
  const select = selects(p)
  const returning = maybe(pick(' RETURNING *', ' RETURNING id', ' RETURNING id, v AS select'))
  const modify = fc.oneof(
    often(3, fill`INSERT INTO t2 (v) VALUES (${word})${returning}`),
    often(2, fill`INSERT INTO t2 (v) SELECT v FROM t AS u WHERE ${condition} LIMIT 2${returning}`),
    often(
      1,
      fill`INSERT INTO t VALUES (1, ${word}) ON CONFLICT (id) DO ${pick('NOTHING', 'UPDATE SET v = excluded.v')}`,
    ),
    often(3, fill`UPDATE t AS u SET v = ${word} WHERE ${condition}${returning}`),
    often(2, fill`DELETE FROM t2 AS u WHERE u.id > 1000 AND ${condition}${returning}`),
    often(
      1,
      fill`MERGE INTO t AS u USING (VALUES (${number}, 'm')) AS m (i, w) ON u.id = m.i WHEN MATCHED THEN UPDATE SET v = m.w`,
    ),
  )
  const locking = fc.oneof(
    often(3, fill`SELECT id, v FROM t AS u WHERE ${condition} ORDER BY id LIMIT 3 ${lock}`),
    often(1, fill`${common}SELECT u.id FROM t AS u WHERE ${condition} ${lock}`),
    often(1, fill`SELECT * FROM (SELECT id FROM t AS u WHERE ${condition} ${lock}) AS s`),
    often(1, fill`WITH l AS (SELECT id FROM t AS u ${lock}) SELECT count(*) FROM l`),
  )
  const writing = fill`WITH w AS (${modify.map((text) => (/RETURNING/.test(text) || /^MERGE/.test(text) ? text : `${text} RETURNING *`))}) ${pick('SELECT * FROM w', 'SELECT 1', 'TABLE w')}`
  const calling = fc.oneof(
    often(3, fill`SELECT ${guilty}`),
    often(
      1,
      fill`SELECT * FROM t AS u WHERE ${guilty} IS NULL LIMIT 1`.map((text) => text),
    ),
    often(1, fill`${common}SELECT (SELECT ${guilty}::text) FROM q`),
    often(1, fill`SELECT CASE WHEN true THEN ${guilty}::text END`),
  )
  const any = fc.oneof(often(6, select), often(2, modify), often(1, locking), often(1, writing))
  const explain = fill`EXPLAIN ${pick('', 'VERBOSE ', 'ANALYZE ', 'ANALYZE VERBOSE ', '(ANALYZE) ', '(ANALYZE off, COSTS off) ', '(FORMAT json) ', '(COSTS false, ANALYZE true, BUFFERS) ', '(ANALYZE 0) ', '(VERBOSE, ANALYZE on, TIMING off) ')}${any}`
  const other = fc.oneof(
    often(
      2,
      fill`COPY ${pick('t', 't (id, v)', '(SELECT * FROM t)', '(VALUES (1))')} TO STDOUT${maybe(pick(' WITH (FORMAT csv)', ' CSV HEADER'))}`,
    ),
    often(1, fill`COPY (${query}) TO STDOUT`),
    often(1, fill`COPY t2 (v) FROM STDIN${maybe(pick(' (FORMAT csv)'))}`),
    often(1, fill`COPY (DELETE FROM t2 WHERE id > 1000 RETURNING *) TO STDOUT`),
    often(
      2,
      fill`DECLARE c ${pick('', 'SCROLL ', 'NO SCROLL ', 'BINARY ')}CURSOR ${pick('', 'WITH HOLD ', 'WITHOUT HOLD ')}FOR ${fc.oneof(select, locking)}`,
    ),
    often(
      1,
      pick(
        'SET search_path = public',
        "SET LOCAL work_mem = '8MB'",
        'RESET ALL',
        'SHOW work_mem',
        'SHOW server_version',
        'DISCARD PLANS',
        'SET ROLE app',
        "SET TIME ZONE 'UTC'",
        'SET SESSION statement_timeout = 4000',
      ),
    ),
    often(
      1,
      pick(
        'BEGIN',
        'START TRANSACTION READ ONLY',
        'BEGIN ISOLATION LEVEL SERIALIZABLE',
        'COMMIT',
        'ROLLBACK',
        'BEGIN READ WRITE',
        'SAVEPOINT a',
        'END',
      ),
    ),
    often(1, fill`PREPARE p AS ${any}`),
    often(
      1,
      fill`LOCK TABLE t IN ${pick('ACCESS SHARE', 'ROW SHARE', 'ROW EXCLUSIVE', 'SHARE', 'ACCESS EXCLUSIVE')} MODE`,
    ),
    often(
      1,
      pick(
        'LISTEN c',
        'UNLISTEN *',
        'NOTIFY c',
        "NOTIFY c, 'x'",
        'CHECKPOINT',
        'VACUUM t2',
        'ANALYZE t',
        'REFRESH MATERIALIZED VIEW mv',
      ),
    ),
    often(
      1,
      fill`DO $$ BEGIN ${pick('PERFORM 1', 'PERFORM count(*) FROM t', "INSERT INTO t2 (v) VALUES ('d')", 'UPDATE t SET v = v WHERE id = 1', "RAISE NOTICE 'update'", "PERFORM nextval('s')", 'BEGIN INSERT INTO t2 (v) VALUES (1); EXCEPTION WHEN others THEN NULL; END', 'IF false THEN DELETE FROM t2; END IF')}; END $$`,
    ),
    often(
      1,
      pick(
        'SELECT last_value FROM s',
        'SELECT count(*) FROM pg_stat_activity',
        'SELECT 1 FROM pg_locks LIMIT 1',
        'SELECT * FROM pg_sequences',
      ),
    ),
    often(1, fill`CREATE TEMP TABLE made_${number} AS ${query}`),
    often(1, fill`SELECT * INTO TEMP made FROM ${source} WHERE false`),
    often(1, fill`${select}; ${any}`),
  )
  const odd = fc.oneof(
    often(1, pick('CALL p_read()', 'CALL p_write()', 'CALL p_commit()')),
    often(1, fill`SELECT ${unseen}`),
    often(1, fill`SELECT ${unseen}, id FROM t AS u WHERE ${condition} LIMIT 2`),
    often(
      1,
      pick(
        'SELECT * FROM s',
        'SELECT * FROM ul',
        'SELECT * FROM vw_write',
        "SELECT 1 @@@ 'x'",
        'SELECT * FROM vw_volatile',
      ),
    ),
    often(1, fill`SELECT u.id FROM ${source}, ${pick('ul', 'vw_write AS w', 'us', 's')} WHERE ${condition}`),
  )
  const noisy = fc.oneof(
    ...(hasOddities ? [often(4, odd)] : []),
    often(8, select),
    often(4, modify),
    often(2, locking),
    often(2, writing),
    often(3, calling),
    often(2, explain),
    often(4, other),
  )
  return fc
    .tuple(noisy, pick('', '', '', ';', ' -- update t', '\n/* for update /* nested */ */'))
    .map(([text, end]) => text + end)
}

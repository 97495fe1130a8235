import { loadModule } from 'libpg-query'
import { beforeAll, expect, test } from 'vitest'
import { labelOf } from './labels.ts'

beforeAll(loadModule)

test.each([
  'SELECT 1',
  'EXPLAIN DELETE FROM t',
  'EXPLAIN (ANALYZE, ANALYZE off) DELETE FROM t',
  'SELECT pg_wal_lsn_diff($1, $2)',
  'SELECT * FROM pg_stats',
  'SELECT * FROM app.pg_stat_activity',
  'COPY (SELECT 1) TO STDOUT',
  'DECLARE c CURSOR FOR SELECT 1',
  'DO $$ BEGIN PERFORM 1; END $$',
  'MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN DO NOTHING',
])('nothing in the text says primary: %s', (sql) => {
  expect(labelOf(sql)).toMatchObject({ writes: undefined, belongsOnPrimary: undefined, isParsed: true })
})

test.each([
  ['WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x', 'DeleteStmt'],
  ['SELECT (SELECT 1 FROM t LIMIT 1 FOR SHARE)', 'row lock'],
  ['SELECT 1 INTO x', 'SELECT INTO'],
  ['EXPLAIN (ANALYZE 1) INSERT INTO t VALUES (1)', 'InsertStmt'],
  ['COPY (UPDATE t SET a = 1 RETURNING a) TO STDOUT', 'UpdateStmt'],
  ['COPY t FROM STDIN', 'COPY FROM'],
  ['DECLARE c CURSOR FOR SELECT * FROM t FOR UPDATE', 'row lock'],
  ['SELECT 1; DROP TABLE t', 'DropStmt'],
  ['VACUUM', 'VacuumStmt'],
  [
    'MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN DO NOTHING WHEN NOT MATCHED THEN INSERT DEFAULT VALUES',
    'MergeStmt',
  ],
])('%s writes: %s', (sql, writes) => {
  expect(labelOf(sql).writes).toBe(writes)
})

test.each([
  ['SELECT 1 WHERE pg_try_advisory_lock(1)', 'advisory lock'],
  ['SELECT "currval"(\'s\')', 'sequence'],
  ['SELECT * FROM pg_catalog.pg_stat_activity', 'pg_stat_activity'],
  ["SELECT set_config('a.b', '1', false)", 'session state'],
  ['SET a.b = 1', 'session state'],
  ['DECLARE c CURSOR WITH HOLD FOR SELECT 1', 'cursor WITH HOLD'],
  ['LOCK t IN ACCESS SHARE MODE', 'lock'],
  ["SELECT * FROM dblink('host=a', 'select 1') AS r (a int)", 'remote server'],
  ["COPY t TO '/tmp/x'", 'file of the server'],
])('R2: %s belongs on the primary: %s', (sql, reason) => {
  expect(labelOf(sql).belongsOnPrimary).toBe(reason)
})

test.each([
  "SELECT set_config('a.b', '1', true)",
  'SET LOCAL a.b = 1',
  'SHOW a',
  'FETCH 1 FROM c',
  'SET TRANSACTION READ ONLY',
  "DO $$ BEGIN SET work_mem = '8MB'; END $$",
  "DO $$\tBEGIN\n\t\t\tPERFORM 1;\n\t\t\tSET work_mem = '8MB'; END $$",
  "DO $$ BEGIN PERFORM 1; -- now\n  SET work_mem = '8MB'; END $$",
])('R3: %s lives in its session', (sql) => {
  expect(labelOf(sql)).toMatchObject({ belongsOnPrimary: undefined, writes: undefined })
  expect(labelOf(sql).livesInSession).toBeDefined()
})

test('what is drawn by lot is not held against a node', () => {
  const isRandom = (sql: string) => labelOf(sql).isRandom
  expect(isRandom('SELECT * FROM t TABLESAMPLE system (5)')).toBe(true)
  expect(isRandom('SELECT * FROM t TABLESAMPLE system (5) REPEATABLE (1)')).toBe(false)
  expect(isRandom('SELECT count(*) FROM t WHERE pg_catalog.random() > 0.5')).toBe(true)
  expect(isRandom('SELECT gen_random_uuid() IS NULL')).toBe(true)
  expect(isRandom('SELECT random FROM t')).toBe(false)
})

test('names of relations keep their case and schema', () => {
  expect(labelOf('SELECT * FROM "A".b JOIN c ON true').relations.toSorted()).toEqual(['"A"."b"', '"c"'])
})

test('what no Postgres parses has no label', () => {
  expect(labelOf('SELEC 1')).toMatchObject({ isParsed: false, writes: undefined })
})

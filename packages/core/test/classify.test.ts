import { describe, expect, test } from 'vitest'
import { classify } from '../src/classify/classify.ts'
import type { Access, AccessReason, TransactionControl } from '../src/statement/statement.ts'

type Row = readonly [sql: string, access: Access, reason?: AccessReason]

function table(title: string, rows: readonly Row[]): void {
  describe(title, () => {
    for (const [sql, access, reason] of rows) {
      test(`${sql} → ${access}`, () => {
        const statement = classify(sql)
        expect(statement.access).toBe(access)
        if (reason !== undefined) expect(statement.reason).toBe(reason)
      })
    }
  })
}

table('R1: syntax that looks like a call is not one', [
  ['SELECT coalesce(a, b), greatest(1, 2), nullif(a, b), extract(year FROM d), cast(a AS int) FROM t', 'read'],
  ['SELECT x::numeric(10, 2), y::my.money(3), z::"Money"(2) FROM t', 'read'],
  ['SELECT cast(a AS money_type(3)) FROM t', 'read'],
  ['SELECT * FROM t u (a, b)', 'read'],
  ['SELECT * FROM t AS u (a, b)', 'read'],
  ['SELECT * FROM (SELECT 1) q(z)', 'read'],
  ['SELECT * FROM (VALUES (1, 2)) AS v (a, b) JOIN (SELECT 2) w ON (1 = 1)', 'read'],
  ['SELECT * FROM a LEFT JOIN (b CROSS JOIN c) USING (id)', 'read'],
  ['WITH a (x, y) AS (SELECT 1, 2), b (z) AS MATERIALIZED (SELECT 3) SELECT * FROM a, b', 'read'],
  [
    'WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SEARCH DEPTH FIRST BY n SET o SELECT * FROM r',
    'read',
  ],
  ['SELECT sum(x) FILTER (WHERE y) OVER (PARTITION BY (a) ORDER BY (b) ROWS (1) PRECEDING) FROM t', 'read'],
  ['SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY x) FROM t', 'read'],
  ['SELECT a FROM t GROUP BY GROUPING SETS ((a), ()), ROLLUP (b), CUBE (c)', 'read'],
  ['SELECT * FROM ROWS FROM (generate_series(1, 2), unnest(ARRAY[1])) AS q (a, b)', 'read'],
  ['SELECT * FROM generate_series(1, 2) WITH ORDINALITY t (a, b)', 'read'],
  ['SELECT * FROM t TABLESAMPLE bernoulli (10) REPEATABLE (1)', 'read'],
  ['SELECT * FROM json_to_recordset($1) AS x (a int, b numeric(10, 2))', 'read'],
  ["SELECT * FROM json_table($1, '$[*]' COLUMNS (id FOR ORDINALITY, a varchar(10) PATH '$.a')) AS j", 'read'],
  ["SELECT * FROM xmltable('/a' PASSING x COLUMNS a int PATH 'b')", 'read'],
  ["SELECT interval '1' second(3), timestamp(3) '2020-01-01', time (2) with time zone '10:00'", 'read'],
  ['SELECT left(a, 1), right(b, 2), "left"(c, 3) FROM t WHERE a NOT ILIKE (b) AND (a, b) OVERLAPS (c, d)', 'read'],
  ['SELECT * FROM t FETCH FIRST (5) ROWS ONLY', 'read'],
  ["SELECT now() AT TIME ZONE ('UTC')", 'read'],
  ['SELECT a.b.c[1].d, (t).e, t.* FROM s.t', 'read'],
  ['SELECT 1 OPERATOR(pg_catalog.+) 2', 'read'],
  ['SELECT pg_catalog.lower(x), information_schema._pg_expandarray(y) FROM t', 'read'],
  ['SELECT uuid($1), jsonb(x), date(y) FROM t', 'read'],
])

table('R1: a word of the grammar may be a name', [
  ['SELECT update, delete, insert, merge FROM t', 'read'],
  ['SELECT (update), count(delete) FROM t', 'read'],
  ['SELECT t.update, t.for, t.into FROM t', 'read'],
  ['SELECT 1 AS update, 2 AS into, 3 AS for', 'read'],
  ['WITH update AS (SELECT 1), delete AS (SELECT 2) SELECT * FROM update, delete', 'read'],
  ['SELECT "INTO", "for update" FROM "insert"', 'read'],
  ["SELECT substring('abc' FROM 2 FOR update), overlay(a PLACING b FROM 1 FOR share) FROM t", 'read'],
  ["SELECT 'FOR UPDATE', $$ INSERT INTO t $$, $q$ nextval('s') $q$ -- DELETE", 'read'],
  ['SELECT * FROM data d JOIN value v ON true', 'read'],
])

table('R1: a write, wherever it hides', [
  ['SELECT 1;;INSERT INTO t VALUES (1)', 'write', 'data-modification'],
  ["select/**/nextval('s')", 'write', 'sequence'],
  ["SELECT nextval ('s')", 'write', 'sequence'],
  ["SELECT NextVal\n--x\n/* y /* z */ */('s')", 'write', 'sequence'],
  [`SELECT U&"nextv\\0061l"('s')`, 'write', 'sequence'],
  [`SELECT u&"nextv!0061l" UESCAPE '!' ('s')`, 'write', 'sequence'],
  [`SELECT "pg_catalog" . "nextval"('s')`, 'write', 'sequence'],
  [`SELECT U&"pg\\005fcatalog".nextval('s')`, 'write', 'sequence'],
  ["SELECT E'a'\n'b\\'' || nextval('s') || ''", 'write', 'sequence'],
  ["SELECT E'a' -- c\n 'b\\'', nextval('s') --'", 'write', 'sequence'],
  ["SELECT DISTINCT ON (a) nextval('s') FROM t", 'write', 'sequence'],
  ["SELECT * FROM t FETCH FIRST nextval('s') ROWS ONLY", 'write', 'sequence'],
  ["SELECT * FROM t ORDER BY nextval('s')", 'write', 'sequence'],
  ["SELECT 1 OPERATOR(pg_catalog.+) nextval('s')", 'write', 'sequence'],
  ["WITH x AS (SELECT 1) (SELECT 2) ORDER BY 1, nextval('s')", 'write', 'sequence'],
  ["SELECT * FROM t WHERE a LIKE b ESCAPE nextval('s')::text", 'write', 'sequence'],
  ["SELECT now() AT TIME ZONE nextval('s')::text", 'write', 'sequence'],
  ["SELECT a[nextval('s')], ARRAY[nextval('s')] FROM t", 'write', 'sequence'],
  ["SELECT f FROM t, LATERAL nextval('s')", 'write', 'sequence'],
  ["SELECT * FROM ROWS FROM (nextval('s')) q", 'write', 'sequence'],
  ["SELECT lower(x => nextval('s')::text)", 'write', 'sequence'],
  ["SELECT * FROM t u (a), nextval('s')", 'write', 'sequence'],
  ['(((SELECT * FROM t) FOR UPDATE))', 'write', 'row-lock'],
  ['SELECT * FROM ((SELECT * FROM t) FOR UPDATE) q', 'write', 'row-lock'],
  ['SELECT substring((SELECT a FROM t FOR UPDATE) FROM 1 FOR 2)', 'write', 'row-lock'],
  ['SELECT 1 UNION (SELECT 2 FROM t FOR\n/**/KEY SHARE)', 'write', 'row-lock'],
  ['TABLE t FOR NO KEY UPDATE', 'write', 'row-lock'],
  ['WITH a AS (WITH b AS (DELETE FROM t RETURNING *) SELECT * FROM b) SELECT * FROM a', 'write', 'data-modification'],
  ['WITH update AS (SELECT 1) UPDATE t SET a = 1', 'write', 'data-modification'],
  [
    'WITH a AS NOT MATERIALIZED (MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE RETURNING 1) TABLE a',
    'write',
    'data-modification',
  ],
  ['WITH a AS (SELECT 1) DELETE FROM "t"', 'write', 'data-modification'],
  ['SELECT a, b INTO TEMP x FROM t', 'write', 'select-into'],
  ['WITH x AS (SELECT 1) SELECT * INTO y FROM x', 'write', 'select-into'],
  ["SELECT * FROM dblink_send_query('c', 'delete from t')", 'write', 'remote-server'],
  ['SELECT * FROM extensions.pg_stat_statements', 'write', 'node-local'],
  ['SELECT public.pg_stat_statements_reset()', 'write', 'node-local'],
  ["SELECT current_setting('transaction_read_only')", 'write', 'node-local'],
  ['SELECT current_setting($1)', 'write', 'node-local'],
  ["SELECT current_setting('in_hot' || '_standby')", 'write', 'node-local'],
  ['SELECT * FROM pg_temp.t', 'session', 'session-state'],
  ["EXPLAIN (FORMAT json, ANALYZE) SELECT nextval('s')", 'write', 'sequence'],
  [`EXPLAIN ("analyze" on) INSERT INTO t VALUES (1)`, 'write', 'explain-analyze'],
  ['EXPLAIN (ANALYZE off, ANALYZE) INSERT INTO t VALUES (1)', 'write', 'explain-analyze'],
  ['EXPLAIN ANALYZE DECLARE c CURSOR FOR SELECT * FROM t FOR UPDATE', 'write', 'row-lock'],
  ["SELECT set_config('transaction_read_only', 'off', true)", 'write'],
])

table('R1: what the text does not explain is unknown', [
  ["SELECT other.nextval('s')", 'unknown', 'unseen-function'],
  [`SELECT "Lower"('x')`, 'unknown', 'unseen-function'],
  ['SELECT nextval$x(1)', 'unknown', 'unseen-function'],
  ['SELECT nextval\u00a0(1)', 'unknown', 'unseen-function'],
  ['SELECT a @#@ b FROM t', 'unknown', 'unseen-operator'],
  ['SELECT a OPERATOR(mine.+) b FROM t', 'unknown', 'unseen-operator'],
  ['SELECT join(1), rollup(2)', 'unknown', 'unseen-function'],
  ['SELECT first(x) FROM t', 'unknown', 'unseen-function'],
  ['SELECT 1 FROM t GROUP BY a, f(b)', 'unknown', 'unseen-function'],
  ['SELECT cube(1) FROM t', 'unknown', 'unseen-function'],
  ["DO $$ BEGIN EXECUTE format('select %s', x); END $$", 'unknown', 'procedural-code'],
])

table('R1: what cannot be read is never a read', [
  ["SELECT 'a", 'write', 'syntax'],
  ['SELECT "a', 'write', 'syntax'],
  ['SELECT $a$ b $c$', 'write', 'syntax'],
  ['SELECT 1 /* a /* b */', 'write', 'syntax'],
  ["SELECT E'a\\'", 'write', 'syntax'],
  ['SELECT (1', 'write', 'syntax'],
  ['SELECT 1)', 'write', 'syntax'],
  ['SELECT 1FROM t', 'write', 'syntax'],
  ['SELECT {1}', 'write', 'syntax'],
  ['SELECT 1 \\g', 'write', 'syntax'],
  ['SELEC 1', 'write', 'syntax'],
  ['SELECT 1\u0000', 'write', 'syntax'],
  ['SELECT U&"\\zzzz"(1)', 'write', 'syntax'],
])

table('R1: a backslash before a quote is read as with standard_conforming_strings on and off; the stricter counts', [
  ["SELECT 'C:\\', x --'", 'read'],
  ["SELECT * FROM t WHERE path = 'C:\\'", 'read'],
  ["SELECT * FROM t WHERE path LIKE '%\\\\'", 'read'],
  ["SELECT 'a\\'', ' || nextval('s') --'", 'write', 'sequence'],
  ["SELECT 'a\\', ' || nextval(' --' || 's')", 'write', 'sequence'],
  ["SELECT 'it\\'s', f(1)", 'write', 'syntax'],
  ["SELECT 'a\\'; SELECT 'b'; --'", 'write', 'syntax'],
  ["SELECT 'a\\'; DELETE FROM t; --'", 'write', 'data-modification'],
  ["SELECT 'a\\'; SELECT ' , 1; SELECT 2 --'", 'read'],
  ["SELECT 'a\\'; COMMIT; SELECT '", 'write'],
  ["SELECT U&'\\' UESCAPE '!'", 'read'],
  ["SELECT set_config('transaction\\x5fread_only', 'off', true)", 'write', 'transaction-control'],
  ["SELECT current_setting('transaction\\x5fread_only')", 'write', 'node-local'],
  ["DO 'BEGIN \\x50ERFORM f(); END'", 'write', 'procedural-code'],
  ['SET standard_conforming_strings = off', 'session', 'session-state'],
])

table('R1: what is known by its name, or by the text that it is given', [
  ['CALL refresh_totals(1)', 'write', 'unseen-function'],
  ["SELECT run('ALTER TABLE t ADD x int')", 'write', 'procedural-code'],
  ["SELECT run(format('insert into %I values (1)', x))", 'write', 'procedural-code'],
  ["SELECT query_to_xml('delete from t returning 1', true, true, '')", 'write', 'procedural-code'],
  ["SELECT translated('Create account'), translated('update now'), lower('insert into t values (1)')", 'unknown'],
  ["SELECT bt_index_check('i'), 1", 'write', 'node-local'],
  ['SELECT set_limit(0.3)', 'session', 'session-state'],
  ["SELECT pg_relpages('t')", 'unknown', 'unseen-function'],
  ['SELECT pg_stat_statements_reset()', 'write', 'node-local'],
  ['MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN DO NOTHING', 'read'],
  ['MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN DO NOTHING WHEN NOT MATCHED THEN DO NOTHING', 'read'],
  [
    'MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN DO NOTHING WHEN NOT MATCHED THEN INSERT DEFAULT VALUES',
    'write',
  ],
  ['MERGE INTO t USING s ON t.id = f(s.id) WHEN MATCHED AND (CASE WHEN a THEN b END) THEN DO NOTHING', 'unknown'],
  ["MERGE INTO t USING s ON t.id = nextval('s') WHEN MATCHED THEN DO NOTHING", 'write', 'sequence'],
  ['MERGE INTO t USING s ON t.id = s.id', 'write', 'data-modification'],
])

table('R2: session and transaction', [
  ["SELECT set_config('app.user', $1, true), 1", 'read', 'transaction-local'],
  ["SELECT set_config('app.user', $1, $2)", 'session', 'session-state'],
  ["SELECT set_config('app.user', $1, true AND false)", 'session', 'session-state'],
  ["SELECT set_config('a', 'b', true), set_config('c', 'd', false)", 'session', 'session-state'],
  ["SELECT set_config(is_local => false, setting_name => 'a', new_value => true)", 'session', 'session-state'],
  ['SHOW server_version', 'read'],
  ['SHOW "in_hot_standby"', 'session', 'node-local'],
  ['SHOW TIME ZONE', 'session', 'session-state'],
  ['SET LOCAL ROLE app', 'read', 'transaction-local'],
  ['SET LOCAL "transaction_read_only" = off', 'write', 'transaction-control'],
  ['LISTEN jobs', 'session', 'notification'],
  ['NOTIFY jobs', 'write', 'notification'],
])

describe('R3: transaction control', () => {
  const modes = { isolation: undefined, isReadOnly: undefined, isDeferrable: undefined }
  test.each([
    ['BEGIN', { kind: 'begin', modes }],
    ['begin work;', { kind: 'begin', modes }],
    ['/* x */ BEGIN TRANSACTION READ ONLY', { kind: 'begin', modes: { ...modes, isReadOnly: true } }],
    [
      'START TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ WRITE, NOT DEFERRABLE',
      { kind: 'begin', modes: { isolation: 'repeatable read', isReadOnly: false, isDeferrable: false } },
    ],
    [
      'BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE',
      { kind: 'begin', modes: { isolation: 'serializable', isReadOnly: true, isDeferrable: true } },
    ],
    ['BEGIN ISOLATION LEVEL READ UNCOMMITTED', { kind: 'begin', modes: { ...modes, isolation: 'read uncommitted' } }],
    [
      'SET TRANSACTION ISOLATION LEVEL READ COMMITTED',
      { kind: 'set-transaction', modes: { ...modes, isolation: 'read committed' } },
    ],
    ['COMMIT', { kind: 'commit', isChained: false }],
    ['END WORK AND NO CHAIN', { kind: 'commit', isChained: false }],
    ['COMMIT TRANSACTION AND CHAIN', { kind: 'commit', isChained: true }],
    ['ROLLBACK', { kind: 'rollback', isChained: false }],
    ['ABORT AND CHAIN', { kind: 'rollback', isChained: true }],
    ['ROLLBACK WORK TO SAVEPOINT "a b"', { kind: 'rollback-to-savepoint' }],
    ['ROLLBACK TO a', { kind: 'rollback-to-savepoint' }],
    ['SAVEPOINT a', { kind: 'savepoint' }],
    ['RELEASE a', { kind: 'release-savepoint' }],
    ['RELEASE SAVEPOINT a', { kind: 'release-savepoint' }],
    ["PREPARE TRANSACTION 'x'", { kind: 'two-phase' }],
    ["COMMIT PREPARED 'x'", { kind: 'two-phase' }],
    ["ROLLBACK PREPARED 'x'", { kind: 'two-phase' }],
  ] satisfies readonly (readonly [string, TransactionControl])[])('%s', (sql, control) => {
    expect(classify(sql).control).toEqual(control)
  })

  test.each(['BEGIN; SELECT 1', 'COMMIT nonsense', 'SELECT 1', 'BEGIN; COMMIT', "SET TRANSACTION SNAPSHOT 'x'"])(
    'none in %s',
    (sql) => {
      expect(classify(sql).control).toBeUndefined()
    },
  )
})

describe('the rest of the verdict', () => {
  test('lists the functions of unknown effect, once each, as Postgres folds them', () => {
    const { functions } = classify(`SELECT Touch(1), app."Audit"(2), touch(3), lower(x), "a""b"(4) FROM t WHERE f(5)`)
    expect(functions).toEqual(['touch', 'app.Audit', 'a"b', 'f'])
  })

  test('points at the token that decided', () => {
    const sql = "SELECT a, NextVal('s') FROM t FOR UPDATE"
    const { token, position } = classify(sql)
    expect(token).toBe('NextVal')
    expect(position).toBe(sql.indexOf('NextVal'))
  })

  test.each([
    ['', 0],
    [' ;; -- x', 0],
    ['SELECT 1', 1],
    ['SELECT 1;', 1],
    ['SELECT \';\'; SELECT $$;$$;; SELECT ";"', 3],
    ['CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END; SELECT 1', 2],
    ['CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2)', 1],
  ])('counts statements: %s', (sql, count) => {
    expect(classify(sql).count).toBe(count)
  })

  test('a hint makes a read a write, and never a write a read', () => {
    for (const hint of ['/* headwater: primary */', '-- headwater:primary\n', '/*+ Headwater: PRIMARY */']) {
      expect(classify(`${hint} SELECT 1`)).toMatchObject({ access: 'write', reason: 'hint' })
      expect(classify(`SELECT 1 ${hint}`)).toMatchObject({ access: 'write', reason: 'hint' })
    }
    expect(classify('/* headwater: replica */ SELECT 1').access).toBe('read')
    expect(classify('/* headwater: replica */ INSERT INTO t VALUES (1)').reason).toBe('data-modification')
    expect(classify("SELECT '/* headwater: primary */'").access).toBe('read')
    expect(classify('/* headwater: primaryish */ SELECT 1').access).toBe('read')
  })

  test('is transaction-local only when it is the one statement', () => {
    expect(classify('SET LOCAL a.b = 1').isTransactionLocal).toBe(true)
    expect(classify("SELECT set_config('a.b', '1', true)").isTransactionLocal).toBe(true)
    expect(classify('FETCH 1 FROM c').isTransactionLocal).toBe(true)
    expect(classify('SET a.b = 1').isTransactionLocal).toBe(false)
    expect(classify('SET LOCAL a.b = 1; SET a.c = 1').isTransactionLocal).toBe(false)
  })

  test('is one frozen object for every plain read', () => {
    expect(classify('SELECT 1')).toBe(classify('SELECT 2'))
    expect(Object.isFrozen(classify('SELECT 1'))).toBe(true)
  })
})

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { classify } from '../src/classify/classify.ts'
import { classifyBody } from '../src/classify/grammar/body.ts'
import { createKnowledge } from '../src/classify/names/knowledge.ts'

describe('createKnowledge', () => {
  const knowledge = createKnowledge({
    functions: [
      ['public.slug', { access: 'read', reason: 'reads-only' }],
      ['public.touch', { access: 'write', reason: 'writing-function' }],
      ['a.same', { access: 'read', reason: 'reads-only' }],
      ['b.same', { access: 'write', reason: 'swallows-errors' }],
      ['public.lower', { access: 'write', reason: 'writing-function' }],
      ['public.dynamic', { access: 'unknown', reason: 'procedural-code' }],
    ],
    operators: [
      ['public.@#@', { access: 'write', reason: 'writing-function' }],
      ['public.<=>', { access: 'read', reason: 'reads-only' }],
    ],
    overrides: { 'audit.touch': 'write', pg_is_in_recovery: 'read', legacy: 'read' },
  })

  test.each([
    ['SELECT slug(title) FROM posts', 'read'],
    ['SELECT public.slug(title) FROM posts', 'read'],
    ['SELECT other.slug(title) FROM posts', 'unknown'],
    ['SELECT Touch(1)', 'write'],
    ['SELECT same(1)', 'write'],
    ['SELECT a.same(1)', 'read'],
    ['SELECT dynamic(1)', 'unknown'],
    ['SELECT audit.touch(1)', 'write'],
    ['SELECT legacy(1)', 'read'],
    ['SELECT public.legacy(1)', 'read'],
    ['SELECT a <=> b FROM t', 'read'],
    ['SELECT a OPERATOR(public.@#@) b FROM t', 'write'],
    ['SELECT a @#@ b FROM t', 'write'],
    ['CALL touch(1)', 'write'],
  ])('%s → %s', (sql, access) => {
    expect(classify(sql, knowledge).access).toBe(access)
  })

  test("a user's function beside one of Postgres's own makes the verdict stricter", () => {
    expect(classify("SELECT lower('X')", knowledge).access).toBe('write')
    expect(classify("SELECT pg_catalog.lower('X')", knowledge).access).toBe('read')
  })

  test("only the user's own override loosens the verdict on one of Postgres's own", () => {
    expect(classify('SELECT pg_is_in_recovery()', knowledge).access).toBe('read')
    const lax = createKnowledge({ functions: [['public.nextval', { access: 'read', reason: 'reads-only' }]] })
    expect(classify("SELECT nextval('s')", lax).access).toBe('write')
  })

  test('an unknown function is named', () => {
    expect(classify('SELECT dynamic(1)', knowledge).functions).toEqual(['dynamic'])
  })
})

describe('classifyBody', () => {
  test.each([
    ['sql', 'SELECT count(*) FROM t WHERE id = $1', 'read'],
    ['sql', 'SELECT 1; SELECT 2;', 'read'],
    ['sql', "SELECT nextval('s')", 'write'],
    ['sql', 'INSERT INTO t VALUES ($1) RETURNING id', 'write'],
    ['sql', 'RETURN a + b', 'read'],
    ['sql', "RETURN nextval('s')", 'write'],
    ['sql', 'BEGIN ATOMIC SELECT a; SELECT b; END', 'read'],
    ['sql', 'BEGIN ATOMIC SELECT a; DELETE FROM t; END', 'write'],
    ['sql', 'SELECT f(1)', 'unknown'],
    ['plpgsql', 'BEGIN RETURN (SELECT count(*) FROM t); END', 'read'],
    [
      'plpgsql',
      'DECLARE n int := 0; r record; BEGIN SELECT count(*) INTO n FROM t; IF (n > 1) THEN n := abs(n); ELSIF n < 0 THEN RETURN 0; END IF; FOR r IN SELECT * FROM t LOOP n = n + r.a; END LOOP; RETURN n; END',
      'read',
    ],
    ['plpgsql', 'BEGIN IF x THEN INSERT INTO t VALUES (1); END IF; END', 'write'],
    ['plpgsql', 'BEGIN RETURN QUERY UPDATE t SET a = 1 RETURNING *; END', 'write'],
    ['plpgsql', 'BEGIN RETURN QUERY WITH x AS (SELECT 1) DELETE FROM t RETURNING *; END', 'write'],
    ['plpgsql', 'BEGIN FOR r IN DELETE FROM t RETURNING * LOOP NULL; END LOOP; END', 'write'],
    ['plpgsql', "BEGIN PERFORM nextval('s'); END", 'write'],
    ['plpgsql', "BEGIN IF nextval('s') > 1 THEN NULL; END IF; END", 'write'],
    ['plpgsql', "BEGIN WHILE nextval('s') > 1 LOOP NULL; END LOOP; END", 'write'],
    ['plpgsql', 'BEGIN PERFORM pg_advisory_lock(1); END', 'write'],
    ['plpgsql', 'BEGIN SELECT * FROM t INTO x FOR UPDATE; END', 'write'],
    ['plpgsql', 'BEGIN CREATE TEMP TABLE x (a int); END', 'write'],
    ['plpgsql', "BEGIN EXECUTE 'insert into t values (1)'; END", 'write'],
    ['plpgsql', "BEGIN EXECUTE 'insert into ' || name || ' values (1)'; END", 'write'],
    ['plpgsql', "BEGIN EXECUTE format('  Alter table %I add x int', name); END", 'write'],
    ['plpgsql', 'BEGIN EXECUTE $q$select * from t for update$q$ INTO x USING y; END', 'write'],
    ['plpgsql', "BEGIN EXECUTE 'set work_mem = ' || x; END", 'session'],
    ['plpgsql', "BEGIN EXECUTE 'set local work_mem = ' || x; END", 'unknown'],
    ['plpgsql', "BEGIN EXECUTE 'select 1' || x; END", 'unknown'],
    ['plpgsql', "BEGIN EXECUTE 'sel' || 'ect 1'; END", 'unknown'],
    ['plpgsql', "BEGIN EXECUTE E'\\x69nsert into t values (1)'; END", 'write'],
    ['plpgsql', "BEGIN EXECUTE '\\x69nsert into t values (1)'; END", 'write'],
    ['plpgsql', "BEGIN q := build(x); EXECUTE q || ' limit 1'; END", 'write'],
    ['plpgsql', "DECLARE q text := 'select 1'; BEGIN q := q || x; RETURN QUERY EXECUTE q; END", 'unknown'],
    ['plpgsql', "BEGIN SELECT 'select ' || 1 INTO q; EXECUTE q; END", 'unknown'],
    ['plpgsql', 'BEGIN SELECT sql INTO q FROM jobs; EXECUTE q; END', 'write'],
    ['plpgsql', "BEGIN EXECUTE format('select %s', x); END", 'unknown'],
    ['plpgsql', "BEGIN EXECUTE format('select %1$I(1)', x); END", 'write'],
    ['plpgsql', "BEGIN EXECUTE 'select dblink' || '_exec(''x'')'; END", 'write'],
    ['plpgsql', "BEGIN q := 'reset role'; EXECUTE q; END", 'session'],
    ['plpgsql', "BEGIN EXECUTE format('select %s', nextval('s')); END", 'write'],
    [
      'plpgsql',
      "BEGIN EXECUTE 'select 1' INTO STRICT x; FOR r IN EXECUTE 'select 2' USING 3 LOOP NULL; END LOOP; END",
      'read',
    ],
    ['plpgsql', "BEGIN RETURN QUERY EXECUTE format('select 1'); END", 'read'],
    ['plpgsql', "BEGIN EXECUTE 'do ''begin insert into t values (1); end'''; END", 'write'],
    ['plpgsql', "BEGIN EXECUTE 'do ''begin perform 1; end'''; END", 'read'],
    ['plpgsql', 'BEGIN COMMIT; PERFORM 1; ROLLBACK AND CHAIN; END', 'read'],
    ['plpgsql', 'BEGIN INSERT INTO t VALUES (1); COMMIT; END', 'write'],
    ['plpgsql', "BEGIN SET LOCAL work_mem = '1MB'; PERFORM 1; END", 'read'],
    ['plpgsql', 'BEGIN SET LOCAL transaction_read_only = off; END', 'session'],
    ['plpgsql', "BEGIN x := 'C:\\'; END", 'read'],
    ['plpgsql', "BEGIN x := 'C:\\'; y := ' || nextval('s') -- '; END", 'write'],
    ['sql', "select current_setting('app.tenant'::text)", 'read'],
    ['sql', "select current_setting('transaction_read_only'::text)", 'write'],
    ['sql', "select current_setting('app.' || x)", 'write'],
    ['plpgsql', "BEGIN RETURN QUERY EXECUTE format('select %I', x); END", 'unknown'],
    ['plpgsql', 'BEGIN PERFORM helper(1); END', 'unknown'],
    ['plpython3u', 'plpy.execute("insert")', 'unknown'],
  ])('%s: %s → %s', (language, body, access) => {
    expect(classifyBody(language, body).access).toBe(access)
  })

  test('R1: with an EXCEPTION block everything unknown is a write, because the block catches a refusal', () => {
    const guarded = (inner: string): string => `BEGIN ${inner}; EXCEPTION WHEN others THEN RETURN NULL; END`
    expect(classifyBody('plpgsql', guarded('INSERT INTO t VALUES (1)'))).toMatchObject({
      access: 'write',
      reason: 'swallows-errors',
    })
    expect(classifyBody('plpgsql', guarded('PERFORM f(1)'))).toMatchObject({
      access: 'write',
      reason: 'swallows-errors',
    })
    expect(classifyBody('plpgsql', guarded("EXECUTE 'x'"))).toMatchObject({
      access: 'write',
      reason: 'swallows-errors',
    })
    expect(classifyBody('plpgsql', guarded('RETURN x::int'))).toMatchObject({ access: 'read', hasExceptionBlock: true })
    expect(classifyBody('plpgsql', "BEGIN RAISE EXCEPTION 'no'; END").hasExceptionBlock).toBe(false)
  })

  test('lists the functions that it calls', () => {
    expect(classifyBody('plpgsql', 'BEGIN PERFORM a(1); x := app.b(2); END').functions).toEqual(['a', 'app.b'])
  })

  test('R1: a DO body is classified too, with what is known', () => {
    const knowledge = createKnowledge({ functions: [['public.f', { access: 'read', reason: 'reads-only' }]] })
    const sql = 'DO LANGUAGE plpgsql $x$ BEGIN PERFORM f(1); EXCEPTION WHEN others THEN NULL; END $x$'
    expect(classify(sql)).toMatchObject({ access: 'write', reason: 'swallows-errors', functions: ['f'] })
    expect(classify(sql, knowledge).access).toBe('read')
    expect(classify('DO LANGUAGE plpython3u $$ x $$').access).toBe('write')
    expect(classify("DO 'BEGIN PERFORM ''x''; END'").access).toBe('read')
    expect(classify("DO E'BEGIN \\x50ERFORM f(); END'").access).toBe('write')
  })
})

describe('names that may be looked up in the knowledge', () => {
  const written = { access: 'write', reason: 'writing-function' } as const
  const long = 'ä'.repeat(40)
  const name = fc.oneof(
    fc.constantFrom('a', 'ab', 'Ab', 'orders', 'order_items_id_seq', 'ä', long, 'a.b', 'x'.repeat(63), ''),
    fc.string({ maxLength: 30 }),
    fc.string({ unit: 'grapheme', maxLength: 30 }),
  )

  test('R1: a known name is found, whatever its letters, truncated to 63 bytes or not', () => {
    fc.assert(
      fc.property(fc.array(name, { maxLength: 5 }), name, (names, asked) => {
        if (asked === '' || asked.includes('\0')) return
        const knowledge = createKnowledge({
          relations: names.map((known) => [`public.${known}`, written]),
          types: names.map((known) => [`public.${known}x`, written]),
          attributes: names.map((known) => [`${known}y`, written]),
        })
        const { names: _, ...unfiltered } = knowledge
        for (const identifier of [asked, ...names].filter((known) => known !== '' && !known.includes('\0'))) {
          for (const end of ['', 'x', 'y', 'z'.repeat(40)]) {
            const quoted = `"${(identifier + end).replaceAll('"', '""')}"`
            for (const sql of [
              `SELECT * FROM ${quoted}`,
              `SELECT t.${quoted} AS "a", ${quoted}.b FROM public.${quoted}`,
              `SELECT CAST(a AS ${quoted})`,
              `SELECT ${identifier + end} FROM t`,
            ])
              expect(classify(sql, knowledge)).toEqual(classify(sql, unfiltered))
          }
        }
      }),
      { numRuns: 300 },
    )
  })

  test('R1: an override to `unknown` does not cover other functions that the text calls', () => {
    const overrides = createKnowledge({ overrides: { vouched: 'unknown' } })
    expect(classify('select vouched()', overrides)).toMatchObject({ access: 'unknown', reason: 'override' })
    for (const text of ['select vouched(), other()', 'select other(), vouched()', 'select other(vouched())']) {
      expect(classify(text, overrides), text).toMatchObject({
        access: 'unknown',
        reason: 'unseen-function',
        token: 'other',
      })
    }
  })

  test('the same holds for operators and overrides', () => {
    const operators = createKnowledge({ operators: [['public.=', written]] })
    expect(classify('SELECT 1 = 2', operators).access).toBe('write')
    expect(classify('SELECT 1 < 2', operators).access).toBe('read')
    const overrides = createKnowledge({ overrides: { 'app.report': 'write', totals: 'unknown' } })
    expect(classify('SELECT * FROM report', overrides).access).toBe('write')
    expect(classify('SELECT * FROM app.report', overrides).access).toBe('write')
    expect(classify('SELECT * FROM totals', overrides).access).toBe('unknown')
  })
})

describe('R1: a name is a relation only where a relation may stand', () => {
  const sequence = { access: 'write', reason: 'sequence' } as const
  const knowledge = createKnowledge({
    relations: [
      ['public.status', sequence],
      ['public.total', { access: 'write', reason: 'advisory-lock' }],
    ],
    attributes: [['touch', { access: 'write', reason: 'writing-function' }]],
    functions: [['public.runs', { access: 'unknown', reason: 'procedural-code', runsArguments: true }]],
    inventory: { has: () => true },
  })

  test.each([
    'select status, o.total, "status" as "total" from orders o where status = 1 and total > 2 group by status order by total',
    'select a is distinct from status, array[status, total], x[total] from orders o join items i on i.status is not distinct from total',
    'select q.status from (select 1) as q (status, total) where (status, total) in (values (1, 2))',
    'select last_value from orders',
    'select extract(year from status), substring(a from total for status) from orders',
  ])('a column: %s', (sql) => {
    expect(classify(sql, knowledge)).toMatchObject({ access: 'read' })
  })

  test.each([
    'select 1 from status',
    'select 1 from orders, "status"',
    'select 1 from orders o join public.total on o.a is distinct from o.b',
    'select 1 distinct from total',
    'select values from total',
    'select 1 table from total',
    'select (array[1])[(select 1 from orders, total)]',
    'select x.from from (select 1 as from) x, total',
    'select 1 from orders o join a on o.x is distinct from o.y, total',
    'select exists (table total)',
    'explain update total set a = 1',
    'select o.touch from orders o',
    'select (o).touch from orders o',
  ])('a relation, or a field that is a function: %s', (sql) => {
    expect(classify(sql, knowledge)).toMatchObject({ access: 'write' })
  })

  test.each([
    ["select runs('select 1')", 'unknown'],
    ["select runs('select 1'::text, 2, null)", 'unknown'],
    ["select runs('select * from total')", 'write'],
    ["select runs('select 1'::text || a) from orders", 'write'],
    ['select runs($1)', 'write'],
    ['select runs(a) from orders', 'write'],
  ])('a function that runs what it is given, where that shows: %s → %s', (sql, access) => {
    expect(classify(sql, knowledge).access).toBe(access)
  })

  test.each([
    ['execute q', true],
    ["execute 'select ' || q", true],
    ["execute format('select %s from t', q)", true],
    ["execute format('select * from t where a = %L', q)", false],
    ['execute $1', true],
  ])('a body that runs what its callers give it says so: %s → %s', (body, runsArguments) => {
    expect(classifyBody('plpgsql', `begin ${body}; end`)).toMatchObject({ access: 'unknown', runsArguments })
  })

  test.each([
    "execute 'select ' || q || '(1)'",
    "execute 'select pg_adv' || q",
    "execute 'select pg_adv' || 'isory_lock(1)'",
    "execute replace('sel#ect 1', '#', '')",
    'for r in select a from t loop execute r.a; end loop',
    'declare c text; begin fetch k into c; execute c; end',
  ])('a body that runs what nobody sees needs the primary: %s', (body) => {
    expect(classifyBody('plpgsql', `begin ${body}; end`).access).toBe('write')
  })
})

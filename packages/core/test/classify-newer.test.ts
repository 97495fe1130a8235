import { describe, expect, test } from 'vitest'
import { classify } from '../src/classify/classify.ts'
import { classifyBody } from '../src/classify/grammar/body.ts'
import { createKnowledge, type Inventory } from '../src/classify/names/knowledge.ts'

const NAMES: Readonly<Record<Parameters<Inventory['has']>[0], readonly string[]>> = {
  function: ['pg_catalog.added_later'],
  operator: ['pg_catalog.@&@'],
  relation: ['public.notes', 'public.Notes', 'app.authors', 'pg_catalog.pg_class', 'information_schema.tables'],
  type: ['pg_catalog.text', 'pg_catalog.uuid', 'pg_catalog.date', 'public.mood', 'pg_catalog.char'],
}
const inventory: Inventory = {
  has: (kind, schema, name) =>
    NAMES[kind].some((known) => known.endsWith(name) && known === `${schema ?? known.split('.')[0]}.${name}`),
}
const knowledge = createKnowledge({
  functions: [
    ['public.slug', { access: 'read', reason: 'reads-only' }],
    ['public.dynamic', { access: 'unknown', reason: 'procedural-code' }],
  ],
  operators: [['public.<=>', { access: 'read', reason: 'reads-only' }]],
  overrides: { vouched: 'read', vouched_view: 'read', tried: 'unknown' },
  inventory,
})

describe('R1: a name that the whole catalog does not have is newer than it', () => {
  test.each([
    ['select late()', 'late'],
    ['select app.late(1)', 'app.late'],
    ['select public."Late"(1)', 'public."Late"'],
    ['select other.slug(1)', 'other.slug'],
    ['select dynamic(), late()', 'late'],
    ['select late(), dynamic()', 'late'],
    ['select tried(), late()', 'late'],
    ['call late()', 'late'],
    ['select a @#@ b', '@#@'],
    ['select a operator(app.<=>) b', '<=>'],
    ['select 1::late', 'late'],
    ['select cast(1 as app.late)', 'app.late'],
    ["select late 'x'", 'late'],
    ['select * from late', 'late'],
    ['select * from "late" as l', '"late"'],
    ['select * from NOTES, Late', 'Late'],
    ['select * from "notes" as "n", "late" as "l"', '"late"'],
    ['select * from "notes" "n", "late" "l" where true', '"late"'],
    ['select * from public.authors', 'public.authors'],
    ['select * from only late', 'late'],
    ['select * from notes join late on true', 'late'],
    ['select * from notes left outer join late using (id)', 'late'],
    ['select * from (notes cross join late)', 'late'],
    ['select * from notes join (late cross join notes as n) on true', 'late'],
    ['select * from notes n join notes m on n.a = any (array[1, 2]), late', 'late'],
    ['select * from notes where exists (select from late)', 'late'],
    ['select (select extract(year from a) from late)', 'late'],
    ['select * from notes where a is distinct from b union select a, b from late', 'late'],
    ['table late', 'late'],
    ['with one as (select * from late) select * from one', 'late'],
    ['with late as (select 1) select * from app.late', 'app.late'],
    ['copy (select * from late) to stdout', 'late'],
    ['explain analyze select * from late', 'late'],
    // The planner runs what a view holds, when it says that it is immutable.
    ['explain select * from late', 'late'],
    ['explain select late()', 'late'],
    ['select 1; select * from late', 'late'],
  ])('%s', (sql, token) => {
    expect(classify(sql, knowledge)).toMatchObject({ access: 'unknown', reason: 'newer-than-catalog', token })
    // Without one, nobody can say so.
    expect(classify(sql).reason).not.toBe('newer-than-catalog')
  })

  test.each([
    'select slug(a) as late, late.b from notes as late where late.c <=> 1 order by late',
    'select vouched() from vouched_view',
    'select * from pg_class, pg_catalog.pg_class c, information_schema.tables',
    'with late as (select 1), later (a, b) as (select 1, 2) select * from late, later join late l on true',
    'with recursive first as (select * from second), second as materialized (select 1) select * from first',
    'with a as (with late as (select 1) select * from late) select * from a',
    'select extract(epoch from late), substring(late from 2 for 3), trim(both from late), late is distinct from later',
    "select interval '1 2:03' day to second(2), pg_input_is_valid('42', 'uuid')",
    'select * from notes as late (a, b) where late.a = later group by late, later having late',
    'select * from lower($1) as late, lateral upper(late) as later',
    'select * from rows from (lower($1), upper($2)) as late (a, b)',
    'select * from (values (1, 2), (3, 4)) as late (a, b), (select 1) as later',
    'select * from notes n join notes m using (late, later) where (late, later) = (1, 2)',
    'select * from notes n join notes m on n.a = array[late, later] and n.b in (late, later), notes',
    'select * from notes tablesample system (10), unnest(array[a, late]) with ordinality as x (a, late)',
    'select a, late, later from notes',
    'select distinct on (late, later) late from notes order by late, later limit 1 offset 2',
    'select a::text, b::uuid[], c::mood, d::int, e::double precision, f::numeric(10, 2), g::"char", h::_uuid, i::notes',
    "select cast(a as character varying(10)), cast(b as timestamp with time zone) as late, date '2026-01-01', mood 'ok'",
    "select a like 'x' escape 'y', a at time zone 'utc', interval '1 day', json_value(a, '$.b' returning text) from notes",
    "select * from xmltable('/a' passing b columns late int path 'c', later text path 'd')",
    "select * from json_table(a, '$[*]' columns (late int path '$.a', later for ordinality)), notes",
    'select late.*, sum(a) over later filter_ from notes late window later as (partition by late, a order by b)',
    'explain insert into notes (late, later) select 1, 2 returning late',
    'select count(*) filter (where late) within_, grouping(late, later) from notes group by rollup (late, later)',
  ])('but not %s', (sql) => {
    expect(classify(sql, knowledge)).toMatchObject({ access: 'read' })
  })

  test("R1: so is a cast that is written like a call; a function of the server's own that we do not know is not", () => {
    for (const sql of ["select mood('ok')", 'select added_later(1)'])
      expect(classify(sql, knowledge)).toMatchObject({ access: 'unknown', reason: 'unseen-function' })
    expect(classify('select 1 @&@ 2', knowledge).reason).toBe('unseen-operator')
  })

  test('takes time linear in the text, however many relations and table expressions it has', () => {
    const expressions = Array.from({ length: 80_000 }, (_, index) => `e${index} as (select * from late${index})`)
    const sql = `with ${expressions.join(', ')} select * from e1`
    const start = performance.now()
    expect(classify(sql, knowledge)).toMatchObject({ reason: 'newer-than-catalog', token: 'late0' })
    // Some 100 ms on two idle cores; if each were held against all others, ten seconds.
    expect(performance.now() - start).toBeLessThan(4000)
  })

  test('in a body too: a called function that the catalog does not have, but not a cursor with arguments', () => {
    const bodyOf = (text: string) => classifyBody('plpgsql', text, knowledge)
    expect(bodyOf('begin perform late(); end')).toMatchObject({ access: 'unknown', reason: 'newer-than-catalog' })
    expect(bodyOf('begin perform dynamic(); perform late(); end').reason).toBe('newer-than-catalog')
    const cursors = `declare c cursor (n int) for select * from notes where a = n; "C d" no scroll cursor for select 1;
      begin open c(1); fetch next from c into late; for r in c(2) loop raise notice 'late %', r; end loop; close c; end`
    expect(bodyOf(cursors).access).toBe('read')
    expect(bodyOf('begin a := array_agg(x) from (values (1), (2)) late (x); end').access).toBe('read')
  })
})

import { afterAll, beforeAll, it } from 'vitest'
import { CatalogWorld } from './catalog-world.ts'

let world: CatalogWorld
beforeAll(async () => {
  world = await CatalogWorld.start(`
  create function keep(text) returns boolean language plpgsql as
    'begin insert into log (body) values ($1); return true; exception when others then return true; end';
  create view audited as select keep('view') as kept;
  create domain checked as text check (keep(value));
  create table plain (id int); insert into plain values (1);
  create function of_format(t text) returns boolean language plpgsql as
    $$ declare r boolean; begin execute format('select keep(%L)', t) into r; return r; end $$;
  create function of_parts(t text) returns boolean language plpgsql as
    $$ declare r boolean; begin execute 'select keep' || '(''' || t || ''')' into r; return r; end $$;
  create function of_variable(t text) returns boolean language plpgsql as
    $$ declare r boolean; q text := 'select '; begin q := q || 'keep($1)'; execute q into r using t; return r; end $$;
  create function of_view(n int) returns bigint language plpgsql as
    $$ declare r bigint; begin execute format('select count(kept) from audited limit %s', n) into r; return r; end $$;
  create function of_value(q text) returns boolean language plpgsql as
    $$ declare r boolean; begin execute q into r; return r; end $$;
  create function of_name(f text) returns boolean language plpgsql as
    $$ declare r boolean; begin execute format('select %I($1)', f) into r using 'x'; return r; end $$;
  create function of_list(f text) returns boolean language plpgsql as
    $$ declare q text; r boolean; begin for q in select f loop execute q into r; end loop; return r; end $$;
  create function locks(k int) returns boolean language plpgsql as
    $$ declare r boolean; begin execute format('select pg_try_advisory_lock(%s)', k) into r; return r; end $$;
  create function sets(v text) returns text language plpgsql as
    $$ declare r text; begin execute format('select set_config(%L, %L, false)', 'app.x', v) into r; return r; end $$;
  create function counts(t text) returns bigint language plpgsql as
    $$ declare q text; r bigint; begin q := 'select count(*) from '; q := q || quote_ident(t); execute q into r; return r; end $$;
  `)
})
afterAll(async () => {
  await world?.[Symbol.asyncDispose]()
})

it.for([
  "select of_format('x')",
  "select of_parts('x')",
  "select of_variable('x')",
  'select of_view(1)',
  "select of_value('select keep(''x'')')",
  "select of_name('keep')",
  "select of_list('select keep(''x'')')",
  "select query_to_xml('select keep(''x'')', true, false, '')",
  "select ts_rewrite('a'::tsquery, 'select ''a''::tsquery, ''b''::tsquery where keep(''x'')')",
  "do $x$ begin execute 'select keep' || '(''x'')'; end $x$",
])('R1: what dynamic SQL may run is looked through for what a standby swallows: %s', (sql) =>
  world.judge(sql, 'write', 'deceives'),
)

it.for([
  ['select locks(5)', 'write'],
  ["select query_to_xml('select pg_try_advisory_lock(6)', true, false, '')", 'write'],
  ["select sets('1')", 'session'],
] as const)('R1: and for what a standby does for itself: %s', ([sql, access]) => world.judge(sql, access, 'answers'))

it('R2: dynamic SQL of which all is seen is tried', async () => {
  await world.judge("select counts('plain')", 'unknown', 'answers', 'procedural-code')
  await world.judge("select query_to_xml('select 1', true, false, '')", 'unknown', 'answers', 'procedural-code')
})

it.for([
  "select table_to_xml('audited', true, false, '')",
  "select table_to_xml('public.audited'::regclass, true, false, '')",
  "select table_to_xml_and_xmlschema('\"audited\"', true, false, '')",
  "select schema_to_xml('public', true, false, '')",
  "select table_to_xml((select 'audited'::regclass), true, false, '')",
])('R1: a relation or a type that is named by a value is as good as read: %s', (sql) =>
  world.judge(sql, 'write', 'deceives'),
)

it('R1: a type that is named by a value is as good as used: pg_input_is_valid()', async ({ skip }) => {
  if ((await world.version()) < 16) skip('PostgreSQL before 16 has no such function')
  await world.judge("select pg_input_is_valid('x', 'checked')", 'write', 'deceives')
  await world.judge("select pg_input_is_valid('x', 'integer')", 'read', 'answers')
})

it('R2: a table that a value names is read where it stands', () =>
  world.judge("select table_to_xml('plain', true, false, '')", 'read', 'answers'))

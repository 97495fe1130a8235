import { type Corpus, independentTexts } from '../corpus.ts'

/**
 * What a standby would do in silence, put where no token shows it: each of some relations at each place where one may stand, in a
 * text, in a function's body and in a body's dynamic text; dynamic text of every making, called with what shows and with what does not; and
 * columns, aliases and labels that share a name with a relation of which a standby must not be asked.
 */
export const adversarialOwn: Corpus = {
  name: 'adversarial-own',
  suites: async () => [
    independentTexts('places', `${SETUP};${functionsOfPlaces()}`, texts()),
    independentTexts('operators', `${OPERATORS_SETUP};${inBodies(OPERATORS)}`, [
      ...OPERATORS,
      ...OPERATORS.map((_, index) => `select by_sql_${index}()`),
      ...OPERATORS.map((_, index) => `select by_body_${index}()`),
    ]),
    independentTexts('collisions', COLLISIONS_SETUP, COLLISIONS),
  ],
}

const SETUP = `
  set client_min_messages = error;
  set check_function_bodies = off;
  create table t (id int primary key, a text);
  insert into t select g, 'a' || g from generate_series(1, 20) g;
  create table hidden (id int primary key, q text);
  create function lk() returns int language sql as 'select pg_try_advisory_lock(1)::int';
  create function lock_it(int) returns int language sql as 'select pg_try_advisory_lock(1)::int';
  create function whole(t) returns int language sql as 'select lk()';
  create view v as select lk() as l;
  create view "V ""q" as select lk() as l;
  create schema sch;
  create view sch.w as select lk() as l;
  create sequence s;
  create unlogged table ul (l int);
  insert into hidden values (1, 'pg_advisory_lock'), (2, 'lock_it'), (3, 'v'), (4, 'select lk()'), (5, 'lk()'), (6, 'isory_lock(1)'), (7, 'whole');
  create type ct as (n int);
  create function ct_cmp(ct, ct) returns int language plpgsql immutable as 'begin perform lk(); return pg_catalog.btint4cmp(($1).n, ($2).n); end';
  create function ct_true(ct, ct) returns boolean language plpgsql immutable as 'begin perform lk(); return true; end';
  create function dyn_all(q text) returns void language plpgsql as 'begin execute q; end';
  create function dyn_alias(text) returns void language plpgsql as 'declare q alias for $1; begin execute q; end';
  create function dyn_position(text) returns void language plpgsql as 'begin execute $1; end';
  create function dyn_call(f text) returns void language plpgsql as 'begin execute ''select '' || f || ''(1)''; end';
  create function dyn_quoted_call(f text) returns void language plpgsql as 'begin execute ''select '' || quote_ident(f) || ''(1)''; end';
  create function dyn_double(f text) returns void language plpgsql as 'begin execute ''select "'' || f || ''"(1)''; end';
  create function dyn_format(x text) returns void language plpgsql as 'begin execute format(''select %s'', x); end';
  create function dyn_format_i(x text) returns void language plpgsql as 'begin execute format(''select %I(1)'', x); end';
  create function dyn_format_position(x text) returns void language plpgsql as 'begin execute format(''select %2$s'', 1, x); end';
  create function dyn_from(x text) returns void language plpgsql as 'begin execute format(''select * from %I'', x); end';
  create function dyn_from_regclass(x text) returns void language plpgsql as 'begin execute format(''select * from %s'', x::regclass); end';
  create function dyn_from_joined(x text) returns void language plpgsql as 'begin execute ''select * from '' || quote_ident(x); end';
  create function dyn_field(x text) returns void language plpgsql as 'begin execute format(''select t.%I from t'', x); end';
  create function dyn_glued(x text) returns void language plpgsql as 'begin execute ''select pg_adv'' || x; end';
  create function dyn_split() returns void language plpgsql as 'begin execute ''select pg_adv'' || ''isory_lock(1)''; end';
  create function dyn_split_format() returns void language plpgsql as 'begin execute format(''select pg_adv%s'', ''isory_lock(1)''); end';
  create function dyn_split_concat() returns void language plpgsql as 'begin execute concat(''select pg_adv'', ''isory_lock(1)''); end';
  create function dyn_replace() returns void language plpgsql as 'begin execute replace(''select pg_ad#visory_lock(1)'', ''#'', ''''); end';
  create function dyn_reverse() returns void language plpgsql as 'begin execute reverse(''()kl tceles''); end';
  create function dyn_decode() returns void language plpgsql as 'begin execute convert_from(decode(''c2VsZWN0IGxrKCk='', ''base64''), ''utf8''); end';
  create function dyn_table(n int) returns void language plpgsql as 'declare c text; begin select q into c from hidden where id = n; execute c; end';
  create function dyn_table_before(n int) returns void language plpgsql as 'declare c text; begin select q from hidden where id = n into c; execute c; end';
  create function dyn_table_second(n int) returns void language plpgsql as 'declare c text; d text; begin select ''select 1'', q into d, c from hidden where id = n; execute c; end';
  create function dyn_table_nested(n int) returns void language plpgsql as 'declare c text; begin select q from (select ''x'' as y, q from hidden where id = n) z into c; execute c; end';
  create function dyn_subselect(n int) returns void language plpgsql as 'begin execute (select q from hidden where id = n); end';
  create function dyn_record(n int) returns void language plpgsql as 'declare r record; begin for r in select q from hidden where id = n loop execute r.q; end loop; end';
  create function dyn_loop(n int) returns void language plpgsql as 'declare c text; begin for c in select q from hidden where id = n loop execute c; end loop; end';
  create function dyn_foreach() returns void language plpgsql as 'declare c text; begin foreach c in array (select array_agg(q) from hidden where id = 4) loop execute c; end loop; end';
  create function dyn_fetch(n int) returns void language plpgsql as 'declare c text; k cursor for select q from hidden where id = n; begin open k; fetch k into c; execute c; close k; end';
  create function dyn_cursor(n text) returns void language plpgsql as 'declare k refcursor; begin open k for execute n; end';
  create function dyn_return(n text) returns setof int language plpgsql as 'begin return query execute n; end';
  create function dyn_array(x text[]) returns void language plpgsql as 'begin execute x[1]; end';
  create function dyn_variable(x text) returns void language plpgsql as 'declare c text := ''select ''; begin c := c || x; execute c; end';
  create function dyn_default(x text) returns void language plpgsql as 'declare c text default x; begin execute c; end';
  create function dyn_case(x text) returns void language plpgsql as 'declare c text; begin c := case when x is null then ''select 1'' else x end; execute c; end';
  create function dyn_coalesce(x text) returns void language plpgsql as 'begin execute coalesce(x, ''select 1''); end';
  create function dyn_shadow(q text) returns void language plpgsql as 'begin declare r text; begin null; end; declare q text; begin null; end; execute q; end';
  create function dyn_through(x text) returns void language sql as 'select dyn_all(x)';
  create function dyn_through_body(x text) returns void language plpgsql as 'begin perform dyn_all(x); end';
  create function dyn_through_constant() returns void language plpgsql as 'begin perform dyn_all(''select lk()''); end';
  create view dyn_view as select dyn_return(q) from hidden where id = 4;
  create procedure dyn_give(inout x text) language plpgsql as 'begin x := (select q from hidden where id = 4); end';
  create function dyn_inout() returns void language plpgsql as 'declare c text; begin call dyn_give(c); execute c; end';
  create function dyn_last(x text) returns void language plpgsql as 'begin execute format(''select last_value from %I'', x); end';
  create function dyn_set(x text) returns void language plpgsql as 'begin execute ''set '' || x; end';
  create function field_sql() returns setof int language sql as 'select t.whole from t';
  create function field_body() returns int language plpgsql as 'begin return (select t.whole from t limit 1); end';
  create function field_record() returns int language plpgsql as 'declare r t; begin select * into r from t limit 1; return r.whole; exception when undefined_column then return (select (t).whole from t limit 1); end'
`

/** Where a relation may stand. */
const PLACES = `
  select 1 from {R}
  select from {R}
  table {R}
  table only {R}
  select 1 from only {R}
  select 1 from only ({R})
  select 1 from {R} as x
  select 1 from {R} x (y)
  select 1 from t, {R}
  select 1 from t a, t b, {R} c
  select 1 from t as x (a, b), {R}
  select 1 from t "x" ("a", "b"), {R}
  select 1 from (t cross join {R})
  select 1 from ({R} cross join t)
  select 1 from (({R} x cross join t) join t u on true)
  select 1 from t join {R} on true
  select 1 from t left join {R} on true
  select 1 from t left outer join {R} on true
  select 1 from t natural join {R}
  select 1 from t cross join {R}
  select 1 from t full join {R} on false
  select 1 from t join only {R} on true
  select 1 from t join (t u cross join {R}) on true
  select 1 from t join t u on t.id is distinct from u.id, {R}
  select 1 from t join t u on (t.id is not distinct from u.id), {R}
  select 1 from t join t u using (id), {R}
  select 1 from t join t u on t.id in (1, 2), {R}
  select 1 from t join t u on t.id = any (array[1, 2]), {R}
  select 1 from t join t u on case when true then true else false end, {R}
  select t.id is distinct from 1 from {R}, t
  select 1 is not distinct from 2, 3 from {R}
  select 1 distinct from {R}
  select 1 table from {R}
  select 1 select from {R}
  select 1 not_, 2 end from {R}
  select 1 "from" from {R}
  select 1 as from from {R}
  select 1 as where, 2 as order, 3 as group, 4 as limit from {R}
  select values from (select 1 as values) z, {R}
  select values from (select 1 as values from {R}) z
  select 1 values from {R}
  select x.from from (select 1 as from) x, {R}
  select (x).from from (select 1 as from) x, {R}
  select x.where, x.order from (select 1 as where, 2 as order) x, {R}
  select distinct 1 from {R}
  select distinct on (1) 1 from {R}
  select all 1 from {R}
  select (select 1 from {R} limit 1)
  select 1 + (table {R} limit 1) * 0
  select exists (table {R})
  select exists (select from {R})
  select array(select 1 from {R})
  select array(table {R})
  select (array[1, 2])[(select count(*)::int from t, {R})]
  select (array[1, 2])[1:(select count(*)::int from t, {R})]
  select array[1, (select count(*) from t, {R})]
  select 1 from t where id in (select 1 from {R})
  select 1 from t where id = any (select 1 from t, {R})
  select 1 from t where exists (select from t u, {R})
  select 1 from t where (1, 2) in (select 1, 2 from {R})
  select 1 from t order by (select 1 from {R} limit 1)
  select 1 from t group by id having exists (table {R})
  select 1 from t group by id, (select 1 from {R} limit 1)
  select 1 from t limit (select 1 from {R} limit 1)
  select 1 from t offset (select 1 from {R} limit 1)
  select 1 from t fetch first (select 1 from {R} limit 1) rows only
  values ((select 1 from {R} limit 1))
  values (1), ((select 1 from t, {R} limit 1))
  with x as (select 1 from {R}) select * from x
  with x as (table {R}) select * from x
  with x as materialized (select 1 from {R}) select * from x
  with x (a) as not materialized (select 1 from {R}) select * from x
  with x as (select 1), y as (select 1 from x, {R}) table y
  with recursive x (n) as (select 1 union all select n + 1 from x, {R} where n < 2) select * from x
  with x as (with y as (select 1 from {R}) select * from y) select * from x
  with x as (select 1) select * from x, {R}
  with x as (select 1) table {R}
  with values as (select 1) select 1 from {R}
  select * from (with x as (select 1 from {R}) select * from x) y
  select 1 from t, lateral (select 1 from {R}) q
  select 1 from t cross join lateral (select t.id from {R}) q
  select 1 from (select 1) q, {R} x
  select 1 from (values (1), (2)) q (a), {R}
  select 1 from (table {R}) q
  select 1 from ((select 1 from {R})) q
  select 1 from generate_series(1, (select count(*)::int from {R}))
  select 1 from generate_series(1, 2), {R}
  select 1 from generate_series(1, 2) as g (n), {R}
  select 1 from rows from (generate_series(1, 2), generate_series(1, 3)), {R}
  select 1 from rows from (generate_series(1, 2)) with ordinality, {R}
  select 1 from unnest(array[1, 2]) with ordinality as u (a, b), {R}
  select 1 from json_to_recordset('[]') as x (a int, b text), {R}
  select 1 from jsonb_to_recordset('[{}]') as x (a int, b numeric(10, 2)), {R}
  select 1 from json_table('[1]', '$[*]' columns (x int path '$', y for ordinality)) j, {R}
  select 1 from xmltable('/r' passing ('<r>5</r>'::xml) columns x int path '.') x, {R}
  select 1 from t tablesample system (100), {R}
  select 1 from t tablesample bernoulli (100) repeatable (1), {R}
  select extract(year from now()), 1 from {R}
  select substring('abc' from 1 for 2) from {R}
  select trim(both 'a' from 'b'), overlay('a' placing 'b' from 1) from {R}
  select count(*) filter (where true) over () from {R}
  select sum(1) over w from {R} window w as (order by 1)
  select percentile_cont(0.5) within group (order by 1) from {R}
  select xmlelement(name where, 1) from {R}
  select xmlforest(1 as where) from {R}
  select 1 union select 1 from {R}
  (select 1) union all (select 1 from {R})
  ((select 1 from {R}))
  select 1 except table {R}
  select 1 intersect all select 1 from {R}
  select interval '1' day, 1 from {R}
  select now() at time zone 'utc', 1 from {R}
  select 'a' collate "C" from {R}
  select case when true then 1 end from {R}
  select null isnull, 1 from {R}
  select 1 /* from x */ -- from y
    from /* a */ {R}
  select $$ from x $$, 1 from {R}
  explain analyze select 1 from {R}
  explain (analyze) table {R}
  copy (select 1 from {R}) to stdout
  copy (table {R}) to stdout
  copy (with x as (select 1 from {R}) select * from x) to stdout
  select 1; select 1 from {R}
  merge into t using {R} on false when matched then do nothing
  merge into t using (select 1 from {R}) x on false when matched then do nothing
`
  .split(/\n {2}(?=\S)/)
  .map((place) => place.trim())
  .filter((place) => place !== '')

/** What a PL/pgSQL body reads a relation by. */
const BODIES = [
  'perform 1 from {R};',
  'perform 1 from t, {R};',
  'perform (select 1 from {R} limit 1);',
  'n := count(*) from {R};',
  'n = 1 + count(*) from t, {R};',
  'select count(*) into n from {R};',
  'select count(*) from t, {R} into n;',
  'if exists (select from {R}) then null; end if;',
  'if count(*) > 0 from {R} then null; end if;',
  'if n is not distinct from count(*) from {R} then null; end if;',
  'if false then null; elsif exists (table {R}) then null; else null; end if;',
  'case when exists (table {R}) then null; else null; end case;',
  'case count(*) from {R} when 1 then null; else null; end case;',
  'for r in select 1 from {R} loop null; end loop;',
  'for r in table {R} loop null; end loop;',
  "for r in execute 'select 1 from {R}' loop null; end loop;",
  'for i in 1..(select count(*) from {R}) loop null; end loop;',
  'for r in select 1 from t join t u on case when true then true else false end, {R} loop null; end loop;',
  'foreach n in array array(select 1 from {R}) loop null; end loop;',
  'while (select count(*) from {R}) < 0 loop null; end loop;',
  'loop exit when exists (table {R}); exit; end loop;',
  'open c for select 1 from {R}; fetch c into n; close c;',
  'open c for table {R}; fetch c into n; close c;',
  "open c for execute 'table {R}'; fetch c into n; close c;",
  "execute 'select 1 from {R}' into n;",
  "execute 'select 1 from ' || '{R}' into n;",
  "execute format('select 1 from %s', '{R}') into n;",
  "execute concat('select 1', ' from ', '{R}') into n;",
  "execute 'select count(*) from {R} where $1 > 0' into n using 1;",
  "raise notice '%', (select count(*) from {R});",
  'assert (select count(*) from {R}) >= 0;',
  'perform array(select 1 from {R});',
  'perform (array[1, 2])[(select count(*)::int from t, {R})];',
  'begin perform 1 from {R}; exception when others then null; end;',
  "do 'begin perform 1 from {R}; end';",
]

const RELATIONS = ['v', 'sch.w', '"V ""q"', 'public.v', 'ul', 's']
const body = (text: string): string => `declare n int; r record; c refcursor; begin ${text} end`

const doubled = (text: string): string => text.replaceAll("'", "''")

/** The first statement that a function in SQL may be made of. */
const inFunctions = PLACES.filter((place) => !/^(explain|copy|merge|select 1;)/.test(place))

function functionsOfPlaces(): string {
  const sql = inFunctions.map(
    (place, index) => `create function in_sql_${index}() returns void language sql as $body$ ${at(place, 'v')} $body$`,
  )
  const views = inFunctions.map(
    (place, index) =>
      `do $do$ begin create view in_view_${index} as select count(*) from (${at(place, 'v')}) q; exception when others then null; end $do$`,
  )
  const bodies = BODIES.map(
    (text, index) =>
      `create function in_body_${index}() returns void language plpgsql as $body$ ${body(at(text, 'v', "'"))} $body$`,
  )
  return [...sql, ...views, ...bodies].join(';\n')
}

function at(place: string, relation: string, quote = ''): string {
  return place.replaceAll(/(')?\{R\}/g, (_, before: string | undefined) =>
    before !== undefined && quote !== '' ? before + doubled(relation) : (before ?? '') + relation,
  )
}

const TABLE_READS: readonly string[] = [4, 5].flatMap((id) => [
  `dyn_table(${id})`,
  `dyn_table_before(${id})`,
  `dyn_table_second(${id})`,
  `dyn_table_nested(${id})`,
  `dyn_subselect(${id})`,
  `dyn_record(${id})`,
  `dyn_loop(${id})`,
  `dyn_fetch(${id})`,
])

/** A function of text, with text that does harm: 1 to 7 are rows of `hidden`. */
const DYNAMIC: readonly (readonly [string, number])[] = [
  ...[
    'all',
    'alias',
    'position',
    'cursor',
    'return',
    'default',
    'case',
    'coalesce',
    'shadow',
    'through',
    'through_body',
  ].map((name) => [`dyn_${name}`, 4] as const),
  ...['format', 'format_position', 'variable'].map((name) => [`dyn_${name}`, 5] as const),
  ...['call', 'quoted_call', 'double', 'format_i'].flatMap((name) => [
    [`dyn_${name}`, 1] as const,
    [`dyn_${name}`, 2] as const,
  ]),
  ...['from', 'from_regclass', 'from_joined'].map((name) => [`dyn_${name}`, 3] as const),
  ['dyn_field', 7],
  ['dyn_glued', 6],
]
const HIDDEN = ['', 'pg_advisory_lock', 'lock_it', 'v', 'select lk()', 'lk()', 'isory_lock(1)', 'whole']

/** Each text as the body of a function in SQL, and of one in PL/pgSQL. */
function inBodies(bodies: readonly string[]): string {
  return bodies
    .map(
      (sql, index) =>
        `create function by_sql_${index}() returns void language sql as $body$ ${sql} $body$;
         create function by_body_${index}() returns void language plpgsql as $body$ begin perform 1 where exists (${sql}); perform (${sql} limit 1); end $body$`,
    )
    .join(';\n')
}

function dynamicTexts(): string[] {
  return DYNAMIC.flatMap(([name, row]) => {
    const text = HIDDEN[row] ?? ''
    const middle = Math.floor(text.length / 2)
    return [
      `select ${name}('${text}')`,
      `select ${name}('${text}'::text)`,
      `select ${name}((select q from hidden where id = ${row}))`,
      `select ${name}(q) from hidden where id = ${row}`,
      `select ${name}('${text.slice(0, middle)}' || '${text.slice(middle)}')`,
      `select ${name}('${text.slice(0, middle)}'::text || '${text.slice(middle)}')`,
      `select ${name}(q => q) from hidden where id = ${row}`.replace('(q => q)', `(coalesce(q, 'select 1'))`),
      `do 'begin perform ${name}(q) from hidden where id = ${row}; end'`,
      `select public.${name}(case when true then (select q from hidden where id = ${row}) end)`,
    ]
  })
}

const OPERATORS = [
  "select 1 = 'x'::text",
  "select 1 in ('x'::text)",
  "select 1 in ('x'::text, 'y'::text)",
  "select 1 not in ('x'::text)",
  "select 1 like 'x'::text",
  "select 1 ilike 'x'::text",
  "select 1 between 'x'::text and 'y'::text",
  "select 1 not between symmetric 'x'::text and 'y'::text",
  "select case 1 when 'x'::text then 1 end",
  "select nullif(1, 'x'::text)",
  "select 1 is distinct from 'x'::text",
  "select 1 is not distinct from 'x'::text",
  "select (1, 2) = ('x'::text, 2)",
  "select (1, 2) in (('x'::text, 2))",
  'select 1 in (select a from t)',
  'select 1 = any (select a from t)',
  "select 1 from t join (select 'x'::text as id) u using (id)",
  "select 1 from t natural join (select 'x'::text as id) u",
  "select 1 <= 'x'::text",
]

const OTHERS = [
  ...[
    'split',
    'split_format',
    'split_concat',
    'replace',
    'reverse',
    'decode',
    'foreach',
    'inout',
    'through_constant',
  ].map((name) => `select dyn_${name}()`),
  ...TABLE_READS.filter((call) => !call.endsWith('(5)')).map((call) => `select ${call}`),
  'select * from dyn_view',
  "select dyn_last('s')",
  "select dyn_last((select 's'))",
  "select dyn_set('app.x = 1')",
  "select dyn_set((select 'app.x = 1'))",
  "select dyn_array(array['select lk()'])",
  'select dyn_array((select array_agg(q) from hidden where id = 4))',
  'select field_sql()',
  'select field_body()',
  'select field_record()',
  'select t.whole from t',
  'select (t).whole from t',
  'select x.whole from t x',
  'select (select t).whole from t',
  'select public.t.whole from t',
  'select t.id, t.a, t.whole from t',
  'select "t"."id", "t"."a", "t"."whole" from "t"',
  'select 1 from t where t.whole = 1',
  'select 1 from t order by t.whole',
  'select last_value from s',
  'select x.last_value from s as x',
  'select * from s',
  'select s from s',
  'select s.* from s',
  'select (s).last_value from s',
  'select to_json(s) from s',
  'select last_value from public.s',
  'select * from public.s, t',
  'select "last_value" from "s"',
  'table s',
  'select (select last_value from s)',
  'select log_cnt from only s',
]

function texts(): readonly string[] {
  return [
    ...RELATIONS.flatMap((relation) => PLACES.map((place) => at(place, relation))),
    ...RELATIONS.flatMap((relation) => BODIES.map((text) => `do $body$ ${body(at(text, relation, "'"))} $body$`)),
    ...inFunctions.flatMap((_, index) => [`select in_sql_${index}()`, `select * from in_view_${index}`]),
    ...BODIES.map((_, index) => `select in_body_${index}()`),
    ...dynamicTexts(),
    ...OTHERS,
  ]
}

const OPERATORS_SETUP = `
  set client_min_messages = error;
  set check_function_bodies = off;
  create table t (id int primary key, a text);
  insert into t select g, 'a' || g from generate_series(1, 20) g;
  create function lk() returns int language sql as 'select pg_try_advisory_lock(1)::int';
  create function it(int, text) returns boolean language plpgsql as 'begin perform lk(); return true; end';
  create operator < (leftarg = int, rightarg = text, function = it);
  create operator > (leftarg = int, rightarg = text, function = it);
  create operator <> (leftarg = int, rightarg = text, function = it);
  create operator = (leftarg = int, rightarg = text, function = it);
  create operator ~~ (leftarg = int, rightarg = text, function = it);
  create operator ~~* (leftarg = int, rightarg = text, function = it);
  create operator <= (leftarg = int, rightarg = text, function = it);
  create operator >= (leftarg = int, rightarg = text, function = it)
`

const COLLISIONS_SETUP = `
  create table invoices (id int primary key, invoice_number int, status text, kind text, total numeric, tags text[], doc jsonb);
  insert into invoices select g, g, 's', 'k', g, array['a'], '{}' from generate_series(1, 20) g;
  create table lines (id int primary key, invoice int, status text);
  create sequence invoice_number;
  create sequence total;
  create unlogged table status (id int);
  create unlogged table tags (id int);
  create view kind as select pg_try_advisory_lock(1) as l;
  create table last_value (id int, last_value int);
  create schema app;
  create sequence app.doc;
  create function sum_of(status text) returns bigint language plpgsql stable as
    'declare invoice_number int; total bigint; begin select count(*) into total from invoices i where i.status = sum_of.status; invoice_number := 1; return total + invoice_number; end';
  create function by_kind(kind text) returns setof invoices language sql stable as 'select i.* from invoices i where i.kind = by_kind.kind order by total';
  create view by_status as select status, kind, sum(total) as total, max(invoice_number) as invoice_number from invoices group by status, kind;
`

const COLLISIONS = [
  'select id, invoice_number from invoices',
  'select i.invoice_number, i.status, i.kind, i.total from invoices i',
  'select "i"."invoice_number", "i"."status" as "kind", "i"."total" from "invoices" as "i" where "i"."status" = \'s\' order by "i"."total"',
  'select status, count(*) from invoices group by status having count(*) > 0 order by status',
  'select sum(total) as total, max(invoice_number) invoice_number from invoices',
  "select * from invoices where status = 's' and kind in ('k') and total between 1 and 2",
  "select * from invoices where (status, kind) = ('s', 'k')",
  'select invoices.status, invoices.kind from invoices join lines on lines.status = invoices.status',
  'select * from invoices join lines using (id, status)',
  'select * from invoices i left join lines l on l.invoice = i.invoice_number and l.status is distinct from i.status',
  'select * from invoices i join lines l on l.status is not distinct from i.status and i.total > 0',
  'select kind, rank() over (partition by status order by total) from invoices',
  'select kind, sum(total) over total from invoices window total as (partition by status, kind)',
  "select array_agg(total order by invoice_number), string_agg(kind, ',' order by status) from invoices",
  'select array[total, invoice_number], tags[1], row(status, kind) from invoices',
  "select (tags)[1], doc -> 'status', doc ->> 'total' from invoices",
  "select case when status = 's' then total else invoice_number end as status from invoices",
  'select coalesce(total, invoice_number), greatest(total, 1), nullif(status, kind) from invoices',
  "select extract(year from now()) as total, substring(status from 1 for 1), trim(both 'a' from kind) from invoices",
  'select q.status, q.total from (select status, total from invoices) q',
  'select q.status from (select 1) as q (status)',
  'select status from invoices status_ order by total desc limit 1 offset 0',
  'with q as (select status, kind, total from invoices) select status, kind from q where total > 1',
  'with q (status, total) as (select 1, 2) select status, total from q',
  'select distinct on (status, kind) status, kind from invoices order by status, kind, total',
  'select distinct status, kind from invoices',
  'select status, kind, sum(total) from invoices group by rollup (status, kind)',
  'select status, kind, grouping(status, kind) from invoices group by grouping sets ((status), (kind), ())',
  'select count(*) filter (where status = kind) from invoices',
  'select 1 as status, 2 as total, 3 as invoice_number',
  'select 1 status, 2 "total", 3 kind',
  'select last_value, id from last_value',
  'select x.last_value from last_value x',
  'select last_value(total) over (order by id) as last_value from invoices',
  'select i.doc from invoices i',
  'select app.doc from invoices app',
  'select invoices.doc, invoices.tags from public.invoices',
  'select public.invoices.status from public.invoices',
  'select (i).status, (i).total from invoices i',
  'select i.* from invoices i where exists (select from lines where lines.status = i.status and i.total > 0)',
  "select to_jsonb(i) - 'status' from invoices i",
  "select json_build_object('status', status, 'total', total) from invoices",
  'select j.status from invoices i, jsonb_to_record(i.doc) as j (status text, total int)',
  "select j.total from json_table('[1]', '$[*]' columns (total int path '$', status for ordinality)) j",
  'select x.total, x.status from unnest(array[1, 2]) with ordinality as x (total, status)',
  'select * from rows from (generate_series(1, 2), generate_series(1, 3)) as x (status, total)',
  'select * from generate_series(1, 3) as total',
  'select i.status from invoices as i (id, invoice_number, status, kind, total)',
  'select * from invoices i, lateral (select i.total + 1 as total, i.status) q',
  'select * from by_status',
  "select status, total from by_status where kind = 'k'",
  "select sum_of('s')",
  "select * from by_kind('k')",
  "select t.total from by_kind(kind => 'k') t",
  'copy (select status, total from invoices) to stdout',
  "explain select status, total from invoices where kind = 'k'",
  "explain analyze select status, total from invoices where kind = 'k'",
  'declare c cursor for select status, total from invoices',
  'select status from invoices union select kind from invoices union all select total::text from invoices',
  'values ((select max(total) from invoices), (select max(invoice_number) from invoices))',
  "do 'declare status text; total int; begin select i.status, i.total into status, total from invoices i limit 1; if status = ''s'' then total := total + 1; end if; end'",
  "do 'declare r record; begin for r in select status, total from invoices loop if r.status is null then raise notice ''%'', r.total; end if; end loop; end'",
]

import { afterAll, beforeAll, it } from 'vitest'
import { CatalogWorld } from './catalog-world.ts'

let world: CatalogWorld
beforeAll(async () => {
  world = await CatalogWorld.start(`
  create function keep(int) returns int language plpgsql as
    'begin insert into log (body) values ($1::text); return $1; exception when others then return $1; end';
  create function constant(int) returns int language plpgsql immutable as 'begin return public.keep($1); end';
  create domain kept as int check (keep(value) is not null);
  create type holding as (k kept);
  create domain over_holding as holding;
  create table held (k kept);
  create function takes(kept) returns int language plpgsql as 'begin return 1; end';
  create function gives() returns kept language plpgsql as 'begin return 5; end';
  create function declares() returns int language plpgsql as 'declare k kept := 5; begin return k; end';
  create domain even as int check (value is not null);
  create type with_even as (e even);
  create table evens (e even); insert into evens values (2);

  create type pair as (n int);
  create function pair_eq(pair, pair) returns boolean language plpgsql immutable as
    'begin perform public.keep(1); return ($1).n operator(pg_catalog.=) ($2).n; end';
  create function pair_ne(pair, pair) returns boolean language sql immutable as 'select not public.pair_eq($1, $2)';
  create function pair_lt(pair, pair) returns boolean language sql immutable as 'select ($1).n operator(pg_catalog.<) ($2).n';
  create function pair_cmp(pair, pair) returns int language plpgsql immutable as
    'begin perform public.keep(1); return pg_catalog.btint4cmp(($1).n, ($2).n); end';
  create operator = (leftarg = pair, rightarg = pair, function = pair_eq);
  create operator <> (leftarg = pair, rightarg = pair, function = pair_ne);
  create operator < (leftarg = pair, rightarg = pair, function = pair_lt);
  create operator class pair_ops default for type pair using btree as
    operator 1 <, operator 3 =, function 1 pair_cmp(pair, pair);
  create function pair_like(pair, text) returns boolean language sql immutable as 'select keep(1) = 1';
  create operator ~~ (leftarg = pair, rightarg = text, function = pair_like);
  create table pairs (p pair); insert into pairs values (row(1)), (row(2));
  create view of_pairs as select p as q from pairs;
  create function make_pair() returns pair language sql as 'select row(1)::pair';

  create type source as (z int);
  create function to_number(source) returns int language sql immutable as 'select constant(3)';
  create cast (source as int) with function to_number(source) as implicit;
  create function make_source() returns source language sql immutable as 'select row(1)::source';

  create function verbose(int) returns int language sql as 'select keep($1)';
  create function "substring"(pair) returns int language sql as 'select keep(1)';
  create table item (id int, note text); insert into item values (1, 'a');
  create domain item_domain as item;
  create function trail(item_domain) returns int language sql as 'select keep(1)';
  create function trails(variadic item[]) returns int language sql as 'select keep(1)';
  `)
})
afterAll(async () => {
  await world?.[Symbol.asyncDispose]()
})

it.for([
  "select '(5)'::holding",
  'select row(5)::holding',
  "select '(5)'::over_holding",
  "select '(5)'::held",
  `select json_populate_record(null::holding, '{"k": 5}')`,
  `select * from jsonb_to_record('{"k": 5}') as x(k kept)`,
  `select * from jsonb_to_recordset('[{"h": {"k": 5}}]') as x(h holding)`,
  "select '{(5)}'::holding[]",
  'select takes(5)',
  'select gives()',
  'select declares()',
])('R1: a domain is checked wherever a type holds it: %s', (sql) => world.judge(sql, 'write', 'deceives'))

it.for([
  'select p from pairs where p in (row(1)::pair)',
  'select p from pairs where p != row(9)::pair',
  'select distinct p from pairs',
  'select p from pairs order by p',
  'select nullif(p, row(1)::pair) from pairs',
  'select a.p from pairs a join pairs b using (p)',
  "select p from pairs where p like 'x'",
  'select q from of_pairs order by q',
  'select array[make_pair()] = array[make_pair()]',
  'select case make_pair() when make_pair() then 1 end',
  'select 1 + make_source()',
  "select repeat('x', row(1)::source)",
])('R1: an operator or a cast runs where nothing names it: %s', (sql) => world.judge(sql, 'write', 'deceives'))

it.for([
  'select 1 where not verbose(1) is null',
  'select substring(row(1)::pair)',
  'select i.trail from item i',
  'select i.trails from item i',
])('R1: a function runs that does not look like a call: %s', (sql) => world.judge(sql, 'write', 'deceives'))

it.for([
  'explain select constant(1)',
  'explain (verbose) select * from item where id = constant(1)',
  'explain select 1 + make_source()',
])('R1: EXPLAIN runs what says that it is immutable: %s', (sql) => world.judge(sql, 'write', 'deceives'))

it.for([
  "select '(2)'::with_even",
  'select e from evens order by e',
  `select json_populate_record(null::with_even, '{"e": 2}')`,
  'select distinct note from item order by note',
  'select overlay(note placing $$b$$ from 1) from item where not left(note, 1) is null',
  'explain (costs off) select id from item',
])('R2: a type whose check only reads, and what runs nothing of the sort, are read where they stand: %s', (sql) =>
  world.judge(sql, 'read', 'answers'),
)

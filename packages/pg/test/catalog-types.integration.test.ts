import { afterAll, beforeAll, it } from 'vitest'
import { CatalogWorld } from './catalog-world.ts'

let world: CatalogWorld
beforeAll(async () => {
  world = await CatalogWorld.start(`
  create function checks(text) returns boolean language plpgsql as 'begin insert into log (body) values ($1); return true; end';
  create domain written as text check (checks(value));
  create domain "Over Written" as written;
  create domain positive as int check (value > 0);
  create type box_of as (n int);
  create function to_box(int) returns box_of language plpgsql as 'begin insert into log (body) values (1); return row($1)::box_of; end';
  create cast (int as box_of) with function to_box(int);
  create function casts() returns text language plpgsql as 'begin return 1::box_of::text; end';
  create table item (id int); insert into item values (1);
  create function trail(item) returns int language sql as 'insert into log (body) values (1) returning 1';
  `)
})
afterAll(async () => {
  await world?.[Symbol.asyncDispose]()
})
it.for([
  "select 'x'::written",
  'select \'x\'::public."Over Written"',
  'select cast(1 as box_of)',
  'select 1::box_of',
  'select casts()',
  "select array['a']::written[]",
  "select written 'x'",
  'select (i).trail from item i',
])('writes: %s', (sql) => world.judge(sql, 'write', 'refuses'))
it.for(['select 3::positive', 'select 1 as box, 2::int', 'select (i).id from item i'])('reads: %s', (sql) =>
  world.judge(sql, 'read', 'answers'),
)

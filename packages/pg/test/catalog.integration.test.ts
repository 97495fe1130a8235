import { classify } from '@headwater/core/internal'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadCatalog } from '../src/catalog/load-catalog.ts'
import { CatalogWorld } from './catalog-world.ts'

const FUNCTIONS = `
  create schema audit;
  create schema "Odd.Schema";
  create table item (id int primary key, label text, owner text);
  insert into item values (1, 'one', 'a'), (2, 'two', 'b');
  create sequence counter;

  create function plain(int) returns int language sql as 'select $1 + 1';
  create function reads_item(int) returns text language plpgsql stable as 'declare found_label text; begin
    select label into found_label from item where id = $1; return upper(found_label); end';
  create function by_return(x int) returns int language sql immutable return x * 2;
  create function atomic_read() returns bigint language sql begin atomic; select count(*) from item; end;
  create function atomic_write() returns int language sql begin atomic; insert into log (body) values ('atomic') returning id; end;
  create function sql_write() returns int language sql as 'insert into public.log (body) values (''x'') returning id';
  create function writes() returns void language plpgsql as 'begin insert into log (body) values (''x''); end';
  create function locks() returns int language plpgsql as 'begin perform 1 from item where id = 1 for update; return 1; end';
  create function takes_number() returns bigint language plpgsql as 'begin return nextval(''counter''); end';
  create function advisory() returns boolean language sql as 'select pg_try_advisory_lock(42) and pg_advisory_unlock(42)';
  create function default_writes(x int default sql_write()) returns int language sql as 'select x';
  create function other_name(bigint) returns void language internal strict as 'pg_advisory_unlock_int8';
  create function only_length(text) returns int language internal strict immutable as 'textlen';

  create function deep_1() returns int language plpgsql as 'begin return deep_2(); end';
  create function deep_2() returns int language sql as 'select 1';
`

const CALLS = `
  create function deep_3() returns int language sql as 'select sql_write()';
  create or replace function deep_2() returns int language sql as 'select deep_3()';
  create function stable_caller() returns int language plpgsql stable as 'begin return sql_write(); end';
  create function stable_dml() returns int language plpgsql stable as 'begin insert into log (body) values (''x''); return 1; end';

  create function ping(n int) returns int language plpgsql as 'begin if n <= 0 then return 0; end if; return pong(n - 1); end';
  create function pong(n int) returns int language plpgsql as 'begin if n <= 0 then return 1; end if; return ping(n - 1); end';
  create function tick(n int) returns int language plpgsql as 'begin if n <= 0 then return 0; end if; return tock(n - 1); end';
  create function tock(n int) returns int language plpgsql as 'begin perform writes(); if n <= 0 then return 1; end if; return tick(n - 1); end';

  create function swallows() returns text language plpgsql as 'begin
    begin insert into log (body) values (''x''); exception when others then return ''lost''; end; return ''kept''; end';
  create function swallows_deeply() returns text language sql as 'select swallows()';
  create function swallows_call() returns text language plpgsql as 'begin perform deep_1(); return ''kept''; exception when others then return ''lost''; end';
  create function swallows_dynamic() returns text language plpgsql as 'begin execute ''insert into log (body) values (1)''; return ''kept''; exception when others then return ''lost''; end';
  create function catches_only_reads(x text) returns int language plpgsql stable as 'begin return x::int; exception when invalid_text_representation then return -1; end';

  create function dynamic_write() returns void language plpgsql as 'begin execute format(''insert into %I (body) values (1)'', ''log''); end';
  create function constant_read() returns int language plpgsql as 'declare n int; begin execute ''select 1'' into n; return n; end';
  create function constant_write() returns void language plpgsql as 'begin execute ''insert into log (body) values (1)''; end';
  create function dynamic_read() returns int language plpgsql as 'declare n int; begin execute ''select '' || 1 into n; return n; end';
  create function dynamic_update(t text) returns void language plpgsql as 'begin execute ''with x as (select 1) update '' || t || '' set body = body''; end';

  create function over_loaded(int) returns int language sql as 'select 1';
  create function over_loaded(text) returns int language sql as 'select sql_write()';
  create function public.touch() returns int language sql as 'select 1';
  create function audit.touch() returns int language sql as 'select public.sql_write()';
  create function audit.look() returns int language sql as 'select 1';
  create function "Odd.Schema"."Weird Name"() returns int language sql as 'select public.sql_write()';
  create function "Odd.Schema"."Calm Name"() returns int language sql as 'select 7';
  create function "Odd.Schema".swallow_here() returns text language sql as 'select public.swallows()';
  create function "sElEcT ""x"""() returns int language sql as 'select sql_write()';
  create function lower(item) returns text language sql as 'select sql_write()::text';
  create function upper(item) returns text language sql as 'select $1.label';
  create function trail(item) returns int language sql as 'select sql_write()';
  create function caption(item) returns text language sql as 'select $1.label';

  create aggregate total (int) (sfunc = int4pl, stype = int, initcond = '0');
  create function count_and_write(int, int) returns int language sql as 'select sql_write()';
  create aggregate writing_total (int) (sfunc = count_and_write, stype = int, initcond = '0');
  create procedure proc_read(inout n int) language plpgsql as 'begin n := n + 1; end';
  create procedure proc_write() language plpgsql as 'begin insert into log (body) values (''p''); end';
  create function tenant_of() returns text language sql stable set search_path = 'public' as 'select current_setting(''app.tenant'', true)';
  create function sets() returns text language sql as 'select set_config(''app.tenant'', ''x'', false)';
`

const RELATIONS = `
  create view plain_view as select id, label from item;
  create view view_on_view as select id from plain_view;
  create view writing_view as select sql_write() as id;
  create view view_on_writing_view as select id from writing_view;
  create view swallowing_view as select swallows() as outcome;
  create view dynamic_view as select dynamic_read() as n;
  create materialized view stored as select sql_write() as id;
  create view locks_view as select count(*) as held from pg_locks;
  create unlogged table scratch (id int, note text);
  create unlogged table audit."Hidden Scratch" (id int);
  create view scratch_view as select id from scratch;
  create table parted (id int) partition by range (id);
  create table parted_1 partition of parted for values from (0) to (10);
  create unlogged table parted_2 partition of parted for values from (10) to (20);
  create table whole (id int) partition by range (id);
  create table whole_1 partition of whole for values from (0) to (10);

  create table secret (id int, owner text);
  insert into secret values (1, 'a');
  alter table secret enable row level security, force row level security;
  create policy visible on secret for select using (owner = 'a' and sql_write() > 0);
  create table open_secret (id int, owner text);
  insert into open_secret values (1, 'a');
  alter table open_secret enable row level security, force row level security;
  create policy visible on open_secret for select using (owner = coalesce(tenant_of(), 'a'));
  create policy adds on open_secret for insert with check (sql_write() > 0);
  create table muted_secret (id int);
  create policy visible on muted_secret using (sql_write() > 0);
  create role reader;
  grant all on all tables in schema public to reader;

  create function eq_write(int, text) returns boolean language sql as 'select sql_write() > 0';
  create operator ==> (leftarg = int, rightarg = text, function = eq_write);
  create function eq_read(int, text) returns boolean language sql as 'select $1 = length($2)';
  create operator =|= (leftarg = int, rightarg = text, function = eq_read);
  create operator audit.=|= (leftarg = int, rightarg = int, function = int4eq);
  create operator |+| (leftarg = int, rightarg = int, function = int4pl);

  create function checks(text) returns boolean language plpgsql as 'begin insert into log (body) values ($1); return true; end';
  create domain written as text check (checks(value));
  create domain over_written as written;
  create domain positive as int check (value > 0);
  create type box_of as (n int);
  create function to_box(int) returns box_of language plpgsql as 'begin perform sql_write(); return row($1)::box_of; end';
  create cast (int as box_of) with function to_box(int);
  create type crate as (n int);
  create function to_crate(text) returns crate language plpgsql as 'begin perform sql_write(); return row(1)::crate; end';
  create cast (text as crate) with function to_crate(text) as implicit;
  create function opens(crate) returns int language plpgsql as 'begin return 1; end';
  create function takes_written(written) returns int language plpgsql as 'begin return 1; end';
  create view cast_view as select 1::box_of as boxed;
  create view domain_view as select 'x'::over_written as text;
`

let world: CatalogWorld

beforeAll(async () => {
  world = await CatalogWorld.start('set check_function_bodies = off', FUNCTIONS, CALLS, RELATIONS)
  await world.primary.query('analyze')
  await world.cluster.waitUntilCaughtUp()
})

afterAll(async () => {
  await world?.[Symbol.asyncDispose]()
})

describe('R1: a function is as strong as what it can reach', () => {
  it.for([
    'select plain(1)',
    'select reads_item(id) from item order by id',
    'select by_return(2), atomic_read()',
    'select ping(5), pong(4)',
    "select catches_only_reads('no number')",
    'select public.touch()',
    'select audit.look()',
    'select "Odd.Schema"."Calm Name"()',
    'select total(id) from item',
    "select only_length('abc')",
    'select tenant_of()',
    'select upper(item), item.caption from item order by id',
    'call proc_read(1)',
  ])('proven to read: %s', (sql) => world.judge(sql, 'read', 'answers'))

  it.for([
    'select sql_write()',
    'select atomic_write()',
    'select writes()',
    'select locks()',
    'select takes_number()',
    'select default_writes()',
    'select deep_1()',
    'select stable_caller()',
    'select tick(3)',
    'select tock(1)',
    'select over_loaded(null::text)',
    'select audit.touch()',
    'select "Odd.Schema"."Weird Name"()',
    'select "sElEcT ""x"""()',
    'select lower(item) from item',
    'select item.trail from item',
    'select writing_total(id) from item',
    'call proc_write()',
    'select * from item where id = 1 and tick(1) > 0',
  ])('writes, and the standby refuses: %s', (sql) => world.judge(sql, 'write', 'refuses'))

  it('the reason is that the function writes, not what is inside of it', async () => {
    await world.judge('select deep_1()', 'write', 'refuses', 'writing-function')
    await world.judge('select takes_number()', 'write', 'refuses', 'sequence')
  })

  it.for([
    'select swallows()',
    'select swallows_deeply()',
    'select swallows_call()',
    'select swallows_dynamic()',
    'select "Odd.Schema".swallow_here()',
    'select swallow_here() from (select 1) as one where false',
  ])('swallows the refusal: the write would be lost: %s', async (sql) => {
    if (!sql.includes('where false')) return world.judge(sql, 'write', 'deceives', 'swallows-errors')
    // Unqualified, out of the search path: whoever has it there must not be deceived.
    expect(classify(sql, world.knowledge)).toMatchObject({ access: 'write', reason: 'swallows-errors' })
  })

  it('dynamic SQL is unknown: the standby may be asked', async () => {
    await world.judge("select dynamic_update('log')", 'unknown', 'refuses', 'procedural-code')
    await world.judge('select dynamic_read()', 'unknown', 'answers', 'procedural-code')
  })

  it('dynamic SQL that begins with a constant is judged by that', async () => {
    await world.judge('select dynamic_write()', 'write', 'refuses', 'writing-function')
    await world.judge('select constant_write()', 'write', 'refuses', 'writing-function')
    await world.judge('select constant_read()', 'read', 'answers')
  })

  it('overloads and schemas: an unqualified name is judged by its strictest object', async () => {
    // Only costly: the overload that is called reads.
    await world.judge('select over_loaded(1)', 'write', 'answers')
    await world.judge('select touch()', 'write', 'answers')
  })

  it('R2: statements that a standby accepts but must not decide', async () => {
    await world.judge('select advisory()', 'write', 'answers', 'advisory-lock')
    await world.judge('select other_name(1)', 'write', 'answers', 'advisory-lock')
    await world.judge('select sets()', 'session', 'answers')
  })

  it('a write in a stable function is an error of its own on both nodes; what it calls may write', async () => {
    await world.judge('select stable_dml()', 'write', 'answers')
    await expect(world.standby.query('select stable_dml()')).rejects.toMatchObject({ code: '0A000' })
    await expect(world.primary.query('select stable_dml()')).rejects.toMatchObject({ code: '0A000' })
    await expect(world.standby.query('select stable_caller()')).rejects.toMatchObject({ code: '25006' })
    await expect(world.primary.query('select stable_caller()')).resolves.toBeDefined()
  })
})

describe('R1: relations, operators and types', () => {
  it.for([
    'select * from plain_view order by id',
    'select * from view_on_view order by id',
    'select id from stored',
    'select * from whole',
    'select id from muted_secret',
    "select 3 =|= 'abc'",
    'select 1 operator(audit.=|=) 2, 1 |+| 2',
    'select 3::positive',
    'table item',
  ])('proven to read: %s', (sql) => world.judge(sql, 'read', 'answers'))

  it.for([
    'select * from writing_view',
    'select id from public.view_on_writing_view v',
    "select 1 ==> 'x'",
    "select 1 operator(public.==>) 'x'",
    'select * from cast_view',
    'select * from domain_view',
    "select opens('x'::text)",
    "select takes_written('x')",
    "select written('x')",
  ])('writes, and the standby refuses: %s', (sql) => world.judge(sql, 'write', 'refuses'))

  it('a view may swallow an error, or call what no text shows', async () => {
    await world.judge('select * from swallowing_view', 'write', 'deceives', 'swallows-errors')
    await world.judge('select * from dynamic_view', 'unknown', 'answers')
    await world.judge('select held from locks_view where false', 'write', 'answers', 'node-local')
  })

  it.for([
    'select * from scratch',
    'select s.note from item i left join public.scratch s on s.id = i.id',
    'select * from audit."Hidden Scratch"',
    'select * from scratch_view',
    'select * from parted',
    'explain select * from scratch',
  ])('unlogged: %s', (sql) => world.judge(sql, 'write', 'refuses', 'unlogged'))

  it('a sequence is ahead of itself on a standby', async () => {
    await world.primary.query("select nextval('counter')")
    await world.judge('select last_value from counter', 'write', 'deceives', 'sequence')
    await world.judge('select is_called from public.counter', 'write', 'answers', 'sequence')
  })

  it('a policy is part of its table', async () => {
    for (const pool of [world.primary, world.standby]) await pool.query('set role reader')
    try {
      expect(classify('select * from secret', world.knowledge)).toMatchObject({ access: 'write' })
      await expect(world.standby.query('select * from secret')).rejects.toMatchObject({ code: '25006' })
      expect(classify('select * from open_secret', world.knowledge).access).toBe('read')
      expect((await world.standby.query('select * from open_secret')).rows).toEqual([{ id: 1, owner: 'a' }])
    } finally {
      for (const pool of [world.primary, world.standby]) await pool.query('reset role')
    }
  })

  it('a type knows the check of its domain and the function of its cast', async () => {
    const { knowledge } = world
    for (const [sql, type] of [
      ["select 'x'::written", 'written'],
      ["select 'x'::public.over_written", 'over_written'],
      ['select 1::box_of', 'box_of'],
    ] as const) {
      expect(knowledge.findType(undefined, type), type).toMatchObject({ access: 'write' })
      expect(await world.answerTo(sql), sql).toBe('refuses')
    }
    expect(knowledge.findType('public', 'positive')).toBeUndefined()
    expect(knowledge.findType('public', 'written')?.access).toBe('write')
  })

  it('a temporary table is out of reach for all sessions but its own: it is no table that the catalog knows', async () => {
    await world.primary.query('create temp table only_mine (id int); create temp table item (id int)')
    try {
      await world.load()
      expect(classify('select * from only_mine', world.knowledge)).toMatchObject({
        access: 'unknown',
        reason: 'newer-than-catalog',
      })
      expect(classify('select only_mine from item as only_mine', world.knowledge).access).toBe('read')
      expect(classify('select * from item', world.knowledge).access).toBe('read')
    } finally {
      await world.primary.query('drop table only_mine, pg_temp.item')
      await world.load()
    }
  })
})

describe('overrides', () => {
  it('override the catalog, also for whatever calls them', async () => {
    const knowledge = await loadCatalog(world.standby, {
      functions: { 'public.plain': 'write', sql_write: 'read', dynamic_read: 'read' },
    })
    expect(classify('select plain(1)', knowledge)).toMatchObject({ access: 'write', reason: 'override' })
    expect(classify('select deep_1()', knowledge).access).toBe('read')
    expect(classify('select * from writing_view', knowledge).access).toBe('read')
    expect(classify('select * from dynamic_view', knowledge).access).toBe('read')
    expect(classify('select writes()', knowledge).access).toBe('write')
  })
})

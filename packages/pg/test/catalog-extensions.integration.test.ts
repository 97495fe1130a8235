import { classify } from '@headwater/core/internal'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { CatalogWorld } from './catalog-world.ts'

let world: CatalogWorld

beforeAll(async () => {
  world = await CatalogWorld.start(
    'create extension postgres_fdw',
    'create extension dblink',
    'create extension citext',
    'create extension hstore',
    'create extension pg_trgm',
    'create extension pgcrypto',
    'create extension tablefunc',
    'create extension pg_stat_statements',
    'create extension file_fdw',
    'create extension pageinspect',
    'create extension pg_visibility',
    'create extension pgstattuple',
  )
  const { primary, cluster } = world
  await primary.query(`
    create function public.remote_write() returns int language sql as 'insert into public.log (body) values (''far'') returning id';
    create view remote_view as select remote_write() as id;
    create server here foreign data wrapper postgres_fdw options (host '127.0.0.1', port '${cluster.primary.port}', dbname 'postgres');
    create user mapping for public server here options (user 'postgres');
    create foreign table far (id int) server here options (table_name 'remote_view');
    create view far_view as select id from far;
    create table spread (id int) partition by range (id);
    create foreign table spread_1 partition of spread for values from (0) to (1000000) server here options (table_name 'remote_view');
    create function calls_far() returns bigint language plpgsql as 'begin return (select count(*) from far); end';
    create function links(address text) returns text language sql as
      'select dblink_exec(address, ''insert into public.log (body) values (1)'')';
    create table word (id int, term citext, extra hstore);
    insert into word values (1, 'One', 'a=>1');
    create function unseen_c(text) returns int language c immutable strict as '$libdir/fuzzystrmatch', 'soundex';
    create operator ==== (leftarg = text, rightarg = text, function = texteq);
  `)
  await world.load()
})

afterAll(async () => {
  await world?.[Symbol.asyncDispose]()
})

it.for(['select * from far', 'select * from far_view', 'select * from spread', 'select calls_far()'])(
  'R1: a foreign table writes for real, from a standby, until PostgreSQL 19 begins the far transaction READ ONLY as well: %s',
  async (sql) => world.judge(sql, 'write', (await world.version()) < 19 ? 'reaches out' : 'refuses', 'remote-server'),
)

it('R1: dblink writes for real, from a standby, also inside a function', async () => {
  const address = `host=127.0.0.1 port=${world.cluster.primary.port} dbname=postgres user=postgres`
  const statement = 'insert into log (body) values (1)'
  await world.judge(`select dblink_exec('${address}', '${statement}')`, 'write', 'reaches out', 'remote-server')
  await world.judge(`select links('${address}')`, 'write', 'reaches out', 'remote-server')
})

it.for([
  "select term = 'ONE', extra -> 'a', lower(term) from word",
  "select similarity('abc', 'abd'), 'abc' % 'abd'",
  "select encode(digest('x', 'sha256'), 'hex'), crypt('x', gen_salt('md5')) is null",
  "select hstore('a', 'b') || 'c=>d'::hstore, max(term) from word",
  "select id from word where term like 'o%' and extra ? 'a'",
])('R1: what known extensions have in C only reads: %s', (sql) => world.judge(sql, 'read', 'answers'))

it('functions of known extensions that are not reads', async () => {
  await world.judge("select * from crosstab('select 1, 2, 3') as t (a int, b int)", 'unknown', 'answers')
  expect(classify('select set_limit(0.5)', world.knowledge).access).toBe('session')
  expect(classify('select * from pg_stat_statements', world.knowledge).reason).toBe('node-local')
  expect(classify('select pg_stat_statements_reset()', world.knowledge).reason).toBe('node-local')
})

it('R2: what an extension reads of the pages of one node stays with the primary; what is replicated is a read', async () => {
  await world.judge("select * from pg_visibility_map('word')", 'read', 'answers')
  await world.judge("select tuple_count from pgstattuple('word')", 'read', 'answers')
  await world.judge('select heap_tuple_infomask_flags(2305, 1)', 'read', 'answers')
  const access = (sql: string) => classify(sql, world.knowledge).reason
  expect(access("select * from heap_page_items(get_raw_page('word', 0))")).toBe('node-local')
  expect(access("select * from pg_check_visible('word')")).toBe('node-local')
  expect(access("select pg_truncate_visibility_map('word')")).toBe('writing-function')
})

it('a C function outside of any extension is unknown, whatever it promises; the operators of Postgres stay reads', async () => {
  expect(classify("select unseen_c('x')", world.knowledge)).toMatchObject({
    access: 'unknown',
    functions: ['unseen_c'],
  })
  await world.judge("select 'a' ==== 'a', 1 = 1, 2 < 3", 'read', 'answers')
})

import { type Corpus, independentTexts } from '../corpus.ts'
import { TPCC_SCHEMA, TPCC_TEXTS } from './tpcc.ts'
import { TPCH_SCHEMA, TPCH_TEXTS } from './tpch.ts'

const one = (name: string, setup: string, texts: readonly string[]): Corpus => ({
  name,
  suites: async () => [independentTexts(name, setup, texts)],
})

/** The statements of pgbench's three built-in scripts and of its initialisation. (src/bin/pgbench/pgbench.c) */
export const pgbench: Corpus = one(
  'pgbench',
  `create table pgbench_history (tid int, bid int, aid int, delta int, mtime timestamp, filler char(22));
   create table pgbench_tellers (tid int primary key, bid int, tbalance int, filler char(84));
   create table pgbench_accounts (aid int primary key, bid int, abalance int, filler char(84));
   create table pgbench_branches (bid int primary key, bbalance int, filler char(88));
   insert into pgbench_branches select i, 0 from generate_series(1, 1) i;
   insert into pgbench_tellers select i, 1, 0 from generate_series(1, 10) i;
   insert into pgbench_accounts select i, 1, 0 from generate_series(1, 1000) i`,
  [
    'BEGIN',
    'UPDATE pgbench_accounts SET abalance = abalance + 11 WHERE aid = 7;',
    'SELECT abalance FROM pgbench_accounts WHERE aid = 7;',
    'UPDATE pgbench_tellers SET tbalance = tbalance + 11 WHERE tid = 3;',
    'UPDATE pgbench_branches SET bbalance = bbalance + 11 WHERE bid = 1;',
    'INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (3, 1, 7, 11, CURRENT_TIMESTAMP);',
    'END',
    'select count(*) from pgbench_branches',
    "select o.n, p.partstrat, pg_catalog.count(i.inhparent) from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on (n.oid = c.relnamespace) cross join lateral (select pg_catalog.array_position(pg_catalog.current_schemas(true), n.nspname)) as o(n) left join pg_catalog.pg_partitioned_table as p on (p.partrelid = c.oid) left join pg_catalog.pg_inherits as i on (c.oid = i.inhparent) where c.relname = 'pgbench_accounts' and o.n is not null group by 1, 2 order by 1 asc limit 1",
    'truncate table pgbench_accounts, pgbench_branches, pgbench_history, pgbench_tellers',
    'vacuum pgbench_branches',
    'vacuum analyze pgbench_accounts',
    'alter table pgbench_history add constraint pgbench_history_pkey unique (tid, mtime)',
    'drop table if exists pgbench_accounts, pgbench_branches, pgbench_history, pgbench_tellers',
  ],
)

/** What sysbench's oltp_* scripts send. (src/lua/oltp_common.lua, bulk_insert.lua) */
export const sysbench: Corpus = one(
  'sysbench',
  `create table sbtest1 (id serial primary key, k integer default '0' not null, c char(120) default '' not null, pad char(60) default '' not null);
   insert into sbtest1 (k, c, pad) select i % 50, 'c' || i, 'p' || i from generate_series(1, 500) i;
   create index k_1 on sbtest1 (k)`,
  [
    'BEGIN',
    'SELECT c FROM sbtest1 WHERE id=42',
    'SELECT c FROM sbtest1 WHERE id BETWEEN 10 AND 109',
    'SELECT SUM(k) FROM sbtest1 WHERE id BETWEEN 10 AND 109',
    'SELECT c FROM sbtest1 WHERE id BETWEEN 10 AND 109 ORDER BY c',
    'SELECT DISTINCT c FROM sbtest1 WHERE id BETWEEN 10 AND 109 ORDER BY c',
    'UPDATE sbtest1 SET k=k+1 WHERE id=42',
    "UPDATE sbtest1 SET c='31451373586-15688153734' WHERE id=42",
    'DELETE FROM sbtest1 WHERE id=42',
    "INSERT INTO sbtest1 (id, k, c, pad) VALUES (42, 7, '68487932199-96439406143', '67847967377-48000963322')",
    'SELECT id, k, c, pad FROM sbtest1 WHERE k IN (1, 5, 7, 9)',
    'SELECT count(k) FROM sbtest1 WHERE k BETWEEN 1 AND 5 OR k BETWEEN 7 AND 9',
    "INSERT INTO sbtest1 (k, c, pad) VALUES (1, 'a', 'b'),(2, 'c', 'd')",
    'COMMIT',
    'CREATE TABLE sbtest2(id SERIAL, k INTEGER DEFAULT 0 NOT NULL, PRIMARY KEY (id))',
    'CREATE INDEX k_2 ON sbtest2(k)',
    'DROP TABLE IF EXISTS sbtest2',
  ],
)

/** The statements of TPC-C's five transactions, with row locks and without. (TPC-C 5.11, clause 2 and appendix A) */
export const tpcc: Corpus = one('tpcc', TPCC_SCHEMA, TPCC_TEXTS)

/** TPC-H's 22 queries with their validation parameters, and its two refresh functions. (TPC-H 3.0, clause 2.4) */
export const tpch: Corpus = one('tpch', TPCH_SCHEMA, TPCH_TEXTS)

/** What an app has. */
export const APP_SCHEMA = `
  create table person (id int primary key, name text not null, email text, at timestamptz default now());
  create table item (id int primary key, owner int references person (id), price numeric(10, 2), tags text[], doc jsonb);
  create table sale (id bigserial primary key, item int references item (id), amount int not null, sold date, note text);
  create view expensive as select item.id, item.price, person.name from item join person on person.id = item.owner where price > 20;
  create materialized view sold_by_day as select current_date as day, 1 as amount;
  insert into person select i, 'p' || i, 'p' || i || '@example.org' from generate_series(1, 100) i;
  insert into item select i, 1 + i % 100, i * 1.5, array['a', 'b'], jsonb_build_object('n', i) from generate_series(1, 200) i;
  insert into sale (item, amount, sold) select 1 + i % 200, i % 7, date '2026-01-01' + i % 90 from generate_series(1, 400) i;
`

/**
 * One of each: what the table of the standby's answers was measured on, and what grown statements run on. `f_cond` writes
 * if told to, `f_exc` swallows the refusal, `vw_write` writes when it is read.
 */
export const SCHEMA = `
  set client_min_messages = error;
  create table t (id int primary key, v text);
  insert into t select i, 'v' || i from generate_series(1, 100) i;
  create table t2 (id serial primary key, v text);
  insert into t2 (v) values ('a'), ('b'), ('c');
  create sequence s;
  select nextval('s');
  create table empty (id int, v text);
  create rule empty_rule as on insert to empty do instead select 1;
  create table part (id int, k int) partition by list (k);
  create table part_1 partition of part for values in (1);
  insert into part select i, 1 from generate_series(1, 20) i;
  create table item (id int primary key, owner int references t (id) deferrable, price numeric(10, 2), tags text[], doc jsonb, at timestamptz);
  insert into item select i, 1 + i % 100, i * 1.5, array['a', 'b' || i % 7], jsonb_build_object('n', i, 'k', array[i]), timestamptz '2026-01-01' + i * interval '1 hour' from generate_series(1, 300) i;
  create view vw as select * from t where id < 50;
  create view vw_join as select t.id, t.v, item.price from t join item on item.owner = t.id;
  create materialized view mv as select * from t where id < 20;
  create unlogged table ul (id int);
  create unlogged table ul_serial (id serial);
  create unlogged sequence us;
  create type comp as (a int);
  create function f_read_stable() returns bigint language sql stable as 'select count(*) from t';
  create function f_read_volatile() returns bigint language sql as 'select count(*) from t';
  create function f_write() returns int language plpgsql as 'begin insert into t2 (v) values (''f''); return 1; end';
  create function f_write_stable() returns int language plpgsql stable as 'begin perform f_write(); return 1; end';
  create function f_sqlwrite() returns int language sql as 'insert into t2 (v) values (''f'') returning id';
  create function f_nextval() returns bigint language sql as 'select nextval(''s'')';
  create function f_exc() returns text language plpgsql as 'begin insert into t2 (v) values (''f''); return ''ok''; exception when others then return sqlstate; end';
  create function f_lock() returns int language plpgsql as 'declare r int; begin select id into r from t where id = 1 for update; return r; end';
  create function f_temp() returns int language plpgsql as 'begin create temp table if not exists f_temp_made (a int); return 1; end';
  create function f_cond(doit boolean) returns int language plpgsql as 'begin if doit then insert into t2 (v) values (''c''); end if; return 0; end';
  create function f_dyn(command text) returns int language plpgsql as 'begin execute command; return 1; end';
  create function f_op(int, text) returns int language plpgsql as 'begin insert into t2 (v) values ($2); return $1; end';
  create operator @@@ (leftarg = int, rightarg = text, function = f_op);
  create view vw_volatile as select nextval('s');
  create view vw_write as select f_write();
  create procedure p_read() language plpgsql as 'begin perform 1; end';
  create procedure p_write() language plpgsql as 'begin insert into t2 (v) values (''p''); end';
  create procedure p_commit() language plpgsql as 'begin commit; end';
  create function trgf() returns trigger language plpgsql as 'begin return new; end';
  create table rlst (id int, owner text);
  alter table rlst enable row level security;
  create extension tablefunc;
  create extension dblink;
  select lo_from_bytea(12345, 'abc');
  do 'begin create role app; exception when duplicate_object then null; end';
`

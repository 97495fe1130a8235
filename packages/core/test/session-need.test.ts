import { classify, needsOwnSession, type SessionNeed, sessionNeedOf } from '@headwater/core/internal'
import { describe, expect, it } from 'vitest'

const NEEDS: Readonly<Record<SessionNeed, readonly string[]>> = {
  none: [
    'select 1',
    'select f()',
    'select pg_advisory_xact_lock(1)',
    'select pg_try_advisory_xact_lock_shared(1)',
    "select set_config('a.b', 'c', true)",
    'set local a.b to 1',
    'set transaction read only',
    'show all',
    'show search_path',
    'begin',
    'commit',
    'notify x',
    "select pg_notify('a', 'b')",
    'insert into note (body) values ($1)',
    "select nextval('s')",
    'declare c cursor for select 1',
    'copy t to stdout',
    'select temp from weather',
    'select temporary.a from temporary',
    "insert into t values ('listen x; set a to 1')",
    'begin; select f(); commit',
    'select currval from t',
    'lock table t',
    "prepare transaction 'x'",
    'insert into t values (1) -- create temp table',
  ],
  better: [
    'create table t (a int)',
    'create table t (temp int)',
    'alter table t add temporary int',
    'create index concurrently i on t (a)',
    'drop table t',
    'vacuum',
    'create unlogged table x (a int)',
    'create or replace function f() returns int language sql as $$select 1$$',
  ],
  'own-outside': [
    "select currval('s')",
    'select lastval()',
    'fetch 1 from c',
    'close c',
    'create temp table t on commit drop as select 1',
  ],
  own: [
    'listen x',
    'unlisten *',
    'select pg_advisory_lock(1)',
    'select pg_try_advisory_lock (1)',
    'select pg_catalog."pg_advisory_lock"(1)',
    'insert into t select pg_advisory_lock(1)',
    'select pg_advisory_xact_lock(1), pg_advisory_lock(2)',
    'select pg_advisory_unlock_all()',
    'set x.y to 1',
    'set session characteristics as transaction read only',
    'set role x',
    'reset all',
    'discard all',
    "load 'x'",
    'create temp table t (a int)',
    'create local temporary table t (a int)',
    'create or replace temp view v as select 1',
    'create temp sequence s',
    'create table pg_temp.t (a int)',
    'insert into pg_temp.t values (1)',
    'select * from pg_temp.t',
    'select 1 into temp t',
    'prepare p as select 1',
    'execute p',
    'explain execute p',
    'deallocate p',
    'declare c cursor with hold for select 1',
    "select set_config('a.b', 'c', false)",
    "insert into t select set_config('a.b', 'c', false)",
    'select setseed(0.5)',
    'insert into t values (1); listen x',
    "select dblink_connect('a')",
  ],
}

describe.each(Object.entries(NEEDS))('B2: what needs a session: %s', (need, texts) => {
  it.each(texts)('%s', (text) => expect(sessionNeedOf(classify(text), text).need).toBe(need))
})

it('B2: what belongs to a transaction needs a session outside of one only', () => {
  const verdict = (text: string) => sessionNeedOf(classify(text), text)
  expect(needsOwnSession(verdict("select currval('s')"), false)).toBe(true)
  expect(needsOwnSession(verdict("select currval('s')"), true)).toBe(false)
  expect(needsOwnSession(verdict('set a.b to 1'), true)).toBe(true)
  expect(needsOwnSession(verdict('create table t (a int)'), false)).toBe(false)
})

import { expect, it } from 'vitest'
import type { CatalogRow } from '../src/catalog/catalog-query.ts'
import { SchemaChangers } from '../src/catalog/schema-changers.ts'

const row = (name: string, body: string): CatalogRow => ({
  kind: 'function',
  id: 'f1',
  schema: 'public',
  name,
  sort: 'plpgsql',
  marks: 'vt',
  extension: null,
  body,
  defaults: null,
  settings: null,
  refs: null,
})

const among = (...rows: CatalogRow[]): Promise<SchemaChangers> => SchemaChangers.among(rows, async () => undefined)

it.each([
  'create or replace function g() returns int language sql as $$select 1$$',
  "execute format('create view %I as select 1', name)",
  "execute 'alter ' || 'function f() volatile'",
  "execute format('drop %s %I', kind, name)",
  'alter table t enable row level security',
  'drop policy p on t',
  'import foreign schema s from server x into y',
])('R1: a function that changes the schema is known by its body: %s', async (body) => {
  expect((await among(row('change', body))).mayBeCalledBy('select change()')).toBe(true)
})

it.each([
  'create temp table scratch (a int)',
  "execute format('create table %I partition of measurement', name)",
  'drop table if exists scratch',
  "insert into log (action) values ('create')",
  'update document set created_at = now() where kind = $1',
])('R1: one that changes nothing that is known is not among them: %s', async (body) => {
  expect((await among(row('change', body))).mayBeCalledBy('select change()')).toBe(false)
})

it('R1: what calls one is one, over any number of steps, and is found in a text as a whole name', async () => {
  const changers = await among(
    row('c', 'begin perform b(); end'),
    row('a', 'alter table t add x int'),
    row('b', 'begin perform public."a"(); end'),
    row('Odd.name', 'begin perform c(); end'),
    row('odd name-$*', 'begin perform c(); end'),
    row('reads', 'select abc from t'),
  )
  for (const text of [
    'select a()',
    'call B()',
    'select x."Odd.name"()',
    'select "odd name-$*"()',
    'insert into t select c()',
  ]) {
    expect(changers.mayBeCalledBy(text), text).toBe(true)
  }
  for (const text of ['select reads()', 'select abc()', 'select a1(), _a()']) {
    expect(changers.mayBeCalledBy(text), text).toBe(false)
  }
})

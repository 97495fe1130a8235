import { classify } from '@headwater/core/internal'
import { expect, it } from 'vitest'
import type { CatalogRow } from '../src/catalog/catalog-query.ts'
import { judgeForeignBody } from '../src/catalog/foreign-language.ts'
import { judgeCatalog } from '../src/catalog/load.ts'
import { loadCatalog } from '../src/catalog/load-catalog.ts'
import { resolveCatalog } from '../src/options/catalog-options.ts'

/** A row of the catalog as Postgres gives it; only what a test is about is said. */
function row(values: Partial<CatalogRow> & Pick<CatalogRow, 'kind' | 'id' | 'name'>): CatalogRow {
  return {
    schema: 'public',
    sort: values.kind === 'function' ? 'sql' : null,
    marks: values.kind === 'function' ? 'vt' : null,
    extension: null,
    body: null,
    defaults: null,
    settings: null,
    refs: null,
    ...values,
  }
}

it.for([
  ['plpy.execute("select 1")', false, 'unknown'],
  ['plpy.execute("insert into t values (1)")', false, 'write'],
  ['spi_exec "INSERT INTO t (a) VALUES ($i)"', true, 'write'],
  ['my $update = "update now";', true, 'unknown'],
  ['try:\n  plpy.execute("insert")\nexcept plpy.SPIError:\n  pass', false, 'write'],
  ['import urllib.request', false, 'write'],
  ['spi_exec_query("select 1")', true, 'unknown'],
  ['eval { spi_exec_query("insert") }', true, 'write'],
  ['my $use = 1;', true, 'unknown'],
] as const)(
  'R1: another language is unknown unless it states a write, may catch or reach out: %s',
  ([body, isTrusted, access]) => {
    expect(judgeForeignBody(body, isTrusted).access).toBe(access)
  },
)

it('a chain of calls is followed to its end, in whatever order the catalog names it', async () => {
  const length = 2000
  const rows = Array.from({ length }, (_, index) =>
    row({
      kind: 'function',
      id: `f${index}`,
      name: `step_${index}`,
      body: index === length - 1 ? 'insert into t values (1)' : `select step_${index + 1}()`,
    }),
  )
  for (const order of [rows, rows.toReversed()]) {
    const knowledge = await judgeCatalog(order, {})
    expect(classify('select step_0()', knowledge)).toMatchObject({ access: 'write', reason: 'writing-function' })
  }
})

it('a schema or a name with a dot is found qualified and unqualified', async () => {
  const knowledge = await judgeCatalog(
    [
      row({ kind: 'function', id: 'f1', schema: 'a.b', name: 'c.d', body: 'delete from t' }),
      row({ kind: 'relation', id: 'r1', schema: 'a.b', name: 'v', sort: 'v', marks: 'p', body: 'select "c.d"()' }),
    ],
    {},
  )
  for (const sql of ['select "a.b"."c.d"()', 'select "c.d"()', 'select * from "a.b".v', 'select * from v']) {
    expect(classify(sql, knowledge).access, sql).toBe('write')
  }
})

it('a policy may come before its table', async () => {
  const knowledge = await judgeCatalog(
    [
      row({ kind: 'policy', id: 'r1', schema: '', name: '', body: 'writes()' }),
      row({ kind: 'relation', id: 'r1', name: 'guarded', sort: 'r', marks: 'p' }),
      row({ kind: 'function', id: 'f1', name: 'writes', body: 'insert into t values (1)' }),
    ],
    {},
  )
  expect(classify('select * from guarded', knowledge).access).toBe('write')
})

it('a C function behind an operator is a read unless it is volatile; so is one that shares a name with Postgres', async () => {
  const rows = [
    row({ kind: 'function', id: 'f1', name: 'thing_eq', sort: 'c', marks: 'it' }),
    row({ kind: 'function', id: 'f2', name: 'thing_touch', sort: 'c', marks: 'vt' }),
    row({ kind: 'function', id: 'f3', name: 'length', sort: 'c', marks: 'it' }),
    row({ kind: 'function', id: 'f4', name: 'thing_size', sort: 'c', marks: 'it' }),
    row({ kind: 'operator', id: 'o1', name: '=', refs: 'f1' }),
    row({ kind: 'operator', id: 'o2', name: '@@@', refs: 'f2' }),
  ]
  const knowledge = await judgeCatalog(rows, {})
  expect(classify('select 1 = 1, length($1)', knowledge).access).toBe('read')
  expect(classify('select $1 @@@ $2', knowledge)).toMatchObject({ access: 'unknown', token: '@@@' })
  expect(classify('select thing_size($1)', knowledge)).toMatchObject({ access: 'unknown', reason: 'unseen-function' })
})

it('invalid options are rejected by name', async () => {
  const target = { query: () => Promise.reject(new Error('nothing is asked')) }
  await expect(loadCatalog(target, { functions: { 'audit.touch': 'writes' as 'write' } })).rejects.toMatchObject({
    code: 'HEADWATER_OPTIONS_INVALID',
    option: 'functions["audit.touch"]',
    message: expect.stringContaining('"writes" is not an access'),
  })
  await expect(loadCatalog(target, { functions: [] as unknown as Record<string, 'read'> })).rejects.toMatchObject({
    option: 'functions',
  })
  await expect(loadCatalog(target)).rejects.toThrow('nothing is asked')
})

it('the options of the pool are checked and filled in', () => {
  expect(resolveCatalog(undefined, undefined, true)).toEqual({
    isLoaded: true,
    refreshAfterMillis: 600_000,
    maxAgeMillis: 5000,
    functions: {},
  })
  expect(resolveCatalog(undefined, { f: 'read' }, false)).toMatchObject({ isLoaded: false, functions: { f: 'read' } })
  expect(resolveCatalog({ refreshAfterMillis: 5000 }, undefined, false)).toMatchObject({
    isLoaded: true,
    refreshAfterMillis: 5000,
  })
  expect(resolveCatalog(false, undefined, true).isLoaded).toBe(false)
  expect(() => resolveCatalog('yes' as unknown as boolean, undefined, true)).toThrow(
    'option catalog: "yes" is unknown; expected true, false',
  )
  expect(() => resolveCatalog({ refreshAfterMillis: 5 }, undefined, true)).toThrow(
    'option catalog.refreshAfterMillis: 5 is not a valid age',
  )
  expect(resolveCatalog({ maxAgeMillis: Number.POSITIVE_INFINITY }, undefined, false)).toMatchObject({
    isLoaded: true,
    maxAgeMillis: Number.POSITIVE_INFINITY,
  })
  expect(() => resolveCatalog({ maxAgeMillis: Number.NaN }, undefined, true)).toThrow(
    'option catalog.maxAgeMillis: null is not a valid age; expected at least 100',
  )
})

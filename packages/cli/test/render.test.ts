import { classify, createKnowledge } from '@headwater/core/internal'
import { expect, it } from 'vitest'
import { explain } from '../src/explain.ts'
import { ACCESS_SENTENCES, DECISION_SENTENCES, ROUTE_WORDS } from '../src/reasons.ts'
import { isColourWanted, plain, render } from '../src/render.ts'

const STATEMENTS = [
  'select 1',
  '',
  'begin',
  "select set_config('a.b', 'c', true)",
  'insert into t values (1)',
  'lock table t',
  'select pg_advisory_lock(1)',
  'create table t ()',
  'select * into t from u',
  'copy t from stdin',
  "copy t to '/tmp/x'",
  'explain analyze delete from t',
  "select nextval('s')",
  'select lo_unlink(1)',
  'select txid_current()',
  'notify x',
  'set work_mem = 1',
  'prepare a as select 1',
  'declare c cursor with hold for select 1',
  'vacuum',
  "commit prepared 'x'",
  'select pg_is_in_recovery()',
  "select dblink('x', 'y')",
  'select f(1)',
  'select 1 <=> 2',
  '/* headwater: primary */ select 1',
  'select (',
]

it.for(STATEMENTS)('explains %s', (sql) => {
  const explanation = explain(sql)
  expect(explanation.access).toBe(classify(sql).access)
  expect(explanation.sentence).toMatch(/^[A-Z].*\.$/)
  expect(explanation.routes).toHaveLength(6)
  const text = render(sql, explanation, plain)
  const caret = text.split('\n').findIndex((line) => /^ *\^+$/.test(line))
  if (explanation.token === null) expect(caret).toBe(-1)
  else {
    const [above = '', carets = ''] = text.split('\n').slice(caret - 1, caret + 1)
    expect(above.slice(carets.indexOf('^'), carets.length)).toBe(explanation.token)
  }
})

it('every reason has a sentence of its own', () => {
  for (const table of [ACCESS_SENTENCES, DECISION_SENTENCES, ROUTE_WORDS]) {
    const sentences = Object.values(table)
    expect(new Set(sentences).size).toBe(sentences.length)
    for (const sentence of sentences) expect(sentence.length).toBeGreaterThan(10)
  }
})

it('shows a long line around its token, and counts characters, not code units', () => {
  const sql = `select '${'🌊'.repeat(3)}${'x'.repeat(500)}', f(${'y, '.repeat(300)}1)`
  const lines = render(sql, explain(sql), plain).split('\n')
  const at = lines.findIndex((line) => /^ *\^+$/.test(line))
  const [above = '', carets = ''] = lines.slice(at - 1, at + 1)
  expect(above.length).toBeLessThan(140)
  expect([...above][carets.indexOf('^')]).toBe('f')
  const short = "select '🌊', f(1)"
  expect(render(short, explain(short), plain)).toContain("1 | select '🌊', f(1)\n                ^\n")
})

it('NO_COLOR, FORCE_COLOR and the terminal decide whether there is colour', () => {
  expect(isColourWanted({}, true)).toBe(true)
  expect(isColourWanted({}, false)).toBe(false)
  expect(isColourWanted({ NO_COLOR: '1' }, true)).toBe(false)
  expect(isColourWanted({ NO_COLOR: '' }, true)).toBe(true)
  expect(isColourWanted({ FORCE_COLOR: '1', NO_COLOR: '1' }, false)).toBe(true)
  expect(isColourWanted({ FORCE_COLOR: '0' }, true)).toBe(false)
  expect(isColourWanted({ TERM: 'dumb' }, true)).toBe(false)
})

it('R1: a function of unknown effect is tried on a replica only with a catalog', () => {
  const routeOf = (...args: Parameters<typeof explain>) =>
    explain(...args).routes.find(({ place, routing }) => place === 'away in a request' && routing === 'automatic')
      ?.route
  expect(routeOf('select f(1)')).toBe('replay')
  expect(routeOf('select f(1)', createKnowledge({}))).toBe('replica')
})

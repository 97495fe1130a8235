import { describe, expect, test } from 'vitest'
import { classify } from '../src/classify/classify.ts'
import { createKnowledge } from '../src/classify/names/knowledge.ts'
import type { Access, AccessReason } from '../src/statement/statement.ts'
import { STANDBY_TABLE } from './classify-standby-table.ts'

describe('R1, R2: every statement that was put to a real standby', () => {
  for (const access of ['read', 'unknown', 'session', 'write'] as const satisfies readonly Access[]) {
    test.each(STANDBY_TABLE[access])(`${access}: %s`, (sql) => {
      expect(classify(sql).access).toBe(access)
    })
  }
})

const knowledge = createKnowledge({
  relations: [
    ['public.ul', { access: 'write', reason: 'unlogged' }],
    ['public.us', { access: 'write', reason: 'unlogged' }],
    ['public.ul_serial', { access: 'write', reason: 'unlogged' }],
    ['public.vw_volatile', { access: 'write', reason: 'writing-function' }],
    ['public.vw_write', { access: 'write', reason: 'writing-function' }],
    ['public.ft', { access: 'write', reason: 'remote-server' }],
    ['public.s', { access: 'write', reason: 'sequence' }],
  ],
})

describe('R2: what only the catalog of Postgres’s functions shows', () => {
  test.each([
    ['SELECT * FROM ul', 'unlogged'],
    ['SELECT * FROM us', 'unlogged'],
    ['SELECT * FROM "ul_serial" AS x', 'unlogged'],
    ['EXPLAIN SELECT * FROM ul', 'unlogged'],
    ['EXPLAIN DELETE FROM t USING public.ul', 'unlogged'],
    ['SELECT * FROM t LEFT JOIN ul USING (id) LIMIT 1', 'unlogged'],
    ['SELECT * FROM vw_volatile', 'writing-function'],
    ['SELECT * FROM public.vw_write', 'writing-function'],
    ['SELECT (SELECT count(*) FROM PUBLIC."ft")', 'remote-server'],
    ['TABLE s', 'sequence'],
    ['COPY ul TO STDOUT', 'unlogged'],
    ['COPY public.ul (id) TO STDOUT', 'unlogged'],
  ] satisfies readonly (readonly [string, AccessReason])[])('%s: %s', (sql, reason) => {
    expect(classify(sql).access).toBe('read')
    expect(classify(sql, knowledge)).toMatchObject({ access: 'write', reason })
  })

  test('another schema of the same name is another relation', () => {
    expect(classify('SELECT * FROM archive.t', knowledge).access).toBe('read')
  })
})

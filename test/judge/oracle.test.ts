import { classify } from '@headwater/core/internal'
import { loadModule, parseSync } from 'libpg-query'
import { beforeAll, describe, expect, test } from 'vitest'
import { STANDBY_TABLE } from '../../packages/core/test/classify-standby-table.ts'
import { grow } from './corpora/grammar.ts'
import { TPCC_TEXTS } from './corpora/tpcc.ts'
import { TPCH_TEXTS } from './corpora/tpch.ts'
import { labelOf } from './labels.ts'

const CORPORA: Readonly<Record<string, readonly string[]>> = {
  'the table of a standby’s answers': Object.values(STANDBY_TABLE).flat(),
  'TPC-C': TPCC_TEXTS,
  'TPC-H': TPCH_TEXTS,
  'the grammar': grow(4000, 20_261_122),
}

/** What Postgres's own grammar makes of a text, beside our verdict. */
function judge(texts: readonly string[]) {
  return texts
    .map((sql) => ({ sql, label: labelOf(sql), statement: classify(sql) }))
    .filter(({ label }) => label.isParsed)
}

describe.each(Object.entries(CORPORA))('R1: held against Postgres’s own grammar, %s', (_, texts) => {
  let judged: ReturnType<typeof judge> = []
  beforeAll(async () => {
    await loadModule()
    judged = judge(texts)
  })

  test('has texts that the grammar takes', () => {
    expect(judged.length).toBeGreaterThan(texts.length * 0.9)
  })

  test('what the syntax tree shows to write, to lock or to change the schema is never a read', () => {
    const wrong = judged.filter(({ label, statement }) => label.writes !== undefined && statement.access === 'read')
    expect(wrong.map(({ sql, label }) => [label.writes, sql])).toEqual([])
  })

  test('R2: what a standby should not decide is neither a read nor tried', () => {
    const wrong = judged.filter(
      ({ label, statement }) =>
        label.belongsOnPrimary !== undefined && (statement.access === 'read' || statement.access === 'unknown'),
    )
    expect(wrong.map(({ sql, label }) => [label.belongsOnPrimary, sql])).toEqual([])
  })

  test('what Postgres can parse is never a syntax error to us', () => {
    const wrong = judged.filter(({ statement }) => statement.because === 'syntax')
    expect(wrong.map(({ sql }) => sql)).toEqual([])
  })

  test('both count the same statements', () => {
    const wrong = judged.filter(({ sql, statement }) => statement.count !== (parseSync(sql).stmts ?? []).length)
    expect(wrong.map(({ sql, statement }) => [statement.count, sql])).toEqual([])
  })
})

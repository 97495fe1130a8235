import { describe, expect, test } from 'vitest'
import { type IndexFacts, indexesIn, indexKey, mostRowsRead, type PlanNode } from '../src/node/plan-bound.ts'

const INDEXES: ReadonlyMap<string, IndexFacts> = new Map([
  [indexKey('public', 'note_pkey'), { columns: ['id'], isUnique: true, mostRows: 1 }],
  [indexKey('public', 'tag_pkey'), { columns: ['note_id', 'tag'], isUnique: true, mostRows: 3 }],
  [indexKey('public', 'by_author'), { columns: ['author'], isUnique: false, mostRows: 180_000 }],
  [indexKey('public', 'by_lower'), { columns: [null], isUnique: true, mostRows: null }],
])
const scan = (index: string, condition: string, more: object = {}): PlanNode => ({
  'Node Type': 'Index Scan',
  Schema: 'public',
  'Index Name': index,
  'Index Cond': condition,
  ...more,
})
const over = (type: string, ...plans: PlanNode[]): PlanNode => ({ 'Node Type': type, Plans: plans })

describe('S4: how many rows a plan reads, whatever its values', () => {
  test.each<[string, PlanNode, number]>([
    ['a unique key', scan('note_pkey', '(note.id = $1)'), 1],
    ['with a cast', scan('note_pkey', '((note.id)::text = $1)'), 1],
    [
      'under a limit, a sort and a write',
      over('ModifyTable', over('Limit', over('Sort', scan('note_pkey', '(id = $1)')))),
      1,
    ],
    ['INSERT … VALUES', over('ModifyTable', { 'Node Type': 'Result' }), 1],
    ['a whole composite key', scan('tag_pkey', '((t.note_id = $1) AND (t.tag = $2))'), 1],
    ['the beginning of one, by its statistics', scan('tag_pkey', '(t.note_id = $1)'), 3],
    ['a join by keys', over('Nested Loop', scan('note_pkey', '(id = $1)'), scan('tag_pkey', '(t.note_id = n.id)')), 3],
    ['a bitmap', over('Bitmap Heap Scan', scan('note_pkey', '(id = $1)', { 'Node Type': 'Bitmap Index Scan' })), 1],
    ['the end of a composite key', scan('tag_pkey', '(t.tag = $2)'), Number.POSITIVE_INFINITY],
    ['a skewed column', scan('by_author', '(author = $1)'), 180_000],
    ['an array', scan('note_pkey', '(id = ANY ($1))'), Number.POSITIVE_INFINITY],
    ['a range', scan('note_pkey', '(id > $1)'), Number.POSITIVE_INFINITY],
    ['a condition inside a constant', scan('note_pkey', "(body > '(id = 1)'::text)"), Number.POSITIVE_INFINITY],
    ['an expression', scan('by_lower', '(lower(x) = $1)'), Number.POSITIVE_INFINITY],
    ['all of an index in order', scan('note_pkey', ''), Number.POSITIVE_INFINITY],
    ['a whole table', { 'Node Type': 'Seq Scan' }, Number.POSITIVE_INFINITY],
    ['a function', { 'Node Type': 'Function Scan' }, Number.POSITIVE_INFINITY],
    ['a kind of node that is not known', over('Custom Scan', scan('note_pkey', '(id = $1)')), Number.POSITIVE_INFINITY],
    [
      'a subquery that reads a table for each row',
      { ...scan('note_pkey', '(id = $1)'), Plans: [{ 'Node Type': 'Seq Scan', 'Parent Relationship': 'SubPlan' }] },
      Number.POSITIVE_INFINITY,
    ],
  ])('%s', (_what, plan, rows) => {
    expect(mostRowsRead(plan, INDEXES)).toBe(rows)
  })

  test('names the indexes to ask about', () => {
    const plan = over('Nested Loop', scan('note_pkey', ''), over('Sort', scan('by_author', '')))
    expect(indexesIn(plan)).toEqual([indexKey('public', 'note_pkey'), indexKey('public', 'by_author')])
  })
})

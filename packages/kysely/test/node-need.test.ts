import {
  type CompiledQuery,
  DummyDriver,
  Kysely,
  type OperationNode,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  sql,
} from 'kysely'
import { describe, expect, it } from 'vitest'
import { MODIFIER_NEEDS, NodeNeeds, ROOT_NEEDS } from '../src/node-need.ts'
import type { Database } from './world.ts'

const db = new Kysely<Database>({
  dialect: {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (own) => new PostgresIntrospector(own),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  },
})

/** With a text that has a sign, so that every node is visited. */
const needOf = (root: OperationNode, tables: readonly string[] = []) => new NodeNeeds(tables).of(root, 'update')

/** As the dialect asks: with the text that Kysely compiles. */
const need = (query: { compile(executor: typeof db): CompiledQuery }, tables: readonly string[] = []) => {
  const { query: root, sql: text } = query.compile(db)
  return new NodeNeeds(tables).of(root, text)
}
const added = db.insertInto('note').values({ body: 'x' }).returning('id')

describe('NodeNeeds', () => {
  it('R1: a root of an unknown kind is a write', () => {
    expect(needOf({ kind: 'VacuumNode' } as unknown as OperationNode)).toBe('write')
    expect(needOf({ kind: 'toString' } as unknown as OperationNode)).toBe('write')
  })

  it('R1: a statement with a write in it is a write, at every depth', () => {
    expect(need(added)).toBe('write')
    expect(need(db.with('a', added).selectFrom('a').selectAll())).toBe('write')
    const deep = db.with('a', (one) =>
      one
        .with('b', (two) => two.with('c', added).selectFrom('c').selectAll())
        .selectFrom('b')
        .selectAll(),
    )
    expect(need(deep.selectFrom('a').selectAll())).toBe('write')
    expect(need(sql`with a as (${added}) select 1`)).toBe('write')
    expect(need(sql`select ${sql`(${sql`${added}`})`}`)).toBe('write')
  })

  it.each(Object.entries(MODIFIER_NEEDS))('R1: the modifier %s: %s', (modifier, expected) => {
    const node = db.selectFrom('note').selectAll().toOperationNode()
    const endModifiers = [{ kind: 'SelectModifierNode', modifier }]
    expect(needOf({ ...node, endModifiers } as OperationNode)).toBe(expected)
  })

  it('R1: a lock of an unknown kind is a write', () => {
    const node = db.selectFrom('note').selectAll().toOperationNode()
    const endModifiers = [{ kind: 'SelectModifierNode', modifier: 'ForTomorrow' }]
    expect(needOf({ ...node, endModifiers } as OperationNode)).toBe('write')
  })

  it('leaves reads and EXPLAIN to the text', () => {
    expect(need(db.selectFrom('note').selectAll().where('id', 'in', [1, 2]))).toBe('text')
    expect(need(sql`insert into note values (1)`)).toBe('text')
    expect(needOf({ ...added.toOperationNode(), explain: { kind: 'ExplainNode' } } as OperationNode)).toBe('text')
  })

  it('P7: values that users sent are not read as nodes, and may be circular', () => {
    const sent: Record<string, unknown> = { kind: 'InsertQueryNode', table: { kind: 'TableNode' } }
    sent['self'] = sent
    expect(need(sql`select ${sent}::jsonb, ${[sent]}::jsonb`)).toBe('text')
    const query = db
      .selectFrom('note')
      .selectAll()
      .where('body', '=', sent as unknown as string)
    expect(need(query)).toBe('text')
    expect(need(query.where('body', 'in', [sent as unknown as string]))).toBe('text')
    expect(need(query.limit(sql<number>`${sent}`))).toBe('text')
  })

  it('knows the tables that must be read on the primary, in any schema', () => {
    const tables = ['note']
    expect(need(db.selectFrom('note').selectAll(), tables)).toBe('primary')
    expect(need(db.selectFrom('other.note').selectAll(), tables)).toBe('primary')
    expect(need(db.selectFrom('note as n').selectAll(), tables)).toBe('primary')
    expect(need(db.selectFrom('server').selectAll(), tables)).toBe('text')
    expect(need(added, tables)).toBe('write')
    expect(need(db.selectFrom('server').selectAll(), ['a|', 'a('])).toBe('text')
  })

  it('knows every kind of statement', () => {
    for (const [kind, expected] of Object.entries(ROOT_NEEDS)) {
      expect(needOf({ kind } as OperationNode)).toBe(expected)
    }
  })
})

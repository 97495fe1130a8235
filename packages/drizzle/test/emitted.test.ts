import { OptionsInvalid } from '@headwater/core'
import { classify } from '@headwater/core/internal'
import * as orm045 from 'drizzle-orm'
import * as node045 from 'drizzle-orm/node-postgres'
import * as core045 from 'drizzle-orm/pg-core'
import * as orm100 from 'drizzle-orm-1.0'
import * as node100 from 'drizzle-orm-1.0/node-postgres'
import * as core100 from 'drizzle-orm-1.0/pg-core'
import { describe, expect, it } from 'vitest'
import { drizzle, readonly } from '../src/index.ts'

const versions: [string, typeof orm045, typeof core045, node045.NodePgDatabase][] = [
  ['0.45', orm045, core045, node045.drizzle.mock()],
  [
    '1.0',
    orm100 as unknown as typeof orm045,
    core100 as unknown as typeof core045,
    node100.drizzle.mock() as unknown as node045.NodePgDatabase,
  ],
]

/** Names that would change what a text says, if they were not quoted rightly or not read rightly. */
const NAMES = [
  'note',
  'select',
  'with',
  'Insert Into',
  'a"b',
  '"',
  '""; delete from note; --',
  '--',
  '/* ',
  '*/',
  ';',
  '$$',
  '$1',
  "'",
  '\\',
  'for update',
  'nextval(',
  'naïve\n\tname',
  '表',
]

// What Drizzle knows at build time, that it is an insert, an update or a delete, its text says too: so the text is enough.
describe.each(versions)('what Drizzle %s sends can be classified', (_, orm, core, db) => {
  const { eq, sql } = orm
  const access = (query: { toSQL(): { sql: string } }) => classify(query.toSQL().sql).access
  const tableOf = (name: string) =>
    core.pgSchema(`${name} schema`).table(name, { id: core.integer(name), body: core.text(`${name} body`).notNull() })

  it.each(NAMES)('whatever its tables and columns are named: %j', (name) => {
    const table = tableOf(name)
    const { id, body } = table
    const found = eq(body, name)
    const read = db.$with(name).as(db.select().from(table).where(found))
    const inner = db.select({ id }).from(table).as(name)

    for (const query of [
      db.select().from(table).where(found),
      db
        .select({ [name]: id, value: sql`${name}`.as(name) })
        .from(table)
        .orderBy(id)
        .limit(1)
        .offset(1),
      db.selectDistinctOn([id]).from(table),
      db.select().from(inner).leftJoin(table, eq(id, inner.id)),
      db.with(read).select().from(read),
      core.unionAll(db.select().from(table), db.select().from(table)),
    ]) {
      expect(access(query)).toBe('read')
    }

    const writing = db.$with(name).as(db.insert(table).values({ body: name }).returning())
    for (const query of [
      db.insert(table).values([{ body: name }, { body: 'select' }]),
      db.insert(table).select(db.select().from(table)),
      db
        .insert(table)
        .values({ body: name })
        .onConflictDoUpdate({ target: id, set: { body: name } })
        .returning(),
      db.update(table).set({ body: name }).where(found).returning({ id }),
      db.delete(table).where(found),
      db.with(read).insert(table).values({ body: name }),
      db.with(read).update(table).set({ body: name }),
      db.with(read).delete(table),
      db.with(writing).select().from(writing),
      db
        .with(read, db.$with(`${name}2`).as(db.delete(table).returning()))
        .select()
        .from(read),
      db.select().from(db.select().from(table).for('share').as(name)),
      db.select().from(table).for('no key update', { of: table, noWait: true }),
      db.refreshMaterializedView(core.pgMaterializedView(name, { id: core.integer() }).existing()).concurrently(),
    ]) {
      expect(access(query)).toBe('write')
    }
  })

  it('its operators and aggregates are reads; an operator of an extension is left to the server', () => {
    const table = core.pgTable('t', {
      id: core.integer(),
      text: core.text(),
      list: core.integer().array(),
      vector: core.vector({ dimensions: 3 }),
    })
    const { id, text, list, vector } = table
    const where = (condition: orm045.SQL) => access(db.select().from(table).where(condition))
    for (const condition of [
      orm.and(orm.ne(id, 1), orm.gte(id, 1), orm.not(orm.lt(id, 9))),
      orm.or(orm.like(text, 'a%'), orm.notIlike(text, 'a%'), orm.isNull(text)),
      orm.between(id, 1, 2),
      orm.notInArray(id, [1, 2]),
      orm.exists(db.select().from(table)),
      orm.arrayContains(list, [1]),
      orm.arrayContained(list, [1]),
      orm.arrayOverlaps(list, [1]),
    ]) {
      expect(condition && where(condition)).toBe('read')
    }
    const aggregates = { a: orm.count(), b: orm.sumDistinct(id), c: orm.max(id), d: orm.avg(id) }
    expect(access(db.select(aggregates).from(table))).toBe('read')
    expect(where(orm.lt(orm.cosineDistance(vector, [1, 2, 3]), 1))).toBe('unknown')
  })
})

describe('options', () => {
  it('drizzle() says what it needs when it is given another pool, or none', () => {
    for (const wrong of [undefined, {}, { client: {} }, { client: 'postgres://secret@host/db' }]) {
      let error: unknown
      try {
        Reflect.apply(drizzle, undefined, [wrong])
      } catch (thrown) {
        error = thrown
      }
      expect(error).toBeInstanceOf(OptionsInvalid)
      expect(String(error)).toMatch(/client.*RoutedPool/)
      expect(String(error)).not.toContain('secret')
    }
  })

  it('readonly() is for a database of drizzle() only', () => {
    expect(() => Reflect.apply(readonly, undefined, [node045.drizzle.mock()])).toThrow(OptionsInvalid)
  })
})

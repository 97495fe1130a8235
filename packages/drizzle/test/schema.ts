import type * as core from 'drizzle-orm/pg-core'

/** The tables of the test world, made by one version of Drizzle. */
export function schemaOf({ pgTable, pgView, pgMaterializedView, integer, text, boolean }: typeof core) {
  const author = pgTable('author', {
    id: integer().primaryKey().generatedAlwaysAsIdentity(),
    name: text().notNull().unique(),
  })
  const note = pgTable('note', {
    id: integer().primaryKey().generatedAlwaysAsIdentity(),
    authorId: integer('author_id').references(() => author.id),
    body: text().notNull(),
  })
  const tag = pgTable('tag', { name: text().notNull() })
  const server = pgView('server', {
    who: text().notNull(),
    isStandby: boolean('is_standby').notNull(),
    isolation: text().notNull(),
    readOnly: text('read_only').notNull(),
  }).existing()
  const noteCount = pgMaterializedView('note_count', { count: integer().notNull() }).existing()
  return { author, note, tag, server, noteCount }
}

export type Tables = ReturnType<typeof schemaOf>

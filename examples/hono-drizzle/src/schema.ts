import { sql } from 'drizzle-orm'
import { index, integer, pgTable, text, timestamp } from 'drizzle-orm/pg-core'

/** Who is signed in. The cookie holds the id, signed. */
export const session = pgTable(
  'session',
  {
    id: text().primaryKey(),
    name: text().notNull(),
    expiresAt: timestamp('expires_at', { withTimezone: true }).notNull(),
  },
  (table) => [index('session_expires_at').on(table.expiresAt)],
)

export const note = pgTable('note', {
  id: integer().primaryKey().generatedAlwaysAsIdentity(),
  author: text().notNull(),
  body: text().notNull(),
  /** The region of the app that wrote it. */
  writtenIn: text('written_in').notNull(),
  writtenAt: timestamp('written_at', { withTimezone: true }).notNull().default(sql`now()`),
})

import { desc } from 'drizzle-orm'
import { z } from 'zod'
import type { Database } from './database.ts'
import { note } from './schema.ts'

/** How many notes a page shows. */
const NEWEST = 50

/** What a client may send to write a note; the same for the form and for the API. */
export const noteInput = z.object({
  body: z
    .string('expected a text')
    .trim()
    .min(1, 'expected something to read')
    .max(500, 'expected 500 characters or less'),
})

/** What a client may send to sign in. It is a guest book: guests say who they are. */
export const signInInput = z.object({
  name: z.string('expected a name').trim().min(1, 'expected a name').max(40, 'expected 40 characters or less'),
})

export type Note = typeof note.$inferSelect

/** The newest notes, from next door; with a guest's own, who has just written it: its token sees to that. */
export async function listNotes(database: Database): Promise<Note[]> {
  return await database.select().from(note).orderBy(desc(note.id)).limit(NEWEST)
}

export async function addNote(database: Database, author: string, body: string, region: string): Promise<Note> {
  const [added] = await database.insert(note).values({ author, body, writtenIn: region }).returning()
  if (added === undefined) throw new Error('the insert gave no row back')
  return added
}

import { z } from 'zod'
import type { Database } from './database.ts'
import type { NoteRow } from './tables.ts'

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

export interface Note {
  readonly id: number
  readonly author: string
  readonly body: string
  readonly writtenIn: string
  readonly writtenAt: Date
}

/** The newest notes, from next door; with a guest's own, who has just written it: its token sees to that. */
export async function listNotes(database: Database): Promise<Note[]> {
  const rows = await database.selectFrom('note').selectAll().orderBy('id', 'desc').limit(NEWEST).execute()
  return rows.map(noteOf)
}

export async function addNote(database: Database, author: string, body: string, region: string): Promise<Note> {
  const row = { author, body, written_in: region }
  return noteOf(await database.insertInto('note').values(row).returningAll().executeTakeFirstOrThrow())
}

function noteOf({ id, author, body, written_in, written_at }: NoteRow): Note {
  return { id, author, body, writtenIn: written_in, writtenAt: written_at }
}

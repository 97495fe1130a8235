import type { RoutedPool } from '@headwater/pg'
import { z } from 'zod'

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

const COLUMNS = 'id, author, body, written_in as "writtenIn", written_at as "writtenAt"'

/** The newest notes, from next door; with a guest's own, who has just written it: its token sees to that. */
export async function listNotes(pool: RoutedPool): Promise<Note[]> {
  const { rows } = await pool.query<Note>(`select ${COLUMNS} from note order by id desc limit ${NEWEST}`)
  return rows
}

export async function addNote(pool: RoutedPool, author: string, body: string, region: string): Promise<Note> {
  const { rows } = await pool.query<Note>(
    `insert into note (author, body, written_in) values ($1, $2, $3) returning ${COLUMNS}`,
    [author, body, region],
  )
  const [added] = rows
  if (added === undefined) throw new Error('the insert gave no row back')
  return added
}

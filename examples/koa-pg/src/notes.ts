import type { RoutedPool } from '@headwater/pg'
import { z } from 'zod'
import { atSource } from './at-source.ts'

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

/**
 * The newest notes, from next door.
 *
 * `including` is a note that the client knows to exist, because it has just written it: when the replica has not heard of
 * it yet, the primary is asked.
 */
export async function listNotes(pool: RoutedPool, including = 0): Promise<Note[]> {
  const list = async (): Promise<Note[]> => {
    const { rows } = await pool.query<Note>(`select ${COLUMNS} from note order by id desc limit ${NEWEST}`)
    return rows
  }
  const notes = await list()
  return (notes[0]?.id ?? 0) >= including ? notes : await atSource(list)
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

import { randomBytes } from 'node:crypto'
import type { RoutedPool } from '@headwater/pg'

/** How long a session lasts, in seconds. */
export const SESSION_SECONDS = 7 * 24 * 60 * 60

/** Who is signed in. */
export interface Session {
  readonly id: string
  readonly name: string
}

/** Writes a session, and throws out those that have ended. */
export async function openSession(pool: RoutedPool, name: string): Promise<Session> {
  const id = randomBytes(32).toString('base64url')
  await pool.query('delete from session where expires_at < now()')
  await pool.query('insert into session (id, name, expires_at) values ($1, $2, now() + make_interval(secs => $3))', [
    id,
    name,
    SESSION_SECONDS,
  ])
  return { id, name }
}

/**
 * The session of a cookie whose signature holds.
 *
 * One that was opened a moment ago, in the primary's region, is found all the same: signing in gave the guest a token.
 */
export async function findSession(pool: RoutedPool, id: string): Promise<Session | undefined> {
  const { rows } = await pool.query<Session>('select id, name from session where id = $1 and expires_at > now()', [id])
  return rows[0]
}

export async function closeSession(pool: RoutedPool, id: string): Promise<void> {
  await pool.query('delete from session where id = $1', [id])
}

import { randomBytes } from 'node:crypto'
import { and, eq, gt, lt, sql } from 'drizzle-orm'
import type { Database } from './database.ts'
import { session } from './schema.ts'

/** How long a session lasts, in seconds. */
export const SESSION_SECONDS = 7 * 24 * 60 * 60

/** Who is signed in. */
export interface Session {
  readonly id: string
  readonly name: string
}

/** Writes a session, and throws out those that have ended. */
export async function openSession(database: Database, name: string): Promise<Session> {
  const id = randomBytes(32).toString('base64url')
  await database.delete(session).where(lt(session.expiresAt, sql`now()`))
  await database.insert(session).values({ id, name, expiresAt: new Date(Date.now() + SESSION_SECONDS * 1000) })
  return { id, name }
}

/**
 * The session of a cookie whose signature holds.
 *
 * One that was opened a moment ago, in the primary's region, is found all the same: signing in gave the guest a token.
 */
export async function findSession(database: Database, id: string): Promise<Session | undefined> {
  const isValid = and(eq(session.id, id), gt(session.expiresAt, sql`now()`))
  const [known] = await database.select({ id: session.id, name: session.name }).from(session).where(isValid)
  return known
}

export async function closeSession(database: Database, id: string): Promise<void> {
  await database.delete(session).where(eq(session.id, id))
}

import { runOutside } from '@headwater/core/internal'
import type pg from 'pg'
import { boundHere } from '../driver/bound-here.ts'
import type { TrackedClient } from '../driver/tracked-client.ts'
import type { OpenedSession } from './read-only-session.ts'

/** What pg's pool calls with each new session, before a caller gets it. */
export type VerifySession = NonNullable<pg.PoolConfig['verify']>

/** The app's own check. pg-pool calls it from a socket event: a throw there would end the process, and cost the connection's place. */
export function guardedVerify(verify: VerifySession): VerifySession {
  return (client, done) => {
    try {
      runOutside(() => verify(client, done))
    } catch (error) {
      done(error as Error)
    }
  }
}

/** Opens each session with `open` (X1), keeps what that found, and goes on with the app's own check. */
export function verifyReadOnly(
  next: VerifySession | undefined,
  open: (client: TrackedClient, opened: (error: Error | undefined, session: OpenedSession) => void) => void,
): VerifySession {
  return (client, done) => {
    // The pool makes the class that it was given.
    const tracked = client as TrackedClient
    const opened = boundHere((error: Error | undefined, { isForced }: OpenedSession) => {
      if (error !== undefined) return done(error)
      tracked.isForcedReadOnly = isForced
      if (next === undefined) done()
      else next(client, done)
    })
    // What it asks is the pool's own affair, and no part of the query that needed a session.
    runOutside(() => open(tracked, opened))
  }
}

/** One check after another; the second only of a session that has passed the first. */
export function verifyAfter(first: VerifySession, second: VerifySession | undefined): VerifySession {
  if (second === undefined) return first
  return (client, done) => first(client, (error) => (error === undefined ? second(client, done) : done(error)))
}

import type { RoutedPool } from '@headwater/pg'
import connectPgSimple from 'connect-pg-simple'
import type { Request, RequestHandler } from 'express'
import session, { type SessionData } from 'express-session'
import { atSource } from './at-source.ts'

declare module 'express-session' {
  interface SessionData {
    /** Who is signed in. */
    name: string
  }
}

/** How long a session lasts, in ms. */
const LIFETIME = 7 * 24 * 60 * 60 * 1000

const COOKIE = 'guest_book'

const PgStore = connectPgSimple(session)

/** Called for cookies whose signature holds; a wrong one never gets as far as the store. */
class RegionalStore extends PgStore {
  /**
   * A session that the replica does not know was either ended, or opened a moment ago in the primary's region: the primary
   * knows.
   */
  override get(id: string, done: (error: unknown, session?: SessionData | null) => void): void {
    const find = (): Promise<SessionData | null | undefined> =>
      new Promise((resolve, reject) => {
        super.get(id, (error: unknown, found?: SessionData | null) => (error ? reject(error) : resolve(found)))
      })
    find()
      .then((found) => found ?? atSource(find))
      .then((found) => done(null, found), done)
  }
}

/** express-session over the routed pool, told to write only when somebody signs in or out. */
export function sessions(pool: RoutedPool, secret: string): RequestHandler {
  return session({
    name: COOKIE,
    secret,
    store: new RegionalStore({
      pool,
      // Prolonging a session would be a write, and an ocean, in every request that reads.
      disableTouch: true,
      // In seconds. Those at home throw out what has ended; the others would cross the ocean to do the same again.
      pruneSessionInterval: pool.topology.isAtHome ? 15 * 60 : false,
      errorLog: (...words) => console.error(...words),
    }),
    resave: false,
    saveUninitialized: false,
    rolling: false,
    // Lax: no other site's form is sent with it.
    cookie: { httpOnly: true, sameSite: 'lax', secure: 'auto', maxAge: LIFETIME },
  })
}

/** Gives the guest a session with a new id, and writes it before anything is answered. */
export async function signIn(request: Request, name: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    request.session.regenerate((error: unknown) => (error ? reject(error) : resolve()))
  })
  request.session.name = name
  await new Promise<void>((resolve, reject) => {
    request.session.save((error: unknown) => (error ? reject(error) : resolve()))
  })
}

/** Deletes the session, and tells the browser to forget the cookie. */
export async function signOut(request: Request): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    request.session.destroy((error: unknown) => (error ? reject(error) : resolve()))
  })
  request.res?.clearCookie(COOKIE)
}

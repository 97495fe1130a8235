import type { RoutedPool } from '@headwater/pg'
import connectPgSimple from 'connect-pg-simple'
import type { Request, RequestHandler } from 'express'
import session from 'express-session'

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

/**
 * express-session over the routed pool, told to write only when somebody signs in or out.
 *
 * A session that was opened a moment ago, in the primary's region, is found all the same: signing in gave the guest a token.
 */
export function sessions(pool: RoutedPool, secret: string): RequestHandler {
  return session({
    name: COOKIE,
    secret,
    store: new PgStore({
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

import { type HeadwaterOptions, headwater } from '@headwater/http/express'
import type { RoutedPool } from '@headwater/pg'
import compression from 'compression'
import connectPgSimple from 'connect-pg-simple'
import cookieSession from 'cookie-session'
import express5, { type Express, type RequestHandler, type Response } from 'express'
import express4 from 'express-4'
import session, { type SessionOptions } from 'express-session'

const PgStore = connectPgSimple(session)

/** Session middleware in the form that its documentation shows: what a handler sets is stored when the response ends. */
const documented = (pool: RoutedPool, options: Partial<SessionOptions> = {}, disableTouch = false): RequestHandler =>
  session({
    secret: 'a secret of the session suite',
    store: new PgStore({ pool, disableTouch, pruneSessionInterval: false, errorLog: () => undefined }),
    resave: false,
    saveUninitialized: false,
    ...options,
  })

interface Visitor {
  user?: string
  count?: number
}

/** How a handler answers. */
type Answer = (response: Response, body: object) => void

const json: Answer = (response, body) => response.json(body)

/** As the README of express-session answers: no content-length, in pieces. */
const inPieces: Answer = (response, body) => {
  const text = JSON.stringify(body)
  response.setHeader('content-type', 'application/json')
  response.write(text.slice(0, 3))
  response.write(text.slice(3))
  response.end()
}

const long: Answer = (response, body) => response.json({ ...body, padding: 'x'.repeat(300_000) })

interface Layout {
  readonly framework?: typeof express5
  readonly answer?: Answer
  /** Middleware in order; `ours` stands for Headwater's. */
  readonly uses: (pool: RoutedPool, ours: RequestHandler) => readonly RequestHandler[]
}

/** Every arrangement that is tried, by its name. */
export const LAYOUTS: Readonly<Record<string, Layout>> = {
  'express-session': { uses: (pool, ours) => [ours, documented(pool)] },
  'express-session, Express 4': {
    framework: express4 as unknown as typeof express5,
    uses: (pool, ours) => [ours, documented(pool)],
  },
  'express-session without touch': { uses: (pool, ours) => [ours, documented(pool, {}, true)] },
  'express-session, rolling, resave, saveUninitialized': {
    uses: (pool, ours) => [ours, documented(pool, { rolling: true, resave: true, saveUninitialized: true })],
  },
  'express-session, no content-length': { answer: inPieces, uses: (pool, ours) => [ours, documented(pool)] },
  'express-session, 300 kB': { answer: long, uses: (pool, ours) => [ours, documented(pool)] },
  'compression in front': { answer: long, uses: (pool, ours) => [compression(), ours, documented(pool)] },
  'compression between': { answer: long, uses: (pool, ours) => [ours, compression(), documented(pool)] },
  'cookie-session': { uses: (_, ours) => [ours, cookieSession({ keys: ['a key of the session suite'] })] },
  'cookie-session in front': { uses: (_, ours) => [cookieSession({ keys: ['a key of the session suite'] }), ours] },
}

export function expressApp(options: HeadwaterOptions & { readonly pool: RoutedPool }, layout: Layout): Express {
  const { framework = express5, answer = json, uses } = layout
  const app = framework()
  app.set('env', 'test')
  const { pool } = options
  for (const middleware of uses(pool, headwater(options) as RequestHandler)) app.use(middleware)
  const visitorOf = (request: object): Visitor => Reflect.get(request, 'session') as Visitor
  app.all('/sign-in', (request, response) => {
    visitorOf(request).user = String(request.query['user'])
    answer(response, { ok: true })
  })
  app.all('/sign-in-and-go', (request, response) => {
    visitorOf(request).user = String(request.query['user'])
    response.redirect('/me')
  })
  app.all('/sign-in-silently', (request, response) => {
    visitorOf(request).user = String(request.query['user'])
    response.status(204).end()
  })
  app.get('/me', (request, response) => answer(response, { user: visitorOf(request).user ?? null }))
  app.get('/count', (request, response) => {
    const visitor = visitorOf(request)
    visitor.count = (visitor.count ?? 0) + 1
    answer(response, { count: visitor.count })
  })
  return app
}

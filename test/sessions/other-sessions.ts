import type { RequestListener } from 'node:http'
import type { HeadwaterOptions } from '@headwater/http'
import { headwater as headwaterForHono } from '@headwater/http/hono'
import { headwater as headwaterForKoa } from '@headwater/http/koa'
import type { RoutedPool } from '@headwater/pg'
import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import { type Session, sessionMiddleware } from 'hono-sessions'
import Koa from 'koa'
import koaSession from 'koa-session'
import { KeptSessions } from './kept-sessions.ts'

export type SessionAppOptions = HeadwaterOptions & { readonly pool: RoutedPool }

/** koa-session with a store over the pool. */
export function koaApp(options: SessionAppOptions): RequestListener {
  const app = new Koa()
  app.silent = true
  app.keys = ['a key of the session suite']
  app.use(headwaterForKoa(options))
  const kept = new KeptSessions(options.pool)
  const store = {
    get: (sid: string) => kept.get(sid),
    set: (sid: string, data: unknown) => kept.set(sid, data),
    destroy: (sid: string) => kept.delete(sid),
  }
  app.use(koaSession({ store } as never, app as never) as never)
  app.use(async (context) => {
    const session = Reflect.get(context, 'session') as { user?: string; count?: number }
    if (context.path.startsWith('/sign-in')) session.user = String(context.query['user'])
    switch (context.path) {
      case '/sign-in':
        context.body = { ok: true }
        return
      case '/sign-in-and-go':
        return context.redirect('/me')
      case '/sign-in-silently':
        context.status = 204
        return
      case '/count':
        session.count = (session.count ?? 0) + 1
        context.body = { count: session.count }
        return
      default:
        context.body = { user: session.user ?? null }
    }
  })
  return app.callback()
}

interface Visitor {
  user: string
  count: number
}

/** hono-sessions with a store over the pool. */
export function honoApp(options: SessionAppOptions): RequestListener {
  const app = new Hono<{ Variables: { session: Session<Visitor> } }>()
  app.use(headwaterForHono(options))
  const kept = new KeptSessions(options.pool)
  app.use(
    sessionMiddleware({
      store: {
        getSessionById: async (sid?: string) => (await kept.get(sid ?? '')) as never,
        createSession: (sid: string, data: unknown) => kept.set(sid, data),
        persistSessionData: (sid: string, data: unknown) => kept.set(sid, data),
        deleteSession: (sid: string) => kept.delete(sid),
      },
      expireAfterSeconds: 900,
      cookieOptions: { path: '/', httpOnly: true, sameSite: 'Lax' },
    }) as never,
  )
  app.on(['GET', 'POST'], '/sign-in', (context) => {
    context.get('session').set('user', context.req.query('user') ?? '')
    return context.json({ ok: true })
  })
  app.on(['GET', 'POST'], '/sign-in-and-go', (context) => {
    context.get('session').set('user', context.req.query('user') ?? '')
    return context.redirect('/me')
  })
  app.on(['GET', 'POST'], '/sign-in-silently', (context) => {
    context.get('session').set('user', context.req.query('user') ?? '')
    return context.body(null, 204)
  })
  app.get('/me', (context) => context.json({ user: context.get('session').get('user') ?? null }))
  app.get('/count', (context) => {
    const count = (context.get('session').get('count') ?? 0) + 1
    context.get('session').set('count', count)
    return context.json({ count })
  })
  return getRequestListener(app.fetch)
}

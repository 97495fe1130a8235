import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { backgroundSettled, inBackground } from '@headwater/core'
import { headwater as headwaterForExpress, replayErrorHandler } from '@headwater/http/express'
import { headwater as headwaterForKoa } from '@headwater/http/koa'
import type { RoutedPool } from '@headwater/pg'
import connectPgSimple from 'connect-pg-simple'
import express from 'express'
import expressSession from 'express-session'
import Koa from 'koa'
import koaSession, { type CreateSessionOptions } from 'koa-session'
import { afterAll, describe, expect, test } from 'vitest'
import { listen, SECRET, Stage, type StartApp } from './stage.ts'

// The recipes of http's README, with the libraries as their own READMEs set them up.

declare module 'express-session' {
  interface SessionData {
    user: string
  }
}

const SCHEMA = `
  create table session (sid varchar primary key, sess json not null, expire timestamptz(6) not null, touched int not null default 0);
  create function count_touch() returns trigger language plpgsql as
    $$ begin new.touched = old.touched + 1; return new; end $$;
  create trigger count_touch before update on session for each row execute function count_touch();
`

type KoaStore = NonNullable<CreateSessionOptions['store']>

const PgStore = connectPgSimple(expressSession)

class BackgroundTouchStore extends PgStore {
  override touch(sid: string, session: expressSession.SessionData, done?: () => void): void {
    const touch = () => new Promise<void>((resolve) => super.touch(sid, session, resolve))
    inBackground(touch, { name: 'session touch' })
    done?.()
  }
}

function expressApp(store: (pool: RoutedPool) => expressSession.Store): StartApp {
  return ({ pool, region }) => {
    const app = express()
    app.use(headwaterForExpress({ pool, secret: SECRET }))
    app.use(
      expressSession({
        secret: SECRET,
        store: store(pool),
        resave: false,
        saveUninitialized: false,
        cookie: { maxAge: 86_400_000 },
      }),
    )
    app.post('/login', async (request, response) => {
      request.session.user = 'ada'
      await new Promise<void>((resolve, reject) => {
        request.session.save((error: unknown) => (error ? reject(error) : resolve()))
      })
      response.json({ region })
    })
    app.get('/me', (request, response) => void response.json({ user: request.session.user, region }))
    app.use(replayErrorHandler())
    return listen(createServer(app))
  }
}

/** koa-session's store over the pool, as its README asks for one. */
function koaStore(pool: RoutedPool): KoaStore {
  return {
    get: async (sid) => (await pool.query('select sess from session where sid = $1', [sid])).rows[0]?.sess,
    set: async (sid, sess, maxAge) => {
      await pool.query(
        `insert into session (sid, sess, expire) values ($1, $2, now() + $3 * interval '1 ms')
          on conflict (sid) do update set sess = excluded.sess, expire = excluded.expire`,
        [sid, sess, maxAge],
      )
    },
    destroy: async (sid) => void (await pool.query('delete from session where sid = $1', [sid])),
  }
}

function touchInBackground(store: KoaStore): KoaStore {
  return {
    ...store,
    set: async (sid, session, maxAge, options) => {
      const set = () => store.set(sid, session, maxAge, options)
      // What the user changed is waited for; a GET that changed nothing only prolongs the session.
      if (options.changed || options.ctx.method !== 'GET') await set()
      else inBackground(set, { name: 'session touch' })
    },
  }
}

function koaApp(store: (pool: RoutedPool) => KoaStore): StartApp {
  return ({ pool, region }) => {
    const app = new Koa()
    app.silent = true
    app.keys = [SECRET]
    app.use(headwaterForKoa({ pool, secret: SECRET }))
    app.use(koaSession({ store: store(pool), rolling: true }, app))
    app.use((context) => {
      const session = context['session'] as Record<string, unknown>
      if (context.method === 'POST') session['user'] = 'ada'
      context.body = { user: session['user'], region }
    })
    return listen(createServer(app.callback()))
  }
}

const plainPgStore = (pool: RoutedPool) => new PgStore({ pool, pruneSessionInterval: false })
const backgroundPgStore = (pool: RoutedPool) => new BackgroundTouchStore({ pool, pruneSessionInterval: false })

describe.each<[string, StartApp, StartApp]>([
  ['express-session with connect-pg-simple', expressApp(plainPgStore), expressApp(backgroundPgStore)],
  ['koa-session with rolling', koaApp(koaStore), koaApp((pool) => touchInBackground(koaStore(pool)))],
])('%s', (_name, plain, inBackgroundToo) => {
  const stages: Stage[] = []
  afterAll(() => Promise.all(stages.map((stage) => stage[Symbol.asyncDispose]())))

  /** Signs in, then asks 25 times who it is, away from home: how often the way led to the primary's region, and what was touched. */
  async function visit(startApp: StartApp): Promise<{ crossed: number; touched: number }> {
    const stage = await Stage.open({ startApp, schema: SCHEMA })
    stages.push(stage)
    const signedIn = await stage.fetch('nrt', '/login', { method: 'POST' })
    const jar = new Map<string, string>()
    const keep = (response: Response): void => {
      const cookies = response.headers.getSetCookie().map((cookie) => /^([^=]+)=([^;]*)/.exec(cookie) ?? [])
      for (const [, name = '', value = ''] of cookies) jar.set(name, value)
    }
    keep(signedIn)
    await stage.world.cluster.waitUntilCaughtUp()
    await stage.way()
    let crossed = 0
    for (let n = 0; n < 25; n += 1) {
      const cookie = [...jar].map((pair) => pair.join('=')).join('; ')
      const response = await stage.fetch('nrt', '/me', { headers: { cookie } })
      expect(await response.json()).toMatchObject({ user: 'ada' })
      keep(response)
      crossed += (await stage.way()).hops.length > 1 ? 1 : 0
      await backgroundSettled()
      await stage.world.cluster.waitUntilCaughtUp()
    }
    const { rows } = await stage.world.admin.query('select touched from session')
    return { crossed, touched: rows[0]?.touched }
  }

  test('P12: 25 of 25 GETs that touch the session stay in their region; without it they cross', async () => {
    const stayed = await visit(inBackgroundToo)
    expect(stayed).toMatchObject({ crossed: 0, touched: 25 })
    const before = await visit(plain)
    expect(before.crossed).toBeGreaterThan(20)
  }, 120_000)
})

test('P12: the page shows the recipes that run here', () => {
  const [page = '', source = ''] = ['../docs/background.md', './session-touch.e2e.test.ts'].map((path) =>
    readFileSync(new URL(path, import.meta.url), 'utf8'),
  )
  const recipes = source.match(/^(?:class BackgroundTouchStore|function touchInBackground).*?^\}$/gms) ?? []
  expect(recipes).toHaveLength(2)
  for (const recipe of recipes) expect(page).toContain(recipe)
})

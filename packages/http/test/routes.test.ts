import type { RequestListener } from 'node:http'
import { createServer } from 'node:http'
import { ensurePrimary } from '@headwater/core'
import { createTopology } from '@headwater/core/internal'
import Router from '@koa/router'
import express from 'express'
import express4 from 'express-4'
import Koa from 'koa'
import { describe, expect, test } from 'vitest'
import { headwater as forExpress } from '../src/express.ts'
import { headwater as forKoa } from '../src/koa.ts'
import { expressPatternOf } from '../src/routes/express-routes.ts'
import { koaPatternOf } from '../src/routes/koa-routes.ts'
import { SECRET } from '../src/testing/data-layer.ts'
import { send } from '../src/testing/send.ts'
import { listen } from '../src/testing/server.ts'

const options = {
  pool: { topology: createTopology({ region: 'nrt', primaryRegion: 'ams', hasReplica: true }) },
  secret: SECRET,
}

/** Calls `ran` with each path that a handler saw: `/about/:page` reads, `/:user/:title` writes, and so does `/pages/counter` alone of its wildcard. */
type MakeApp = (ran: (path: string) => void) => RequestListener

const expressApp =
  (framework: typeof express, wildcard: string): MakeApp =>
  (ran) => {
    const app = framework()
    app.use(forExpress(options))
    app.use('/about', (_request, _response, next) => next())
    app.all(wildcard.replace('pages/', ''), (_request, _response, next) => next())
    app.get('/about/:page', (request, response) => {
      ran(request.originalUrl)
      response.send('read')
    })
    app.get(wildcard, (request, response) => {
      ran(request.originalUrl)
      if (request.path.endsWith('counter')) ensurePrimary()
      response.send('read')
    })
    const blog = framework.Router({ mergeParams: true })
    blog.get('/:title', (request, response) => {
      ran(request.originalUrl)
      ensurePrimary()
      response.send('never')
    })
    app.use('/:user', blog)
    app.use(
      ((_error, _request, response, _next) => void response.status(500).end()) satisfies express.ErrorRequestHandler,
    )
    return app
  }

const koaApp: MakeApp = (ran) => {
  const app = new Koa()
  app.silent = true
  app.use(forKoa(options))
  const router = new Router()
  router.use(async (_context, next) => void (await next()))
  router.get('/about/:page', (context) => {
    ran(context.path)
    context.body = 'read'
  })
  router.get('/pages/*rest', (context) => {
    ran(context.path)
    if (context.path.endsWith('counter')) ensurePrimary()
    context.body = 'read'
  })
  const blog = new Router({ prefix: '/:user' })
  blog.get('/:title', (context) => {
    ran(context.path)
    ensurePrimary()
  })
  app.use(router.routes()).use(blog.routes())
  const handle = app.callback()
  return (request, response) => void handle(request, response)
}

const LETTERS = 'abcdefghijklmnopqrstuvwxyz'

describe.each([
  ['express 5', expressApp(express, '/pages/*rest')],
  ['express 4', expressApp(express4, '/pages/*')],
  ['koa, @koa/router', koaApp],
])('routes of %s', (_, make) => {
  test('P5: paths with slugs are one route, the pattern of the router, and those beside it are not', async () => {
    const ran: string[] = []
    await using running = await listen(createServer(make((path) => ran.push(path))))
    const statusOf = async (path: string): Promise<number> => (await send(running.port, path)).status
    // Two show that the route writes, and one in twenty is tried again.
    const writing = Array.from({ length: 22 }, (_, index) => `/user-${LETTERS[index]}/a-title`)
    for (const path of writing) expect(await statusOf(path)).toBe(409)
    expect(ran).toEqual([writing[0], writing[1], writing[21]])
    expect(await statusOf('/about/us')).toBe(200)
    expect(await statusOf('/%zz/a-title')).not.toBe(200)
  })

  test('P5: behind a wildcard the path names the route', async () => {
    const ran: string[] = []
    await using running = await listen(createServer(make((path) => ran.push(path))))
    for (let time = 0; time < 3; time += 1) await send(running.port, '/pages/counter')
    expect((await send(running.port, '/pages/imprint')).status).toBe(200)
    expect(ran).toEqual(['/pages/counter', '/pages/counter', '/pages/imprint'])
  })
})

test.each([
  ['express 5', express],
  ['express 4', express4],
])('%s: an app in an app shows nothing, and no more does what is no app of Express', async (_, framework) => {
  const found: (string | undefined)[] = []
  const note: express.RequestHandler = (request, response, next) => {
    found.push(expressPatternOf('GET', request.originalUrl, request))
    if (request.baseUrl === '') next()
    else response.end()
  }
  const outer = framework()
  const inner = framework()
  inner.use(note)
  outer.use(note)
  outer.use('/inner', inner)
  outer.get('/:any', (_request, response) => void response.end())
  await using running = await listen(createServer(outer))
  await send(running.port, '/inner/page')
  await send(running.port, '/page')
  expect(found).toEqual([undefined, undefined, '/:any'])
  expect(koaPatternOf([() => {}, { router: 1 }], 'GET', '/', '')).toBeUndefined()
})

test('P5: 100,000 paths with slugs leave one record', () => {
  const app = express()
  app.get('/:user/:title', () => {})
  const request = Object.assign(Object.create(app.request), {})
  const names = new Set<string | undefined>()
  for (let path = 0; path < 100_000; path += 1)
    names.add(expressPatternOf('GET', `/user-${path}/title-${path}`, request))
  expect([...names]).toEqual(['/:user/:title'])
})

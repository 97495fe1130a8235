import { createServer } from 'node:http'
import { Readable } from 'node:stream'
import { currentScope } from '@headwater/core'
import { createTopology } from '@headwater/core/internal'
import { headwater } from '@headwater/http/koa'
import { describeError, describeHttpAdapter, type HttpAdapter, serveApp } from '@headwater/http/testing'
import Koa from 'koa'
import Koa2 from 'koa-2'
import { expect, test } from 'vitest'
import { SECRET } from '../src/testing/data-layer.ts'
import { Primary } from '../src/testing/primary.ts'
import { send } from '../src/testing/send.ts'
import { listen } from '../src/testing/server.ts'
import { stateIn } from '../src/testing/token-text.ts'

/** What koa-bodyparser does, in five lines. */
const parseBody: Koa.Middleware = async (context, next) => {
  let text = ''
  for await (const chunk of context.req) text += chunk
  context.state['body'] = text === '' ? undefined : JSON.parse(text)
  await next()
}

function adapterOf(Framework: typeof Koa): HttpAdapter {
  return {
    start(app) {
      const server = new Framework()
      server.silent = true
      if (app.catchesErrors === true) {
        // Outside our middleware: the replay must stand even so.
        server.use(async (context, next) => {
          await next()
          context.set('x-after', 'late')
        })
      }
      if (app.parsesBody === 'before') server.use(parseBody)
      server.use(headwater(app.options))
      if (app.parsesBody === 'after') server.use(parseBody)
      if (app.catchesErrors === true) {
        server.use(async (context, next) => {
          try {
            await next()
          } catch (error) {
            context.status = 418
            context.cookies.set('caught', '1')
            context.body = describeError(error)
          }
        })
      }
      server.use(async (context) => {
        const method = context.method === 'HEAD' ? 'GET' : context.method
        const route = app.routes.find((candidate) => candidate.method === method && candidate.path === context.path)
        if (route === undefined) return
        const outcome = await route.handle(context.state['body'])
        if ('chunks' in outcome) {
          context.body = Readable.from(outcome.chunks())
          return
        }
        if ('redirect' in outcome) return context.redirect(outcome.redirect)
        if ('empty' in outcome) {
          context.status = outcome.empty
          return
        }
        if ('stream' in outcome) {
          context.body = outcome.stream
          return
        }
        context.status = outcome.status ?? 200
        context.type = 'json'
        context.set({ ...outcome.headers })
        context.body = JSON.stringify(outcome.json)
      })
      return serveApp(app, server.callback())
    },
  }
}

describeHttpAdapter('koa 3', adapterOf(Koa))
describeHttpAdapter('koa 2', adapterOf(Koa2))

test.each([
  ['koa 3', Koa],
  ['koa 2', Koa2],
])('%s only: a replay is not an error of the app, so nothing is logged', async (_, Framework) => {
  const away = createTopology({ region: 'nrt', primaryRegion: 'ams', hasReplica: true })
  const app = new Framework()
  const logged: unknown[] = []
  app.on('error', (error) => logged.push(error))
  app.use(headwater({ pool: { topology: away }, secret: 'a secret of these tests', earlyReplay: false }))
  app.use(async (context) => {
    if (context.path === '/fail') throw new RangeError('its own')
    throw currentScope()?.askForReplay(away, 'write') ?? new Error('there is no scope here')
  })
  await using running = await listen(createServer(app.callback()))
  expect((await send(running.port, '/write')).status).toBe(409)
  expect(logged).toEqual([])
  expect((await send(running.port, '/fail')).status).toBe(500)
  expect(logged).toHaveLength(1)
})

test.each([
  ['koa 3', Koa],
  ['koa 2', Koa2],
])('%s only: F1: a token is set whatever writes the response, and no error comes of it', async (_, Framework) => {
  const home = createTopology({ region: 'ams', primaryRegion: 'ams', hasReplica: true })
  const primary = new Primary()
  const app = new Framework()
  const logged: unknown[] = []
  app.on('error', (error) => logged.push(error))
  app.use(async (context, next) => {
    await next()
    context.set('x-outer', '1')
  })
  app.use(headwater({ pool: { topology: home }, secret: SECRET }))
  app.use(async (context) => {
    await primary.write()
    context.cookies.set('own', '1')
    if (context.path === '/bypass') {
      context.respond = false
      context.res.writeHead(201, { 'Set-Cookie': 'own=1', 'Cache-Control': 'public, max-age=9' })
      context.res.write('by')
      context.res.end('pass')
    } else if (context.path === '/direct') {
      // Answers by hand, and Koa does not know.
      context.res.statusCode = 202
      context.res.end('direct')
    } else if (context.path === '/web') {
      context.body = new Blob(['web']).stream()
    } else if (context.path === '/object') {
      context.body = { a: 1 }
    } else if (context.path === '/null') {
      context.body = null
    } else if (context.path === '/throw') {
      context.throw(422, 'its own')
    }
  })
  await using running = await listen(createServer(app.callback()))
  const wanted: readonly [string, number, string][] = [
    ['/bypass', 201, 'bypass'],
    ['/direct', 202, 'direct'],
    ['/object', 200, '{"a":1}'],
    ['/null', 204, ''],
    ['/nothing', 404, 'Not Found'],
    ['/throw', 422, 'its own'],
  ]
  for (const [path, status, text] of wanted) {
    const sent = await send(running.port, path)
    expect([path, sent.status, sent.text, stateIn(sent)]).toEqual([path, status, text, primary.state])
    // Koa's error page removes all cookies; ours is added after that.
    expect([path, sent.headers['set-cookie']?.length]).toEqual([path, path === '/throw' ? 1 : 2])
  }
  expect((await send(running.port, '/bypass')).headers['cache-control']).toBe('private, max-age=9')
  if (Framework === Koa) expect((await send(running.port, '/web')).text).toBe('web')
  expect(logged).toHaveLength(1)
})

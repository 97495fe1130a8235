import { createServer } from 'node:http'
import { Readable } from 'node:stream'
import { currentScope, topologyOf } from '@headwater/core'
import { headwater } from '@headwater/http/koa'
import Koa from 'koa'
import Koa2 from 'koa-2'
import { expect, test } from 'vitest'
import { describeError, type HttpAdapter, listen } from './app-under-test.ts'
import { describeHttpAdapter } from './conformance.ts'
import { send } from './send.ts'

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
        // Outside ours: the replay must stand all the same.
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
        context.status = outcome.status ?? 200
        context.type = 'json'
        context.set({ ...outcome.headers })
        context.body = JSON.stringify(outcome.json)
      })
      return listen(createServer(server.callback()))
    },
  }
}

describeHttpAdapter('koa 3', adapterOf(Koa))
describeHttpAdapter('koa 2', adapterOf(Koa2))

test.each([
  ['koa 3', Koa],
  ['koa 2', Koa2],
])('%s only: a replay is not an error of the app, so nothing is logged', async (_, Framework) => {
  const away = topologyOf({ region: 'nrt', primaryRegion: 'ams', hasReplica: true })
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

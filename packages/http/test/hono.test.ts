import { createServer } from 'node:http'
import { headwater } from '@headwater/http/hono'
import { getRequestListener } from '@hono/node-server'
import { type Context, Hono } from 'hono'
import { stream } from 'hono/streaming'
import { describeError, type HttpAdapter, listen, type Outcome } from './app-under-test.ts'
import { describeHttpAdapter } from './conformance.ts'

interface Variables {
  body: unknown
}
type App = { Variables: Variables }

const adapter: HttpAdapter = {
  start(app) {
    const server = new Hono<App>()
    if (app.catchesErrors === true) {
      // Outside ours, and it makes Hono merge headers into what comes later.
      server.use(async (context, next) => {
        context.res.headers.set('x-before', 'early')
        await next()
      })
      server.onError((error, context) => {
        context.header('set-cookie', 'caught=1')
        return context.json(describeError(error), 418)
      })
    }
    const parse = async (context: Context<App>, next: () => Promise<void>): Promise<void> => {
      const text = await context.req.text()
      context.set('body', text === '' ? undefined : JSON.parse(text))
      await next()
    }
    if (app.parsesBody === 'before') server.use(parse)
    server.use(headwater(app.options))
    if (app.parsesBody === 'after') server.use(parse)
    for (const { method, path, handle } of app.routes) {
      server.on(method, path, async (context) => answer(context, await handle(context.get('body'))))
    }
    return listen(createServer(getRequestListener(server.fetch)))
  },
}

function answer(context: Context<App>, outcome: Outcome): Response {
  if ('chunks' in outcome) {
    return stream(context, async (out) => {
      for await (const chunk of outcome.chunks()) await out.write(chunk)
    })
  }
  return new Response(JSON.stringify(outcome.json), {
    status: outcome.status ?? 200,
    headers: { 'content-type': 'application/json', ...outcome.headers },
  })
}

describeHttpAdapter('hono', adapter)

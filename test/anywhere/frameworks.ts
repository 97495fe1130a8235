import { createServer, type RequestListener, type Server } from 'node:http'
import { Readable } from 'node:stream'
import type { ReadableStream as NodeReadableStream } from 'node:stream/web'
import type { HeadwaterOptions } from '@headwater/http'
import { headwater as headwaterForExpress, replayErrorHandler } from '@headwater/http/express'
import { headwater as headwaterForHono } from '@headwater/http/hono'
import { headwater as headwaterForKoa } from '@headwater/http/koa'
import { getRequestListener } from '@hono/node-server'
import express5 from 'express'
import express4 from 'express-4'
import { Hono } from 'hono'
import Koa3 from 'koa'
import Koa2 from 'koa-2'

/** What an app does with a request, the same in every framework: it answers with a text, or with one that comes by and by. */
export type Work = (path: string, query: URLSearchParams, body: Buffer) => Promise<string | AsyncIterable<string>>

type Framework = (options: HeadwaterOptions, work: Work) => RequestListener

const hono: Framework = (options, work) => {
  const app = new Hono()
  app.use(headwaterForHono(options))
  // Hono's own prints each error.
  app.onError((_, context) => context.text('failed', 500))
  app.all('*', async (context) => {
    const { pathname, searchParams } = new URL(context.req.url)
    const answer = await work(pathname, searchParams, Buffer.from(await context.req.arrayBuffer()))
    if (typeof answer === 'string') return context.text(answer)
    const stream: NodeReadableStream = Readable.toWeb(Readable.from(answer).map((part: string) => Buffer.from(part)))
    return context.body(stream as ReadableStream)
  })
  return getRequestListener(app.fetch)
}

const expressOf =
  (express: typeof express5): Framework =>
  (options, work) => {
    const app = express()
    app.set('env', 'test')
    app.use(headwaterForExpress(options))
    app.use(express.raw({ type: () => true, limit: '5mb' }))
    app.use((request, response, next) => {
      const { pathname, searchParams } = new URL(request.url, 'http://app')
      const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
      work(pathname, searchParams, body).then((answer) => {
        if (typeof answer === 'string') response.send(answer)
        else Readable.from(answer).pipe(response)
      }, next)
    })
    app.use(replayErrorHandler())
    return app
  }

const koaOf =
  (Koa: typeof Koa3): Framework =>
  (options, work) => {
    const app = new Koa()
    app.silent = true
    app.use(headwaterForKoa(options))
    app.use(async (context) => {
      const chunks: Buffer[] = []
      for await (const chunk of context.req) chunks.push(chunk)
      const answer = await work(context.path, new URLSearchParams(context.querystring), Buffer.concat(chunks))
      context.body = typeof answer === 'string' ? answer : Readable.from(answer)
    })
    return app.callback()
  }

const ALL = {
  hono,
  'express-4': expressOf(express4 as unknown as typeof express5),
  'express-5': expressOf(express5),
  'koa-2': koaOf(Koa2 as unknown as typeof Koa3),
  'koa-3': koaOf(Koa3),
} as const satisfies Readonly<Record<string, Framework>>

export type FrameworkName = keyof typeof ALL
export const FRAMEWORKS = Object.keys(ALL) as FrameworkName[]

/** One server that hands each request to the framework that its path begins with. `onRequest` hears of each before. */
export function serverOf(options: HeadwaterOptions, work: Work, onRequest: (url: string) => void): Server {
  const listeners = new Map<string, RequestListener>(
    Object.entries(ALL).map(([name, framework]) => [
      name,
      framework(options, (path, ...rest) => work(path.slice(name.length + 1), ...rest)),
    ]),
  )
  return createServer((request, response) => {
    onRequest(request.url ?? '')
    const listener = listeners.get(new URL(request.url ?? '', 'http://app').pathname.split('/')[1] ?? '')
    if (listener === undefined) response.writeHead(404).end()
    else listener(request, response)
  })
}

import { createServer, type Server } from 'node:http'
import { PassThrough } from 'node:stream'
import type { HeadwaterOptions } from '@headwater/http'
import { headwater as headwaterForExpress, replayErrorHandler } from '@headwater/http/express'
import { headwater as headwaterForHono } from '@headwater/http/hono'
import { headwater as headwaterForKoa } from '@headwater/http/koa'
import type { RoutedPool } from '@headwater/pg'
import { createAdaptorServer } from '@hono/node-server'
import express5 from 'express'
import express4 from 'express-4'
import { Hono } from 'hono'
import { stream } from 'hono/streaming'
import Koa3 from 'koa'
import Koa2 from 'koa-2'
import type { Call } from './cases.ts'

/** One path of the app, the same in every framework. */
export interface Endpoint {
  readonly path: string
  readonly isStreamed: boolean
  /** What a stream does before it begins. Hono and Koa send the head while the handler of the stream runs. */
  readonly before?: (call: Call) => Promise<unknown>
  readonly handle: (call: Call) => Promise<unknown>
}

export interface HostOptions extends Omit<HeadwaterOptions, 'pool' | 'secret'> {
  readonly pool: RoutedPool
  readonly secret: string
  /** `false`: every write is tried here first, so that each case meets its own statement. */
  readonly earlyReplay: Exclude<HeadwaterOptions['earlyReplay'], undefined>
}

/** Makes a server, not listening, of one framework. */
export type Host = (options: HostOptions, endpoints: readonly Endpoint[]) => Server

const silent = async () => undefined

const honoHost: Host = (options, endpoints) => {
  const app = new Hono()
  app.use(headwaterForHono(options))
  // Hono's own prints each error.
  app.onError((_, context) => context.text('failed', 500))
  for (const { path, isStreamed, before, handle } of endpoints) {
    app.on(['GET', 'POST'], path, async (context) => {
      const body = context.req.query('body') ?? (await context.req.text())
      if (!isStreamed) return context.json({ answer: (await handle({ body, write: silent })) ?? null })
      await before?.({ body, write: silent })
      return stream(context, async (out) => {
        await handle({ body, write: async (line) => void (await out.write(`${line}\n`)) })
      })
    })
  }
  return createAdaptorServer(app) as Server
}

const expressHost =
  (express: typeof express5): Host =>
  (options, endpoints) => {
    const app = express()
    app.set('env', 'test')
    app.use(headwaterForExpress(options))
    app.use(express.text({ type: () => true, limit: '5mb' }))
    for (const { path, isStreamed, before, handle } of endpoints) {
      app.all(path, (request, response, next) => {
        const body = String(request.query['body'] ?? request.body)
        const write = (line: string) => new Promise<void>((resolve) => response.write(`${line}\n`, () => resolve()))
        const begun = before?.({ body, write: silent }) ?? Promise.resolve()
        const answered = begun.then(() => handle({ body, write: isStreamed ? write : silent }))
        answered.then((answer) => (isStreamed ? response.end() : response.json({ answer: answer ?? null })), next)
      })
    }
    app.use(replayErrorHandler())
    return createServer(app)
  }

const koaHost =
  (Koa: typeof Koa3): Host =>
  (options, endpoints) => {
    const app = new Koa()
    app.silent = true
    app.use(headwaterForKoa(options))
    const byPath = new Map(endpoints.map((endpoint) => [endpoint.path, endpoint]))
    app.use(async (context) => {
      const endpoint = byPath.get(context.path)
      if (endpoint === undefined) return
      let body = String(context.query['body'] ?? '')
      if (context.method === 'POST') for await (const chunk of context.req) body += String(chunk)
      if (!endpoint.isStreamed) {
        context.body = { answer: (await endpoint.handle({ body, write: silent })) ?? null }
        return
      }
      await endpoint.before?.({ body, write: silent })
      const out = new PassThrough()
      context.body = out
      context.flushHeaders()
      endpoint.handle({ body, write: async (line) => void out.write(`${line}\n`) }).then(
        () => out.end(),
        (error: Error) => out.destroy(error),
      )
    })
    return createServer(app.callback())
  }

/** Every HTTP adapter, by the first part of its paths. */
export const HOSTS: Readonly<Record<string, { readonly name: string; readonly host: Host }>> = {
  hono: { name: 'Hono', host: honoHost },
  'express-4': { name: 'Express 4', host: expressHost(express4 as unknown as typeof express5) },
  'express-5': { name: 'Express 5', host: expressHost(express5) },
  'koa-2': { name: 'Koa 2', host: koaHost(Koa2 as unknown as typeof Koa3) },
  'koa-3': { name: 'Koa 3', host: koaHost(Koa3) },
}

/** One server that hands each request to the framework that its path names. */
export function frontOf(options: HostOptions, endpoints: readonly Endpoint[]): Server {
  const servers = new Map(
    Object.entries(HOSTS).map(([prefix, { host }]) => {
      const own = endpoints.map((endpoint) => ({ ...endpoint, path: `/${prefix}${endpoint.path}` }))
      return [prefix, host(options, own)]
    }),
  )
  return createServer((request, response) => {
    const server = servers.get(request.url?.split('/')[1] ?? '')
    if (server === undefined) response.writeHead(404).end()
    else server.emit('request', request, response)
  })
}

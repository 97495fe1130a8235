import { createServer, type Server } from 'node:http'
import { PassThrough } from 'node:stream'
import { ensurePrimary, sideEffects } from '@headwater/core'
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
import { type Instance, listen, SECRET } from './stage.ts'

/** What a handler gets and gives, in every framework. */
interface Call {
  readonly body: string
  readonly queries: number
  /** Writes to the response before the handler ends. */
  write(text: string): Promise<void>
}
type Handler = (instance: Instance, call: Call) => Promise<unknown>

const WHO = 'select who, (select count(*)::int from note) as notes from server'

async function writeInTransaction({ pool, region }: Instance, { body, queries }: Call): Promise<unknown> {
  const client = await pool.connect()
  try {
    await client.query('begin')
    for (let n = 1; n < queries; n += 1) await client.query('select count(*) from note where body = $1', [body])
    const { rows } = await client.query('insert into note (body, region) values ($1, $2) returning id', [body, region])
    await client.query('commit')
    return { id: rows[0].id, region }
  } catch (error) {
    await client.query('rollback')
    throw error
  } finally {
    client.release()
  }
}

/** The same small app in every framework: `GET` and `POST` both reach each of these. */
export const HANDLERS: Readonly<Record<string, Handler>> = {
  read: async ({ pool }) => (await pool.query(WHO)).rows[0],
  write: writeInTransaction,
  function: async ({ pool }, { body }) => (await pool.query('select write_note($1) as id', [body])).rows[0],
  swallow: async (instance, call) => writeInTransaction(instance, call).catch(() => ({ ok: 'nothing happened' })),
  wrap: async (instance, call) =>
    writeInTransaction(instance, call).catch((error: unknown) => {
      throw Object.assign(new Error('the ORM says: query failed'), { driverError: error })
    }),
  stream: async (instance, call) => {
    await call.write('first bytes\n')
    await writeInTransaction(instance, call)
  },
  effect: async (instance, call) => {
    sideEffects()
    return writeInTransaction(instance, call)
  },
  ensure: async (instance, call) => {
    ensurePrimary()
    return writeInTransaction(instance, call)
  },
  'read-your-write': async (instance, call) => {
    await instance.pool.query('insert into note (body, region) values ($1, $2)', [call.body, instance.region])
    return (await instance.pool.query('select count(*)::int as mine from note where body = $1', [call.body])).rows[0]
  },
}

/** How many handlers have begun, and where: a local attempt counts. */
export class Attempts {
  readonly regions: string[] = []
  take(): string[] {
    return this.regions.splice(0)
  }
}

export interface AppOptions {
  readonly attempts: Attempts
  readonly earlyReplay: boolean
}

const queriesOf = (header: string | null | undefined): number => Number(header ?? 5)

function honoApp(instance: Instance, options: AppOptions): Promise<Server> {
  const app = new Hono()
  app.use(headwaterForHono({ pool: instance.pool, secret: SECRET, earlyReplay: options.earlyReplay }))
  for (const [name, handler] of Object.entries(HANDLERS)) {
    app.on(['GET', 'POST'], `/${name}`, async (context) => {
      options.attempts.regions.push(instance.region)
      const body = context.req.method === 'POST' ? await context.req.text() : (context.req.query('body') ?? '')
      const queries = queriesOf(context.req.header('x-queries'))
      context.header('set-cookie', 'from=handler')
      if (name !== 'stream')
        return context.json((await handler(instance, { body, queries, write: async () => undefined })) as object)
      return stream(context, async (out) => {
        const write = async (text: string) => void (await out.write(text))
        await handler(instance, { body, queries, write }).catch((error: Error & { code?: string }) =>
          write(`${error.code}`),
        )
      })
    })
  }
  return listen(createAdaptorServer(app) as Server)
}

function expressApp(express: typeof express5): (instance: Instance, options: AppOptions) => Promise<Server> {
  return (instance, options) => {
    const app = express()
    app.set('env', 'test')
    app.use(headwaterForExpress({ pool: instance.pool, secret: SECRET, earlyReplay: options.earlyReplay }))
    app.use(express.text({ limit: '5mb', type: () => true }))
    for (const [name, handler] of Object.entries(HANDLERS)) {
      app.all(`/${name}`, (request, response, next) => {
        options.attempts.regions.push(instance.region)
        const body = request.method === 'POST' ? String(request.body ?? '') : String(request.query['body'] ?? '')
        const write = (text: string) => new Promise<void>((resolve) => response.write(text, () => resolve()))
        response.setHeader('set-cookie', 'from=handler')
        handler(instance, { body, queries: queriesOf(request.header('x-queries')), write }).then(
          (result) => (name === 'stream' ? response.end() : response.json(result)),
          (error: Error & { code?: string }) => (response.headersSent ? response.end(`${error.code}`) : next(error)),
        )
      })
    }
    app.use(replayErrorHandler())
    return listen(createServer(app))
  }
}

function koaApp(Koa: typeof Koa3): (instance: Instance, options: AppOptions) => Promise<Server> {
  return (instance, options) => {
    const app = new Koa()
    app.silent = true
    app.use(headwaterForKoa({ pool: instance.pool, secret: SECRET, earlyReplay: options.earlyReplay }))
    app.use(async (context) => {
      const name = context.path.slice(1)
      const handler = HANDLERS[name]
      if (handler === undefined) return
      options.attempts.regions.push(instance.region)
      let body = String(context.query['body'] ?? '')
      if (context.method === 'POST') {
        const chunks: Buffer[] = []
        for await (const chunk of context.req) chunks.push(chunk)
        body = Buffer.concat(chunks).toString()
      }
      const queries = queriesOf(context.get('x-queries') || undefined)
      context.set('set-cookie', 'from=handler')
      if (name !== 'stream') {
        context.body = await handler(instance, { body, queries, write: async () => undefined })
        return
      }
      const out = new PassThrough()
      context.body = out
      context.flushHeaders()
      const write = async (text: string) => void out.write(text)
      handler(instance, { body, queries, write }).then(
        () => out.end(),
        (error: Error & { code?: string }) => out.end(`${error.code}`),
      )
    })
    return listen(createServer(app.callback()))
  }
}

/** Every HTTP adapter that we have, as the maker of the same app. */
export const ADAPTERS: Readonly<Record<string, (instance: Instance, options: AppOptions) => Promise<Server>>> = {
  'Hono on node-server': honoApp,
  'Express 4': expressApp(express4 as unknown as typeof express5),
  'Express 5': expressApp(express5),
  'Koa 2': koaApp(Koa2 as unknown as typeof Koa3),
  'Koa 3': koaApp(Koa3),
}

export type { RoutedPool }

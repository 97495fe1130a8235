import { once } from 'node:events'
import { createServer } from 'node:http'
import { headwater as headwaterForExpress } from '@headwater/http/express'
import { headwater as headwaterForHono } from '@headwater/http/hono'
import { headwater as headwaterForKoa } from '@headwater/http/koa'
import { getRequestListener } from '@hono/node-server'
import express from 'express'
import { Hono } from 'hono'
import Koa from 'koa'
import { WHO } from './world.mjs'

/** Every write is tried where it arrives, so that each check meets its own statement. */
const earlyReplay = false

const where = async (pool) => {
  const { rows } = await pool.query(WHO)
  return rows[0]
}
const count = async (pool, body) => {
  const { rows } = await pool.query('select count(*)::int as count from note where body = $1', [body])
  return rows[0]
}
const insert = async (pool, body) => {
  const { rows } = await pool.query('insert into note (body) values ($1) returning id', [body])
  return rows[0]
}

function honoApp({ pool, secret }) {
  const app = new Hono()
  app.use(headwaterForHono({ pool, secret, earlyReplay }))
  app.get('/where', async (context) => context.json(await where(pool)))
  app.get('/notes', async (context) => context.json(await count(pool, context.req.query('body'))))
  app.post('/notes', async (context) => context.json(await insert(pool, await context.req.text()), 201))
  return app
}

function expressApp({ pool, secret }) {
  const app = express()
  // Express's own prints each error.
  app.set('env', 'test')
  app.use(headwaterForExpress({ pool, secret, earlyReplay }))
  app.use(express.text({ limit: '1mb' }))
  app.get('/where', async (_request, response) => response.json(await where(pool)))
  app.get('/notes', async (request, response) => response.json(await count(pool, request.query.body)))
  app.post('/notes', async (request, response) => response.status(201).json(await insert(pool, request.body)))
  return app
}

function koaApp({ pool, secret }) {
  const app = new Koa()
  app.silent = true
  app.use(headwaterForKoa({ pool, secret, earlyReplay }))
  app.use(async (context) => {
    if (context.path === '/where') context.body = await where(pool)
    else if (context.method === 'GET') context.body = await count(pool, context.query.body)
    else {
      let body = ''
      context.req.setEncoding('utf8')
      for await (const chunk of context.req) body += chunk
      context.status = 201
      context.body = await insert(pool, body)
    }
  })
  return app.callback()
}

/** Bun's and Deno's own servers take no other Response than their own, and @hono/node-server replaces the global one. */
const overrideGlobalObjects = !('Bun' in globalThis || 'Deno' in globalThis)

/** Each framework that is promised, on `node:http`; Hono also on the runtime's own server, where it has one. */
export const frameworks = [
  { name: 'Hono', serve: (options) => listen(getRequestListener(honoApp(options).fetch, { overrideGlobalObjects })) },
  { name: 'Express', serve: (options) => listen(expressApp(options)) },
  { name: 'Koa', serve: (options) => listen(koaApp(options)) },
  ...('Bun' in globalThis ? [{ name: 'Hono on Bun.serve', serve: serveOnBun }] : []),
  ...('Deno' in globalThis ? [{ name: 'Hono on Deno.serve', serve: serveOnDeno }] : []),
]

async function listen(listener) {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: server.address().port,
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

async function serveOnBun(options) {
  const server = globalThis.Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: honoApp(options).fetch })
  return { port: server.port, close: () => server.stop(true) }
}

async function serveOnDeno(options) {
  const { fetch: handle } = honoApp(options)
  const server = globalThis.Deno.serve({ port: 0, hostname: '127.0.0.1', onListen: () => undefined }, (request) =>
    handle(request),
  )
  return { port: server.addr.port, close: () => server.shutdown() }
}

/**
 * One app in a process of its own, as `AppProcess` starts it: a bare one over `pg.Pool`, or one with `headwater()`. Two apps in one process
 * would share what V8 has learnt of Node's responses.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { headwater as forExpress } from '@headwater/http/express'
import { headwater as forHono } from '@headwater/http/hono'
import { headwater as forKoa } from '@headwater/http/koa'
import { RoutedPool } from '@headwater/pg'
import { getRequestListener } from '@hono/node-server'
import express from 'express'
import { Hono } from 'hono'
import Koa from 'koa'
import pg from 'pg'
import type { AppCost, AppSetup } from './app-process.ts'

const NOTE = 'select id, body from note where id = $1'
const WRITE = "insert into note (body) values ('another')"

/** What a handler does; each framework says it in its own way. */
interface Answers {
  readonly json: () => object
  readonly read: () => Promise<object>
  readonly write: () => Promise<object>
}

/** The token of a run does not expire in it. */
const TOKEN = { timeToLiveMillis: 3_600_000 }

const context = new AsyncLocalStorage<object>()

function answersOver(pool: pg.Pool): Answers {
  return {
    json: () => ({ hello: 'world', numbers: [1, 2, 3] }),
    read: async () => (await pool.query(NOTE, [1])).rows,
    write: async () => (await pool.query(WRITE)).rows,
  }
}

const FRAMEWORKS: Readonly<Record<AppSetup['framework'], (setup: AppSetup) => { server: Server; pool: pg.Pool }>> = {
  hono(setup) {
    const { pool, routed } = poolFor(setup)
    const { json, read, write } = answersOver(pool)
    const app = new Hono()
    if (routed !== undefined) app.use(forHono({ pool: routed, secret: setup.secret, token: TOKEN }))
    if (setup.middleware === 'context') app.use(async (_, next) => context.run({}, next))
    app.get('/json', (context) => context.json(json()))
    app.get('/note', async (context) => context.json(await read()))
    app.post('/note', async (context) => context.json(await write()))
    const listener = getRequestListener(app.fetch)
    return { server: createServer((request, response) => void listener(request, response)), pool }
  },
  express(setup) {
    const { pool, routed } = poolFor(setup)
    const { json, read, write } = answersOver(pool)
    const app = express()
    if (routed !== undefined) app.use(forExpress({ pool: routed, secret: setup.secret, token: TOKEN }))
    if (setup.middleware === 'context') app.use((_request, _response, next) => context.run({}, next))
    app.get('/json', (_, response) => void response.json(json()))
    app.get('/note', async (_, response) => void response.json(await read()))
    app.post('/note', async (_, response) => void response.json(await write()))
    return { server: createServer(app), pool }
  },
  koa(setup) {
    const { pool, routed } = poolFor(setup)
    const { json, read, write } = answersOver(pool)
    const app = new Koa()
    if (routed !== undefined) app.use(forKoa({ pool: routed, secret: setup.secret, token: TOKEN }))
    if (setup.middleware === 'context') app.use((_, next) => context.run({}, next))
    app.use(async (context) => {
      if (context.path === '/json') context.body = json()
      else context.body = await (context.method === 'POST' ? write() : read())
    })
    const listener = app.callback()
    return { server: createServer((request, response) => void listener(request, response)), pool }
  },
}

function poolFor(setup: AppSetup): { readonly pool: pg.Pool; readonly routed: RoutedPool | undefined } {
  const common: pg.PoolConfig = { max: 10, idleTimeoutMillis: 0 }
  if (setup.middleware !== 'headwater') {
    return { pool: new pg.Pool({ ...common, connectionString: setup.replicaUrl }), routed: undefined }
  }
  const routed = new RoutedPool({
    logger: false,
    ...common,
    region: setup.region,
    primary: { region: 'ams', connectionString: setup.primaryUrl },
    replicas: [{ region: 'nrt', connectionString: setup.replicaUrl }],
    catalog: false,
  })
  return { pool: routed, routed }
}

async function serve(setup: AppSetup): Promise<void> {
  const { server, pool } = FRAMEWORKS[setup.framework](setup)
  const tell = (message: object): void => void process.send?.(message)
  process.on('message', () => {
    const { user, system } = process.cpuUsage()
    tell({ cpuMicros: user + system, rssBytes: process.memoryUsage.rss() } satisfies AppCost)
  })
  process.once('disconnect', () => {
    server.close()
    server.closeAllConnections()
    void pool.end()
  })
  // Its connections idle while the other app is measured, longer on a busy machine than Node waits.
  server.keepAliveTimeout = 0
  server.listen(0, '127.0.0.1', () => {
    const { port } = server.address() as AddressInfo
    tell({ port })
  })
}

process.once('message', (setup) => void serve(setup as AppSetup))

import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { type Cluster, startCluster } from '@headwater/cluster'
import { ensurePrimary } from '@headwater/core'
import { headwater as headwaterForExpress } from '@headwater/http/express'
import { headwater as headwaterForHono } from '@headwater/http/hono'
import { headwater as headwaterForKoa } from '@headwater/http/koa'
import { RoutedPool } from '@headwater/pg'
import { createAdaptorServer, upgradeWebSocket, type WebSocketServerLike } from '@hono/node-server'
import express from 'express'
import express4 from 'express-4'
import { Hono } from 'hono'
import Koa from 'koa'
import Koa2 from 'koa-2'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { SECRET } from '../src/testing/data-layer.ts'
import { listen } from '../src/testing/server.ts'

let cluster: Cluster
let admin: pg.Pool
let away: RoutedPool
let home: RoutedPool

beforeAll(async () => {
  cluster = await startCluster({ replicas: ['nrt'] })
  admin = new pg.Pool({ connectionString: cluster.primary.url, max: 1 })
  await admin.query('create table said (what text not null)')
  await cluster.waitUntilCaughtUp()
  const poolIn = (region: string) =>
    new RoutedPool({
      region,
      primary: { region: 'ams', connectionString: cluster.primary.url },
      replicas: cluster.replicas.map(({ url }) => ({ region: 'nrt', connectionString: url })),
      logger: false,
    })
  away = poolIn('nrt')
  home = poolIn('ams')
})

afterAll(async () => {
  await Promise.allSettled([away, home, admin].map((pool) => pool?.end()))
  await cluster?.stop()
})

beforeEach(() => admin.query('truncate said'))

const say = (pool: RoutedPool, what: string) => pool.query('insert into said values ($1)', [what])

async function said(): Promise<string[]> {
  const { rows } = await admin.query<{ what: string }>('select what from said order by what')
  return rows.map(({ what }) => what)
}

const HANDSHAKE = { connection: 'Upgrade', upgrade: 'echo', 'fly-request-id': '1' }

/** Asks for an upgrade, and returns the first `bytes` bytes of the connection. */
async function upgrade(port: number, path: string, bytes: number): Promise<string> {
  const asked = request({ host: '127.0.0.1', port, path, headers: HANDSHAKE, agent: false })
  asked.end()
  const upgraded = await once(asked, 'upgrade', { signal: AbortSignal.timeout(5000) })
  const [, socket, head] = upgraded as [IncomingMessage, Duplex, Buffer]
  let text = head.toString()
  while (text.length < bytes) {
    const [chunk] = (await once(socket, 'data', { signal: AbortSignal.timeout(5000) })) as [Buffer]
    text += chunk.toString()
  }
  socket.destroy()
  return text
}

describe('hono on @hono/node-server, away from home', () => {
  function chatServer(): Server {
    const app = new Hono()
    app.use(headwaterForHono({ pool: away, secret: SECRET }))
    app.use('/ensured', async (_, next) => {
      ensurePrimary()
      await next()
    })
    app.on(
      'GET',
      ['/chat', '/ensured'],
      upgradeWebSocket(() => ({
        onOpen: (_, socket) => answer(socket, say(away, 'opened')),
        onMessage: ({ data }, socket) => answer(socket, say(away, String(data))),
      })),
    )
    app.get('/note', async (context) => {
      await say(away, 'by a request that only looks like a handshake')
      return context.text('written')
    })
    // ws's own types allow `undefined` where @hono/node-server's do not.
    const server = new WebSocketServer({ noServer: true }) as WebSocketServerLike
    return createAdaptorServer({ fetch: app.fetch, websocket: { server } }) as Server
  }

  const answer = (socket: { send: (text: string) => void }, work: Promise<unknown>) =>
    void work.then(
      () => socket.send('done'),
      (error: unknown) => socket.send(String(error)),
    )

  test('P6: what a WebSocket does, opened or with a message, runs as outside a request', async () => {
    await using running = await listen(chatServer())
    const socket = new WebSocket(`ws://127.0.0.1:${running.port}/chat`)
    const [opened] = await once(socket, 'message', { signal: AbortSignal.timeout(5000) })
    socket.send('hello')
    const [answered] = await once(socket, 'message', { signal: AbortSignal.timeout(5000) })
    socket.terminate()
    expect([String(opened), String(answered)]).toEqual(['done', 'done'])
    expect(await said()).toEqual(['hello', 'opened'])
  })

  test.each(['/ensured', '/note'])('P7: a handshake that needs the primary (%s) is not answered here', async (path) => {
    await using running = await listen(chatServer())
    const socket = new WebSocket(`ws://127.0.0.1:${running.port}${path}`, { headers: { 'fly-request-id': '1' } })
    const refused = await once(socket, 'unexpected-response', { signal: AbortSignal.timeout(5000) })
    const [, response] = refused as [unknown, IncomingMessage]
    socket.on('error', () => undefined).terminate()
    expect([response.statusCode, response.headers['fly-replay']]).toEqual([409, expect.stringMatching(/^region=ams;/)])
    expect(await said()).toEqual([])
  })
})

/** An app that writes in its handler, and reports the outcome over the connection. */
const APPS: Readonly<Record<string, () => (request: IncomingMessage, response: ServerResponse) => unknown>> = {
  'express 5': () => expressApp(express),
  'express 4': () => expressApp(express4 as unknown as typeof express),
  'koa 3': () => koaApp(Koa),
  'koa 2': () => koaApp(Koa2 as unknown as typeof Koa),
}

function expressApp(framework: typeof express): ReturnType<typeof express> {
  const app = framework()
  app.use(headwaterForExpress({ pool: away, secret: SECRET }))
  app.get('/chat', ({ socket }) => {
    say(away, 'upgraded').then(
      () => socket.write('done'),
      (error: unknown) => socket.write(String(error)),
    )
  })
  return app
}

function koaApp(Framework: typeof Koa): ReturnType<Koa['callback']> {
  const app = new Framework()
  app.use(headwaterForKoa({ pool: away, secret: SECRET }))
  app.use(async (context) => {
    context.respond = false
    await say(away, 'upgraded').then(
      () => context.req.socket.write('done'),
      (error: unknown) => context.req.socket.write(String(error)),
    )
  })
  return app.callback()
}

test.each(Object.entries(APPS))(
  'P6: %s, given a connection that was upgraded before, as express-ws does: it runs as outside a request',
  async (_, appOf) => {
    const app = appOf()
    const server = createServer(app)
    server.on('upgrade', (incoming: IncomingMessage, socket: Duplex) => {
      // Whoever upgrades a connection must close it.
      socket
        .on('error', () => undefined)
        .on('end', () => socket.destroy())
        .resume()
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n')
      app(incoming, new ServerResponse(incoming))
    })
    await using running = await listen(server)
    expect(await upgrade(running.port, '/chat', 4)).toBe('done')
    expect(await said()).toEqual(['upgraded'])
  },
)

test('P11: when a handler answers 101 itself, what it sends does not overtake the head, at home and after a write', async () => {
  const app = express()
  app.use(headwaterForExpress({ pool: home, secret: SECRET }))
  app.get('/chat', async ({ socket }, response) => {
    await say(home, 'upgraded')
    response.writeHead(101, { connection: 'Upgrade', upgrade: 'echo' })
    response.flushHeaders()
    socket.write('hello')
  })
  await using running = await listen(createServer(app))
  expect(await upgrade(running.port, '/chat', 5)).toBe('hello')
  expect(await said()).toEqual(['upgraded'])
})

import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ensurePrimary } from '@headwater/core'
import { forward, replayUpgrade } from '@headwater/http'
import { headwater as headwaterForHono } from '@headwater/http/hono'
import { createAdaptorServer, upgradeWebSocket, type WebSocketServerLike } from '@hono/node-server'
import { Hono } from 'hono'
import { afterEach, expect, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { away, SECRET } from '../src/testing/data-layer.ts'

const opened: { close(): unknown }[] = []
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close()
})

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  opened.push({
    close: () => {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(resolve))
    },
  })
  return (server.address() as AddressInfo).port
}

/** The app of the primary's region, which is asked nothing. */
async function far() {
  const seen: IncomingMessage[] = []
  const server = createServer((incoming, response) => {
    seen.push(incoming)
    response.end('far')
  })
  server.on('upgrade', (incoming, socket) => {
    seen.push(incoming)
    socket.destroy()
  })
  return { seen, target: forward({ regions: { ams: `http://127.0.0.1:${await listen(server)}` } }) }
}

/** What a WebSocket says first. */
async function hello(port: number): Promise<string> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/primary`)
  opened.push({ close: () => socket.terminate() })
  const [data] = await Promise.race([
    once(socket, 'message'),
    once(socket, 'unexpected-response').then(([, response]) => [`refused: ${response.statusCode}`]),
  ])
  return String(data)
}

test('P6: forward() sends no handshake on; a WebSocket on Node’s event stays here', async () => {
  const { seen, target } = await far()
  const sockets = new WebSocketServer({ noServer: true })
  const server = createServer()
  server.on('upgrade', (incoming, socket, head) => {
    if (replayUpgrade({ topology: away }, incoming, socket, { secret: SECRET, replayTarget: target })) return
    sockets.handleUpgrade(incoming, socket, head, (ws) => ws.send('here'))
  })
  expect([await hello(await listen(server)), seen]).toEqual(['here', []])
})

test('P6: and so does one in Hono that asks for the primary', async () => {
  const { seen, target } = await far()
  const app = new Hono()
  app.use(headwaterForHono({ pool: { topology: away }, secret: SECRET, replayTarget: target }))
  app.use('/primary', async (_, next) => {
    await ensurePrimary()
    await next()
  })
  app.get(
    '/primary',
    upgradeWebSocket(() => ({ onOpen: (_, ws) => ws.send('here') })),
  )
  const server = new WebSocketServer({ noServer: true }) as WebSocketServerLike
  expect([
    await hello(await listen(createAdaptorServer({ fetch: app.fetch, websocket: { server } }) as Server)),
    seen,
  ]).toEqual(['here', []])
})

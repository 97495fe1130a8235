import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { forward } from '@headwater/http'
import { createLifecycle, openNodeRequest } from '@headwater/http/adapter'
import { afterEach, expect, test } from 'vitest'
import { away, SECRET } from '../src/testing/data-layer.ts'

// What no app of ours would answer, and a box between two regions may: each of it ends one request, and not the process.

const opened: { close(): unknown }[] = []
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close()
})

async function listen(server: Server, host = '127.0.0.1'): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => sockets.add(socket))
  server.listen(0, host)
  await once(server, 'listening')
  opened.push({
    close: () => {
      for (const socket of sockets) socket.destroy()
      return new Promise((resolve) => server.close(resolve))
    },
  })
  return (server.address() as AddressInfo).port
}

/** Where an instance listens that hands every request on to `far`, whose every connection is `onConnection`'s. */
async function near(onConnection: (socket: Socket) => void): Promise<number> {
  const far = createTcpServer((socket) => {
    socket.on('error', () => {})
    onConnection(socket)
  })
  return await nearOf(far)
}

async function nearOf(far: Server): Promise<number> {
  const lifecycle = createLifecycle({
    pool: { topology: away },
    secret: SECRET,
    earlyReplay: () => 'always',
    bodyLimitBytes: 20_000_000,
    replayTarget: forward({ regions: { ams: `http://127.0.0.1:${await listen(far)}` } }),
  })
  const app = createServer((request, response) => {
    openNodeRequest(lifecycle, request, response)
      ?.run(async () => void response.end('here'))
      .catch(() => response.destroy())
  })
  return await listen(app)
}

/** All that comes back on one connection. */
async function send(port: number, bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.write(bytes, 'latin1')
  let heard = ''
  for await (const chunk of socket) heard += Buffer.from(chunk).toString('latin1')
  return heard
}

const POST = 'POST / HTTP/1.1\r\nHost: app\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'

test.each([
  ['a status under 100', 'HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n', /^HTTP\/1\.1 502 /],
  ['a status that is none', 'HTTP/1.1 000 Odd\r\nContent-Length: 0\r\n\r\n', /^HTTP\/1\.1 502 /],
  ['a header that is none', 'HTTP/1.1 200 OK\r\nx: a\x01b\r\nContent-Length: 0\r\n\r\n', /^HTTP\/1\.1 502 /],
  ['another protocol', 'HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n', /^HTTP\/1\.1 502 /],
  [
    'a status text that Node would not send',
    'HTTP/1.1 200 a\x01b\r\nContent-Length: 2\r\n\r\nok',
    /^HTTP\/1\.1 200 .*ok$/s,
  ],
  [
    'hints that Node would not send',
    'HTTP/1.1 103 E\r\nlink: none\r\n\r\nHTTP/1.1 200 O\r\nContent-Length: 2\r\n\r\nok',
    /^HTTP\/1\.1 200 .*ok$/s,
  ],
])('P9: %s', async (_, answer, expected) => {
  const port = await near((socket) => socket.once('data', () => socket.end(answer, 'latin1')))
  expect(await send(port, POST)).toMatch(expected)
})

test('P9: a region that goes while it takes no more of a body leaves the connection of the client of use', async () => {
  const port = await near((socket) => {
    // Node has filled what the kernel takes by then, and has paused the client.
    socket.pause()
    setTimeout(() => socket.resetAndDestroy(), 150)
  })
  const body = 'b'.repeat(12_000_000)
  const first = `POST / HTTP/1.1\r\nHost: app\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  const heard = await send(port, first + POST)
  expect(heard.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 502', 'HTTP/1.1 502'])
})

test('P9: an app that answers before it has read all gets all of the body', async () => {
  const read: number[] = []
  const far = createServer((request, response) => {
    let length = 0
    request.on('data', (chunk: Buffer) => {
      length += chunk.length
    })
    request.on('end', () => read.push(length))
    response.end('accepted')
  })
  const body = 'b'.repeat(12_000_000)
  const first = `POST / HTTP/1.1\r\nHost: app\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  const heard = await send(await nearOf(far), first + POST)
  expect(heard.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 200'])
  await expect.poll(() => read.toSorted((one, other) => one - other)).toEqual([0, body.length])
})

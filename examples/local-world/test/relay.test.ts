import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { Relay } from '../src/relay.ts'

const ROUND_TRIP = 60

test('a relay takes a round trip to connect and one for each answer, and keeps every byte in order', async () => {
  await using echo = await startEcho()
  await using relay = await Relay.open({ to: { host: '127.0.0.1', port: echo.port }, roundTripMs: ROUND_TRIP })
  const socket = connect(relay.port, '127.0.0.1')
  const read = collect(socket)
  let sentAt = performance.now()
  socket.write('a')
  await read(1)
  expect(performance.now() - sentAt).toBeGreaterThanOrEqual(2 * ROUND_TRIP - 5)
  sentAt = performance.now()
  const text = Array.from({ length: 2000 }, (_, index) => `${index};`).join('')
  for (const part of text.match(/.{1,7}/g) ?? []) socket.write(part)
  expect(await read(text.length)).toBe(text)
  expect(performance.now() - sentAt).toBeGreaterThanOrEqual(ROUND_TRIP - 5)
  socket.end()
  await once(socket, 'close')
})

test('a cut relay breaks what is under way, lets nobody through, and can be mended', async () => {
  await using echo = await startEcho()
  await using relay = await Relay.open({ to: { host: '127.0.0.1', port: echo.port }, roundTripMs: 1 })
  const first = connect(relay.port, '127.0.0.1')
  first.on('error', () => {})
  first.write('a')
  await collect(first)(1)
  relay.setCut(true)
  await once(first, 'close')
  const second = connect(relay.port, '127.0.0.1')
  second.on('error', () => {})
  await once(second, 'close')
  relay.setCut(false)
  const third = connect(relay.port, '127.0.0.1')
  third.write('b')
  expect(await collect(third)(1)).toBe('b')
  third.destroy()
})

test('a relay to nobody ends the connection', async () => {
  const nobody = await startEcho()
  const { port } = nobody
  await nobody[Symbol.asyncDispose]()
  await using relay = await Relay.open({ to: { host: '127.0.0.1', port }, roundTripMs: 1 })
  const socket = connect(relay.port, '127.0.0.1')
  socket.on('error', () => {})
  await once(socket, 'close')
})

async function startEcho(): Promise<AsyncDisposable & { port: number }> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.pipe(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      server.close()
      await once(server, 'close')
    },
  }
}

/** Reads `length` more characters each time it is called. */
function collect(socket: Socket): (length: number) => Promise<string> {
  let kept = ''
  socket.setEncoding('utf8').on('data', (text: string) => {
    kept += text
  })
  return async (length) => {
    while (kept.length < length) await once(socket, 'data')
    const taken = kept.slice(0, length)
    kept = kept.slice(length)
    return taken
  }
}

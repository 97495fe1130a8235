import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { FlyProxyOptions } from '../src/index.ts'
import { quickest, startMachine, startProxy, type TestMachine } from './support/world.ts'

/** Makes a machine agree to upgrade and echo bytes; returns the raw sockets it got. */
function echoing(machine: TestMachine): Socket[] {
  const sockets: Socket[] = []
  machine.server.on('upgrade', (request, socket, head) => {
    sockets.push(socket as Socket)
    const accept = createHash('sha1').update(
      `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`,
    )
    socket.on('error', () => {})
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept.digest('base64')}\r\nx-machine: ${machine.id}\r\nx-src: ${request.headers['fly-replay-src'] ?? ''}\r\n\r\nearly`,
    )
    socket.write(head)
    socket.pipe(socket)
  })
  return sockets
}

/** Asks to upgrade over a bare socket. */
async function knock(
  port: number,
  extra = '',
): Promise<{ socket: Socket; text: () => string; until: (part: string) => Promise<void> }> {
  const socket = connect(port, '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  socket.on('error', () => {})
  await once(socket, 'connect')
  const chunks: Buffer[] = []
  socket.on('data', (chunk) => chunks.push(chunk))
  const key = randomBytes(16).toString('base64')
  socket.write(
    `GET /ws?x=1 HTTP/1.1\r\nHost: app\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n${extra}\r\n`,
  )
  const text = (): string => Buffer.concat(chunks).toString('latin1')
  const until = async (part: string): Promise<void> => {
    for (let i = 0; i < 300 && !text().includes(part); i += 1) await delay(10)
    expect(text()).toContain(part)
  }
  return { socket, text, until }
}

const world = async (options: Partial<FlyProxyOptions> = {}) => {
  const local = await startMachine('local@nrt')
  const home = await startMachine('home@ams')
  return { local, home, ...(await startProxy([local, home], options)) }
}

describe('1.10.10: upgrade: same decision, tunnel after 101', () => {
  it('1.10.10: bytes go both ways, those sent with the handshake included', async () => {
    const { local, proxy, requestEvent } = await world()
    echoing(local)
    const { socket, until, text } = await knock(proxy.edge('nrt').port)
    await until('early')
    expect(text()).toMatch(/^HTTP\/1\.1 101 /)
    expect(text()).toContain('Via: 1.1 fly.io\r\n')
    socket.write('ping')
    await until('ping')
    socket.end()
    await once(socket, 'close')
    expect(await requestEvent()).toMatchObject({
      isUpgrade: true,
      status: 101,
      outcome: 'answered',
      hops: [{ machine: 'local', status: 101 }],
    })
  })

  it('1.9: the replaying app does not upgrade (raw 307 with Fly-Replay), the receiver does', async () => {
    const { local, home, proxy } = await world()
    local.server.on('upgrade', (_request, socket) => {
      socket.end(
        'HTTP/1.1 307 Temporary Redirect\r\nFly-Replay: region=ams;state=ws\r\nConnection: close\r\nContent-Length: 0\r\n\r\n',
      )
    })
    echoing(home)
    const { socket, until, text } = await knock(proxy.edge('nrt').port)
    await until('early')
    expect(text()).toContain('x-machine: home')
    expect(text()).toMatch(/x-src: instance=local;region=nrt;t=\d+;state=ws/)
    socket.write('over there')
    await until('over there')
  })

  it('1.10.10: a refused upgrade is answered like any request, and the connection ends', async () => {
    const { local, proxy } = await world()
    local.server.on('upgrade', (_request, socket) => {
      socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno')
    })
    const { socket, until, text } = await knock(proxy.edge('nrt').port)
    await until('\r\n\r\nno')
    expect(text()).toMatch(/^HTTP\/1\.1 403 /)
    if (!socket.closed) await once(socket, 'close')
  })

  it('1.8: an invalid replay of an upgrade is an empty 502', async () => {
    const { local, proxy, logs } = await world()
    local.server.on('upgrade', (_request, socket) => {
      socket.end('HTTP/1.1 307 x\r\nFly-Replay: nonsense\r\nContent-Length: 0\r\n\r\n')
    })
    const { until } = await knock(proxy.edge('nrt').port)
    await until('HTTP/1.1 502 ')
    expect(logs).toMatchObject([{ code: 'PA03' }])
  })

  it('a request to upgrade that carries a body is refused', async () => {
    const { proxy, local } = await world()
    const { until } = await knock(proxy.edge('nrt').port, 'Content-Length: 5\r\n')
    await until('HTTP/1.1 400 ')
    expect(local.seen).toHaveLength(0)
  })

  it('a machine that switches protocols without being asked is broken: 502', async () => {
    const { local, proxy, logs } = await world()
    local.server.removeAllListeners('request')
    local.server.on('request', (_request, response) => {
      response.socket?.end('HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: odd\r\n\r\n')
    })
    expect((await fetch(proxy.edge('nrt').url)).status).toBe(502)
    expect(logs).toMatchObject([{ code: 'PU02' }])
  })

  it.each(['client', 'machine'])('1.10.10: when the %s breaks off, the other side learns of it', async (side) => {
    const { local, proxy } = await world()
    const sockets = echoing(local)
    const { socket, until } = await knock(proxy.edge('nrt').port)
    await until('early')
    const [machineEnd] = sockets
    if (machineEnd === undefined) throw new Error('no tunnel')
    const [breaker, other] = side === 'client' ? [socket, machineEnd] : [machineEnd, socket]
    const closed = once(other, 'close')
    breaker.destroy()
    await closed
  })

  it('1.10: region down cuts its tunnels, and close() every one', async () => {
    const { home, proxy } = await world()
    echoing(home)
    for (const cut of [() => proxy.faults.regionDown('ams'), () => proxy.close()]) {
      const { socket, until } = await knock(proxy.edge('nrt').port, 'fly-force-region: ams\r\n')
      await until('early')
      const closed = once(socket, 'close')
      void cut()
      await closed
      proxy.faults.regionUp('ams')
    }
  })

  it('latency holds in the tunnel too: one round trip for an echo', async () => {
    const { home, proxy } = await world({ latency: (from, to) => (from === to ? 0 : 100) })
    echoing(home)
    const { socket, until, text } = await knock(proxy.edge('nrt').port, 'fly-force-region: ams\r\n')
    await until('early')
    let sent = 0
    const echo = async (): Promise<number> => {
      const start = performance.now()
      sent += 1
      socket.write(`<${sent}>`)
      while (!text().includes(`<${sent}>`)) await delay(1)
      const took = performance.now() - start
      expect(took).toBeGreaterThanOrEqual(98)
      return took
    }
    expect(await quickest(echo, (ms) => ms < 150)).toBeLessThan(150)
  })
})

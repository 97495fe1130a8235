import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import {
  createFlyProxy,
  type FlyProxy,
  type FlyProxyOptions,
  type ProxyEvent,
  type RequestEvent,
} from '../../src/index.ts'

export interface ReadPosition {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

export type Handler = (seen: ReadPosition, response: ServerResponse, request: IncomingMessage) => void

/** A real HTTP server that plays a machine and remembers what it got. */
export interface TestMachine {
  readonly id: string
  readonly app: string
  readonly region: string
  readonly url: string
  readonly server: Server
  readonly seen: ReadPosition[]
  stop(): Promise<void>
}

/** Starts a machine; by default it answers 200 with its own id. Stopped when the test ends. */
export async function startMachine(name: string, handler: Handler = answerId, port = 0): Promise<TestMachine> {
  const [, app = 'app', id = name, region = 'nrt'] = /^(?:(\w+)\/)?([\w-]+)@(\w+)$/.exec(name) ?? []
  const seen: ReadPosition[] = []
  const sockets = new Set<Socket>()
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('end', () => {
      const { method = '', url = '', headers } = incoming
      const entry = { method, url, headers, body: Buffer.concat(chunks).toString('latin1') }
      seen.push(entry)
      response.setHeader('x-machine', id)
      handler(entry, response, incoming)
    })
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const stop = (): Promise<void> =>
    new Promise((resolve) => {
      for (const socket of sockets) socket.destroy()
      server.close(() => resolve())
    })
  onTestFinished(stop)
  return { id, app, region, url, server, seen, stop }
}

const answerId: Handler = (_seen, response) => response.end(response.getHeader('x-machine'))

/** A machine that asks for a replay the first time, and answers when the request came to it by a replay or fallback. */
export function replaying(headers: Record<string, string>, body = ''): Handler {
  return (seen, response) => {
    const isSecond = seen.headers['fly-replay-src'] !== undefined || seen.headers['fly-replay-failed'] !== undefined
    if (isSecond) response.end(response.getHeader('x-machine'))
    else response.writeHead(409, { 'cache-control': 'no-store', ...headers }).end(body)
  }
}

export interface TestWorld {
  readonly proxy: FlyProxy
  readonly events: ProxyEvent[]
  readonly logs: { code?: string; message: string; app: string }[]
  /** The event of the latest request, once it is out. */
  requestEvent(index?: number): Promise<RequestEvent>
}

/** A listening proxy in front of the machines. Closed when the test ends. */
export async function startProxy(
  machines: readonly TestMachine[],
  options: Partial<FlyProxyOptions> = {},
  overrides: Record<string, object> = {},
): Promise<TestWorld> {
  const names = [...new Set(machines.map(({ app }) => app))]
  const apps = names.map((name) => ({
    name,
    machines: machines
      .filter(({ app }) => app === name)
      .map(({ id, region, url }) => ({ id, region, url, ...overrides[id] })),
  }))
  const events: ProxyEvent[] = []
  const logs: TestWorld['logs'] = []
  const proxy = createFlyProxy({
    apps,
    noCandidateWaitMillis: 300,
    wakeMillis: 50,
    onEvent: (event) => events.push(event),
    onLog: (line) => logs.push(line),
    ...options,
  })
  onTestFinished(() => proxy.close())
  await proxy.listen()
  const requestEvent = async (index = 0): Promise<RequestEvent> => {
    for (let i = 0; i < 200; i += 1) {
      const found = events.filter((event) => event.type === 'request')[index]
      if (found) return found
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    throw new Error('no request event within 2 s')
  }
  return { proxy, events, logs, requestEvent }
}

export interface Reply {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: string
  readonly ms: number
}

export interface AskOptions {
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly body?: string | Buffer
  readonly path?: string
  readonly signal?: AbortSignal
}

/** One request on a connection of its own; unlike fetch it may set any header. */
export function ask(url: string, options: AskOptions = {}): Promise<Reply> {
  const { method = 'GET', headers = {}, body, path = '/', signal } = options
  const start = performance.now()
  return new Promise((resolve, reject) => {
    const outgoing = request(new URL(path, url), { method, headers, agent: false, ...(signal && { signal }) })
    outgoing.on('error', reject)
    outgoing.on('response', (incoming) => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.on('error', reject)
      incoming.on('end', () => {
        const text = Buffer.concat(chunks).toString('latin1')
        resolve({
          status: incoming.statusCode ?? 0,
          headers: incoming.headers,
          body: text,
          ms: performance.now() - start,
        })
      })
    })
    outgoing.end(body)
  })
}

/** The quickest of some tries, ms: how long a thing takes when the machine that runs the tests is not busy with others. */
export async function quickest(run: () => Promise<number>, isGood: (ms: number) => boolean): Promise<number> {
  let best = Number.POSITIVE_INFINITY
  for (let i = 0; i < 8 && !isGood(best); i += 1) best = Math.min(best, await run())
  return best
}

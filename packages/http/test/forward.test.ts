import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, request, type Server } from 'node:http'
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2'
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ForwardOptions, forward, type HeadwaterOptions } from '@headwater/http'
import { createLifecycle, openNodeRequest } from '@headwater/http/adapter'
import { headwater as headwaterForExpress, replayErrorHandler } from '@headwater/http/express'
import { headwater as headwaterForHono } from '@headwater/http/hono'
import { headwater as headwaterForKoa } from '@headwater/http/koa'
import { getRequestListener } from '@hono/node-server'
import express5 from 'express'
import express4 from 'express-4'
import { Hono } from 'hono'
import Koa3 from 'koa'
import Koa2 from 'koa-2'
import { afterEach, describe, expect, test } from 'vitest'
import { signState } from '../src/replay/replay-state.ts'
import { away, SECRET, write } from '../src/testing/data-layer.ts'

/** What the handler of every near app does: reads its body, then writes, unless the path says that it reads. */
async function work(url: string, body: () => Promise<Buffer>): Promise<string> {
  const { length } = await body()
  return url.startsWith('/read') ? `read ${length} here` : await write(away)
}

async function bytesOf(stream: AsyncIterable<unknown>): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(Buffer.from(chunk as Uint8Array))
  return Buffer.concat(chunks)
}

const expressApp =
  (express: typeof express5) =>
  (options: HeadwaterOptions): RequestListener => {
    const app = express()
    app.set('env', 'test')
    app.use(headwaterForExpress(options))
    app.use(express.raw({ type: () => true, limit: '50mb' }))
    app.use((request, response, next) => {
      const body = async () => (Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0))
      work(request.url, body).then((text) => response.send(text), next)
    })
    app.use(replayErrorHandler())
    return app
  }

const koaApp =
  (Koa: typeof Koa3) =>
  (options: HeadwaterOptions): RequestListener => {
    const app = new Koa()
    app.silent = true
    app.use(headwaterForKoa(options))
    app.use(async (context) => {
      context.body = await work(context.url, () => bytesOf(context.req))
    })
    return app.callback()
  }

const NEAR: Readonly<Record<string, (options: HeadwaterOptions) => RequestListener>> = {
  Hono: (options) => {
    const app = new Hono()
    app.use(headwaterForHono(options))
    app.onError((error, context) => context.text('failed', Reflect.get(error, 'status') ?? 500))
    app.all('*', async (context) =>
      context.text(await work(context.req.path, async () => Buffer.from(await context.req.arrayBuffer()))),
    )
    return getRequestListener(app.fetch)
  },
  'Express 4': expressApp(express4 as unknown as typeof express5),
  'Express 5': expressApp(express5),
  'Koa 2': koaApp(Koa2 as unknown as typeof Koa3),
  'Koa 3': koaApp(Koa3),
  'node:http': (options) => {
    const lifecycle = createLifecycle(options)
    return (request, response) => {
      const life = openNodeRequest(lifecycle, request, response)
      const handle = async () => void response.end(await work(request.url ?? '/', () => bytesOf(request)))
      life?.run(handle).catch((error) => response.writeHead(error.status ?? 500).end())
    }
  },
}

const opened: { close(): unknown }[] = []
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close()
})

async function listen(server: Server | ReturnType<typeof createTcpServer> | ReturnType<typeof createHttp2Server>) {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  opened.push({
    close: () => {
      if ('closeAllConnections' in server) server.closeAllConnections()
      return new Promise((resolve) => server.close(resolve))
    },
  })
  return (server.address() as AddressInfo).port
}

/** The far side: what the app in the primary's region is to the instance that sends on. */
const far = (listener: RequestListener) => listen(createServer(listener))

interface NearOptions extends Partial<HeadwaterOptions> {
  readonly forward?: Partial<ForwardOptions>
}

const near = (framework: string, farPort: number, { forward: more, ...options }: NearOptions = {}) => {
  const start = NEAR[framework]
  if (start === undefined) throw new Error(`no app is called ${framework}`)
  const replayTarget = forward({ regions: { ams: `http://127.0.0.1:${farPort}` }, ...more })
  return listen(createServer(start({ pool: { topology: away }, secret: SECRET, replayTarget, ...options })))
}

interface Answer {
  readonly status: number
  readonly body: Buffer
  readonly message: IncomingMessage
}

interface Asked {
  readonly method?: string
  readonly path?: string
  readonly headers?: Record<string, string | string[]>
  readonly body?: Buffer
  readonly isChunked?: boolean
  readonly trailers?: [string, string][]
}

function ask(port: number, asked: Asked = {}): Promise<Answer> {
  const { method = 'POST', path = '/write?a=1', headers = {}, body, isChunked = false, trailers } = asked
  return new Promise((resolve, reject) => {
    const length = isChunked ? { 'transfer-encoding': 'chunked' } : { 'content-length': String(body?.length ?? 0) }
    const outgoing = request({
      host: '127.0.0.1',
      port,
      method,
      path,
      agent: false,
      headers: { ...(body === undefined ? {} : length), ...headers },
    })
    outgoing.on('response', (message) => {
      bytesOf(message).then((bytes) => resolve({ status: message.statusCode ?? 0, body: bytes, message }), reject)
    })
    outgoing.on('error', reject)
    for (let at = 0; at < (body?.length ?? 0); at += 50_000) outgoing.write(body?.subarray(at, at + 50_000))
    if (trailers !== undefined) outgoing.addTrailers(trailers)
    outgoing.end()
  })
}

const blob = (length: number) => Buffer.from(Array.from({ length }, (_, at) => (at * 31) % 251))

/** Answers with the length and the sum of what came, and remembers each request. */
function recorder() {
  const seen: { message: IncomingMessage; body: Buffer }[] = []
  const listener: RequestListener = async (message, response) => {
    const body = await bytesOf(message).catch(() => Buffer.from('aborted'))
    seen.push({ message, body })
    response.writeHead(201, { 'x-far': 'yes', 'set-cookie': ['a=1', 'b=2'], 'content-type': 'text/plain' })
    response.end(`far got ${body.length}`)
  }
  return { seen, listener }
}

describe.each(Object.keys(NEAR))('forward() in %s', (framework) => {
  test.each([
    ['early', { earlyReplay: true }],
    ['late', { earlyReplay: false }],
  ] as const)('P9: a write met %s lands once, with all of its body, known length and chunked', async (_, options) => {
    const { seen, listener } = recorder()
    const port = await near(framework, await far(listener), options)
    for (const length of [0, 10, 100_000, 900_000]) {
      for (const isChunked of [false, true]) {
        const body = blob(length)
        const answer = await ask(port, { body, isChunked })
        expect([answer.status, answer.body.toString(), answer.message.headers['x-far']]).toEqual([
          201,
          `far got ${length}`,
          'yes',
        ])
        expect(answer.message.headers['set-cookie']).toEqual(['a=1', 'b=2'])
        const [one, ...more] = seen.splice(0)
        expect([one?.body.equals(body), more]).toEqual([true, []])
        expect([one?.message.method, one?.message.url]).toEqual(['POST', '/write?a=1'])
      }
    }
  })

  test('P9: a GET that writes late is sent on; a read stays here', async () => {
    const { seen, listener } = recorder()
    const port = await near(framework, await far(listener))
    expect((await ask(port, { method: 'GET' })).status).toBe(201)
    expect(seen).toHaveLength(1)
    expect((await ask(port, { method: 'GET', path: '/read' })).body.toString()).toBe('read 0 here')
    expect(seen).toHaveLength(1)
  })

  test('P4: a body over the limit is a 413, of known length and chunked; the far side hears nothing', async () => {
    const { seen, listener } = recorder()
    const port = await near(framework, await far(listener), { bodyLimitBytes: 10_000 })
    for (const isChunked of [false, true]) {
      expect((await ask(port, { body: blob(10_001), isChunked })).status).toBe(413)
    }
    expect((await ask(port, { body: blob(10_000), isChunked: true })).status).toBe(201)
    expect(seen).toHaveLength(1)
  })

  test('P8: where nothing connects, a read by POST works here, and a write is a 503 with Retry-After', async () => {
    const dead = await far(() => {})
    await opened.pop()?.close()
    const port = await near(framework, dead)
    const read = await ask(port, { path: '/read', body: blob(1000) })
    expect([read.status, read.body.toString()]).toEqual([200, 'read 1000 here'])
    for (const asked of [{ body: blob(10) }, { method: 'GET' }, { body: blob(10), isChunked: true }]) {
      expect((await ask(port, asked)).status).toBe(503)
    }
    const late = await ask(port, { method: 'GET', path: '/other' })
    expect([late.status, late.message.headers['retry-after']]).toEqual([503, '1'])
  })

  test('P9: what had begun and broke is a 502 that says so, and is never tried again', async () => {
    let begun = 0
    const port = await near(
      framework,
      await far((message) => {
        begun += 1
        message.socket.destroy()
      }),
    )
    for (const asked of [{ body: blob(10) }, { method: 'GET' }, { body: blob(10), isChunked: true }]) {
      const answer = await ask(port, asked)
      expect(answer.status).toBe(502)
      expect(answer.body.toString()).toContain('Nobody knows')
      expect(answer.message.headers['cache-control']).toBe('no-store')
    }
    expect(begun).toBe(3)
  })

  test('P9: an answer that breaks off does not look whole', async () => {
    const port = await near(
      framework,
      await far((_, response) => {
        response.writeHead(200, { 'content-length': '100' })
        response.write('half')
        setTimeout(() => response.destroy(), 20)
      }),
    )
    await expect(ask(port, { body: blob(10) })).rejects.toThrow()
  })

  test('P9: headers, trailers, ranges, encodings and cookies pass; what belongs to one connection does not', async () => {
    let got: IncomingMessage | undefined
    const port = await near(
      framework,
      await far(async (message, response) => {
        await bytesOf(message)
        got = message
        response.writeHead(206, {
          'content-range': 'bytes 0-3/10',
          'content-encoding': 'gzip',
          connection: 'close, x-mine',
          'x-mine': 'hop',
          trailer: 'x-sum',
          vary: 'accept, cookie',
        })
        response.write('abcd')
        response.addTrailers({ 'x-sum': '42' })
        response.end()
      }),
      { earlyReplay: false },
    )
    const answer = await ask(port, {
      body: blob(1000),
      isChunked: true,
      trailers: [['x-checksum', '7']],
      headers: {
        host: 'app.example',
        range: 'bytes=0-3',
        'accept-encoding': 'gzip, br',
        cookie: 'a=1; b=2',
        'x-forwarded-for': '203.0.113.9',
        'x-forwarded-proto': 'https',
        forwarded: 'for=203.0.113.9',
        'x-secret': 'hop',
        connection: 'close, x-secret',
        te: 'trailers',
        'headwater-state': 'forged',
        trailer: 'x-checksum',
        'x-two': ['1', '2'],
      },
    })
    expect(got?.headers).toMatchObject({
      host: 'app.example',
      range: 'bytes=0-3',
      'accept-encoding': 'gzip, br',
      cookie: 'a=1; b=2',
      'x-forwarded-for': '203.0.113.9, 127.0.0.1',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'app.example',
      forwarded: 'for=203.0.113.9, for=127.0.0.1;proto=https;host="app.example"',
      via: '1.1 headwater',
      'x-two': '1, 2',
    })
    expect(got?.headers['x-secret']).toBeUndefined()
    expect(got?.headers['headwater-state']).toMatch(/^hw\d/)
    expect(got?.trailers).toEqual({ 'x-checksum': '7' })
    expect([answer.status, answer.body.toString(), answer.message.trailers]).toEqual([206, 'abcd', { 'x-sum': '42' }])
    expect(answer.message.headers).toMatchObject({ 'content-range': 'bytes 0-3/10', 'content-encoding': 'gzip' })
    expect(answer.message.headers['x-mine']).toBeUndefined()
  })

  test('P9: events come as they are sent, and a client that hangs up ends the far side', async () => {
    let isOver: (() => void) | undefined
    const over = new Promise<void>((resolve) => {
      isOver = resolve
    })
    const port = await near(
      framework,
      await far((message, response) => {
        message.resume()
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        const timer = setInterval(() => response.write('data: tick\n\n'), 10)
        response.once('close', () => {
          clearInterval(timer)
          isOver?.()
        })
      }),
    )
    const outgoing = request({ host: '127.0.0.1', port, method: 'POST', path: '/write', agent: false })
    outgoing.on('error', () => {})
    outgoing.end()
    const [message] = (await once(outgoing, 'response')) as [IncomingMessage]
    expect(message.headers['content-type']).toBe('text/event-stream')
    await once(message, 'data')
    await once(message, 'data')
    outgoing.destroy()
    await over
  })

  test('P9: a client that does not read holds the far side: nothing piles up in between', async () => {
    let taken = 0
    const piece = Buffer.alloc(1_000_000)
    const port = await near(
      framework,
      await far((message, response) => {
        message.resume()
        const more = (): void => {
          if (response.destroyed || taken > 300) return
          taken += 1
          if (response.write(piece)) setImmediate(more)
          else response.once('drain', more)
        }
        more()
      }),
    )
    const outgoing = request({ host: '127.0.0.1', port, method: 'POST', path: '/write', agent: false })
    outgoing.on('error', () => {})
    outgoing.end()
    const [message] = (await once(outgoing, 'response')) as [IncomingMessage]
    message.pause()
    // It stands still once the buffers of the sockets are full.
    for (let before = -1; before !== taken; await sleep(300)) before = taken
    expect(taken).toBeLessThan(40)
    message.resume()
    const held = taken
    while (taken < held + 20) await once(message, 'data')
    outgoing.destroy()
  })

  test.each(['a length', 'no length'])(
    'P9: a long answer with %s arrives byte for byte, though its memory is freed as it passes',
    async (kind) => {
      const answer = randomBytes(12_000_000)
      const port = await near(
        framework,
        await far((message, response) => {
          message.resume()
          if (kind === 'a length') response.setHeader('content-length', answer.length)
          Readable.from([answer.subarray(0, 5_000_001), answer.subarray(5_000_001)]).pipe(response)
        }),
      )
      const outgoing = request({ host: '127.0.0.1', port, method: 'POST', path: '/write', agent: false }).end()
      const [message] = (await once(outgoing, 'response')) as [IncomingMessage]
      const hash = createHash('sha256')
      let [length, pauses] = [0, 0]
      for await (const chunk of message) {
        hash.update(chunk)
        length += chunk.length
        // A reader that is slow now and then: what waits in between must still be there.
        if (length > (pauses + 1) * 1_000_000) await sleep(1 + (pauses++ % 5))
      }
      expect(length).toBe(answer.length)
      expect(hash.digest('hex')).toBe(createHash('sha256').update(answer).digest('hex'))
      // The connection is as good as before.
      expect((await ask(port, { body: blob(10) })).body.length).toBe(answer.length)
    },
  )

  test('P9: a client that hangs up before the answer ends the far side too', async () => {
    let isBegun: (() => void) | undefined
    const begun = new Promise<void>((resolve) => {
      isBegun = resolve
    })
    let isOver: (() => void) | undefined
    const over = new Promise<void>((resolve) => {
      isOver = resolve
    })
    const port = await near(
      framework,
      await far((_, response) => {
        isBegun?.()
        response.once('close', () => isOver?.())
      }),
    )
    const outgoing = request({ host: '127.0.0.1', port, method: 'POST', path: '/write', agent: false })
    outgoing.on('error', () => {})
    outgoing.end()
    await begun
    outgoing.destroy()
    await over
  })

  test('P7: states and hops that a client invents steer nothing: no other host is contacted, and no state passes', async () => {
    const { seen, listener } = recorder()
    const port = await near(framework, await far(listener))
    const headers = {
      host: '169.254.169.254',
      'x-forwarded-host': 'evil.example',
      'fly-replay-src': 'region=evil;state=x',
      'headwater-region': 'evil',
      'fly-prefer-region': 'evil',
    }
    expect((await ask(port, { body: blob(10), headers })).status).toBe(201)
    const forged = { 'headwater-state': `hw2.abc.write.${'A'.repeat(22)}.${'B'.repeat(43)}` }
    expect((await ask(port, { body: blob(10), headers: forged })).status).toBe(503)
    const foreign = signState(['another secret of 16'], { method: 'POST', url: '/write?a=1' }, 'write', Date.now())
    expect((await ask(port, { body: blob(10), headers: { 'headwater-state': foreign } })).status).toBe(503)
    expect(seen).toHaveLength(1)
    const own = signState([SECRET], { method: 'POST', url: '/write?a=1' }, 'write', Date.now())
    // Replayed, and still not at home: never a second hop.
    expect((await ask(port, { body: blob(10), headers: { 'headwater-state': own } })).status).toBe(503)
    expect(seen).toHaveLength(1)
  })
})

describe('forward()', () => {
  test('P9: with Expect the body is asked for, and arrives', async () => {
    const { seen, listener } = recorder()
    const port = await near('Express 5', await far(listener))
    const outgoing = request({
      host: '127.0.0.1',
      port,
      method: 'POST',
      path: '/write',
      agent: false,
      headers: { expect: '100-continue', 'content-length': '5' },
    })
    outgoing.flushHeaders()
    await once(outgoing, 'continue')
    outgoing.end('hello')
    const [message] = (await once(outgoing, 'response')) as [IncomingMessage]
    message.resume()
    expect([message.statusCode, seen[0]?.body.toString()]).toEqual([201, 'hello'])
  })

  test('P9: HTTP/2 in front, with trailers, a body without a length, and no header that HTTP/2 forbids', async () => {
    let got: IncomingMessage | undefined
    const farPort = await far(async (message, response) => {
      got = message
      const { length } = await bytesOf(message)
      response.writeHead(200, { trailer: 'x-sum', 'keep-alive': 'timeout=5' })
      response.write(`got ${length}`)
      response.addTrailers({ 'x-sum': '1' })
      response.end()
    })
    const replayTarget = forward({ regions: { ams: `http://127.0.0.1:${farPort}` } })
    const listener = NEAR['Koa 3']?.({ pool: { topology: away }, secret: SECRET, replayTarget })
    const server = createHttp2Server(listener as never)
    const port = await listen(server)
    const session = connectHttp2(`http://127.0.0.1:${port}`)
    opened.unshift({ close: () => session.destroy() })
    const stream = session.request({ ':method': 'POST', ':path': '/write', 'x-a': '1' })
    let trailers: unknown
    stream.once('trailers', (headers) => {
      trailers = headers['x-sum']
    })
    stream.end(blob(70_000))
    const [headers] = await once(stream, 'response')
    expect([headers[':status'], (await bytesOf(stream)).toString(), trailers]).toEqual([200, 'got 70000', '1'])
    expect([got?.headers.host, got?.headers['x-a']]).toEqual([`127.0.0.1:${port}`, '1'])
  })

  test('P9: a region that accepts nothing in time has received nothing; the stand-in gets it', async () => {
    const { seen, listener } = recorder()
    const standIn = await far(listener)
    const regions = (region: string) => `http://127.0.0.1:${region === 'ams' ? 1 : standIn}`
    const port = await near('Express 5', 0, {
      forward: { regions },
      pool: { topology: Object.freeze({ ...away, standIns: ['fra'] }) },
    })
    expect((await ask(port, { body: blob(10) })).status).toBe(201)
    expect(seen).toHaveLength(1)
  })

  test('P9: a side that accepts and says nothing is a 502 in time, not a hang', async () => {
    const silent = createTcpServer((socket) => void opened.unshift({ close: () => socket.destroy() }))
    const port = await near('Express 5', await listen(silent), { forward: { answerTimeoutMillis: 200 } })
    expect((await ask(port, { body: blob(10) })).status).toBe(502)
  })

  test('P9: an unlisted region is not contacted: 503, and a warning to the logger that names it', async () => {
    const said: string[] = []
    const logger = { info: () => {}, warn: (message: string) => said.push(message) }
    const { listener, seen } = recorder()
    const farPort = await far(listener)
    const regions = { fra: `http://127.0.0.1:${farPort}` }
    const port = await near('Koa 3', farPort, { forward: { regions }, logger })
    expect((await ask(port, { body: blob(10) })).status).toBe(503)
    expect(said).toContainEqual(expect.stringMatching(/HEADWATER_REGION_WITHOUT_ADDRESS: forward\(\).*region ams/))
    expect(seen).toEqual([])
  })

  test('P4: a body parser in front of headwater() leaves nothing to send on: 500 that says so, and reads work', async () => {
    const { seen, listener } = recorder()
    const replayTarget = forward({ regions: { ams: `http://127.0.0.1:${await far(listener)}` } })
    const app = express5()
    app.set('env', 'test')
    app.use(express5.raw({ type: () => true }))
    app.use(headwaterForExpress({ pool: { topology: away }, secret: SECRET, replayTarget }))
    app.use((request, response, next) => {
      work(request.url, async () => request.body ?? Buffer.alloc(0)).then((text) => response.send(text), next)
    })
    let message = ''
    app.use(((error, _request, response, _next) => {
      message = error.message
      response.sendStatus(error.status)
    }) as express5.ErrorRequestHandler)
    const port = await listen(createServer(app))
    expect((await ask(port, { path: '/read', body: blob(10) })).body.toString()).toBe('read 10 here')
    expect((await ask(port, { body: blob(10) })).status).toBe(500)
    expect(message).toContain('in front of the body parser')
    expect((await ask(port, { method: 'GET' })).status).toBe(201)
    expect(seen).toHaveLength(1)
  })

  test('P9: a middleware that waits before headwater() loses nothing of the body', async () => {
    const { seen, listener } = recorder()
    const replayTarget = forward({ regions: { ams: `http://127.0.0.1:${await far(listener)}` } })
    const app = new Koa3()
    app.silent = true
    app.use(async (_, next) => {
      await sleep(50)
      await next()
    })
    app.use(headwaterForKoa({ pool: { topology: away }, secret: SECRET, replayTarget, earlyReplay: false }))
    app.use(async (context) => {
      context.body = await work(context.url, () => bytesOf(context.req))
    })
    const port = await listen(createServer(app.callback()))
    for (const length of [10, 16_000, 300_000]) {
      const body = blob(length)
      expect((await ask(port, { body })).body.toString()).toBe(`far got ${length}`)
      expect(seen.pop()?.body.equals(body)).toBe(true)
    }
  })

  test('P9: a connection ends before the other side closes it, whatever idleTimeoutMillis allows', async () => {
    const ended: Promise<string>[] = []
    const farServer = createServer((message, response) => {
      const { socket } = message
      const isEnded = once(socket, 'end').then(() => 'ended by the sender')
      ended.push(Promise.race([isEnded, once(socket, 'close').then(() => 'closed by the app')]))
      message.resume()
      response.end('ok')
    })
    farServer.keepAliveTimeout = 2_000
    const port = await near('Koa 3', await listen(farServer), { forward: { idleTimeoutMillis: 60_000 } })
    expect((await ask(port, { body: blob(10) })).status).toBe(200)
    expect(await Promise.all(ended)).toEqual(['ended by the sender'])
    expect((await ask(port, { body: blob(10) })).status).toBe(200)
  })

  test('P9: connections are kept and used again', async () => {
    const sockets = new Set<unknown>()
    const port = await near(
      'Koa 3',
      await far((message, response) => {
        sockets.add(message.socket)
        message.resume()
        response.end('ok')
      }),
    )
    for (let n = 0; n < 20; n += 1) expect((await ask(port, { body: blob(10) })).status).toBe(200)
    expect(sockets.size).toBe(1)
  })

  test('P9: without Node’s own request, as on Bun and Deno, body and answer are the same', async () => {
    const { seen, listener } = recorder()
    const replayTarget = forward({ regions: { ams: `http://127.0.0.1:${await far(listener)}` } })
    for (const earlyReplay of [true, false]) {
      const app = new Hono()
      app.use(headwaterForHono({ pool: { topology: away }, secret: SECRET, replayTarget, earlyReplay }))
      app.onError((error, context) => context.text('failed', Reflect.get(error, 'status') ?? 500))
      app.all('*', async (context) =>
        context.text(await work(context.req.path, async () => Buffer.from(await context.req.arrayBuffer()))),
      )
      const body = blob(200_000)
      const answer = await app.request('http://app.example/write', { method: 'POST', body })
      expect([answer.status, await answer.text(), answer.headers.getSetCookie()]).toEqual([
        201,
        'far got 200000',
        ['a=1', 'b=2'],
      ])
      expect(seen.pop()?.body.equals(body)).toBe(true)
    }
  })

  test('P7: a client cannot have taken away what a proxy has noted of it, by naming that in its Connection', async () => {
    const { seen, listener } = recorder()
    const port = await near('node:http', await far(listener))
    const noted = { 'x-forwarded-for': '203.0.113.7', 'x-real-ip': '203.0.113.7', 'true-client-ip': '203.0.113.7' }
    const connection = ['close', 'x-own', ...Object.keys(noted)].join(', ')
    await ask(port, { headers: { ...noted, connection, 'x-own': 'mine' }, body: blob(1) })
    expect(seen[0]?.message.headers).toMatchObject({ ...noted, 'x-forwarded-for': '203.0.113.7, 127.0.0.1' })
    expect(seen[0]?.message.headers['x-own']).toBeUndefined()
  })

  test('P7: a request line with a whole URL in it goes to the region all the same', async () => {
    const { seen, listener } = recorder()
    const port = await near('node:http', await far(listener))
    const socket = connect(port, '127.0.0.1')
    socket.write(
      'POST http://169.254.169.254/latest HTTP/1.1\r\nhost: 169.254.169.254\r\nconnection: close\r\ncontent-length: 0\r\n\r\n',
    )
    expect((await bytesOf(socket)).toString()).toContain('201')
    expect(seen[0]?.message.url).toBe('http://169.254.169.254/latest')
  })
})

import { EventEmitter, once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2'
import { type AddressInfo, connect } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { describe, expect, test } from 'vitest'
import { gateResponse } from '../src/response/response-gate.ts'
import { send } from '../src/testing/send.ts'
import { listen } from '../src/testing/server.ts'
import { REPLAY, SlowKeeper, serve, WAIT_MILLIS } from './slow-keeper.ts'

const ended = (response: ServerResponse): Promise<unknown> => new Promise((resolve) => response.end(resolve))
const written = (response: ServerResponse, text: string): Promise<unknown> =>
  new Promise((resolve) => response.write(text, 'utf8', resolve))

async function* slowly(): AsyncGenerator<string> {
  for (const part of ['a', 'b', 'c']) {
    await new Promise((resolve) => setTimeout(resolve, 15))
    yield part
  }
}

const WAYS: readonly [string, (response: ServerResponse) => unknown, text?: string][] = [
  ['end with a body', (response) => response.end('abc')],
  ['end with a callback, twice', async (response) => [await ended(response), await ended(response)], ''],
  ['write, then end', (response) => [response.write('a'), response.write('b'), response.end('c')]],
  ['write with callbacks', async (response) => [await written(response, 'ab'), response.write('c'), response.end()]],
  ['writeHead, then end', (response) => response.writeHead(200, 'Fine', { 'x-own': '1' }).end('abc')],
  ['flushHeaders, then end', (response) => [response.flushHeaders(), response.end('abc')]],
  [
    'cork, write, uncork, end',
    (response) => [response.cork(), response.write('ab'), response.uncork(), response.end('c')],
  ],
  ['a piped stream', (response) => Readable.from(['a', 'b', 'c']).pipe(response)],
  [
    'a slow piped stream, longer than the wait',
    (response) => pipeline(Readable.from(slowly()), response).catch(() => undefined),
  ],
  ['bytes', (response) => response.end(new TextEncoder().encode('abc'))],
]

describe.each(WAYS)('a head that must wait, written by %s', (_, handle, text = 'abc') => {
  test('F2: is sent once the position is known, with what follows in order', async () => {
    const { sent, keeper } = await serve((response) => {
      response.setHeader('set-cookie', 'own=1')
      return handle(response)
    })
    expect([sent.status, sent.text, keeper.asked]).toEqual([200, text, 1])
    expect(sent.headers['set-cookie']).toEqual(['own=1', 'headwater=1'])
  })

  test('P3: a replay that is asked for meanwhile wins', async () => {
    const { sent, keeper } = await serve((response, keeper) => {
      response.setHeader('set-cookie', 'own=1')
      setTimeout(() => {
        keeper.replay = REPLAY
      }, 5)
      return handle(response)
    })
    expect([sent.status, sent.text, keeper.asked]).toEqual([409, '', 1])
    expect(Object.keys(sent.headers).sort()).toEqual(['connection', 'content-length', 'date', 'fly-replay'])
  })
})

describe('while the head waits', () => {
  test('F2: nothing is sent', async () => {
    const keeper = new SlowKeeper()
    const server = createServer((_request, response) => {
      gateResponse(response, keeper)
      response.end('abc')
    })
    await using running = await listen(server)
    let hasCome = false
    const sending = send(running.port, '/').finally(() => {
      hasCome = true
    })
    await new Promise((resolve) => setTimeout(resolve, 60))
    expect(hasCome).toBe(false)
    keeper.finish()
    expect((await sending).text).toBe('abc')
  })

  test('the response looks sent, and afterwards as it was', async () => {
    const states: unknown[] = []
    const state = (response: ServerResponse): unknown => [response.headersSent, response.writableEnded]
    const { sent } = await serve(
      async (response) => {
        states.push(state(response), response.write('a'), state(response), response.writableNeedDrain)
        for (const change of [
          () => response.setHeader('x-late', '1'),
          () => response.appendHeader('x-late', '1'),
          () => response.setHeaders(new Headers({ 'x-late': '1' })),
          () => response.removeHeader('x-early'),
          () => response.writeHead(404),
        ]) {
          expect(change).toThrow(expect.objectContaining({ code: 'ERR_HTTP_HEADERS_SENT' }))
        }
        response.statusCode = 500
        response.end()
        states.push(state(response))
        await new Promise((resolve) => response.once('finish', resolve))
        states.push(state(response), Object.hasOwn(response, 'headersSent'), Object.hasOwn(response, 'setHeader'))
      },
      (response) => response.setHeader('x-early', '1'),
    )
    expect(states).toEqual([[false, false], false, [true, false], true, [true, true], [true, true], false, false])
    expect([sent.status, sent.headers['x-early'], sent.headers['x-late']]).toEqual([200, '1', undefined])
  })

  test("a source that waits for 'drain' goes on", async () => {
    const { sent } = await serve(async (response) => {
      expect(response.write('a')).toBe(false)
      await new Promise((resolve) => response.once('drain', resolve))
      expect(response.write('b')).toBe(true)
      response.end()
    })
    expect(sent.text).toBe('ab')
  })

  test('more than Node buffers arrives complete and in order', async () => {
    const lines = Array.from({ length: 5000 }, (_, at) => `${at} ${'x'.repeat(100)}\n`)
    const { sent } = await serve((response) => pipeline(Readable.from(lines), response))
    expect(sent.text).toBe(lines.join(''))
  })

  test('the implicit head of old middleware is not a second one', async () => {
    const { sent } = await serve((response) => {
      response.writeHead(201)
      Reflect.apply(Reflect.get(response, '_implicitHeader'), response, [])
      response.end('abc')
    })
    expect([sent.status, sent.text]).toEqual([201, 'abc'])
  })

  test('what Node would refuse is refused at once', async () => {
    const { sent } = await serve((response) => {
      expect(() => response.writeHead(99)).toThrow(RangeError)
      expect(() => response.writeHead(200, { 'x-bad': 'a\nb' })).toThrow(TypeError)
      response.writeHead(200)
      expect(() => response.write(Reflect.apply(Number, undefined, [42]))).toThrow(TypeError)
      expect(() => response.end({})).toThrow(TypeError)
      response.end('abc')
    })
    expect([sent.status, sent.text, sent.headers['set-cookie']]).toEqual([200, 'abc', ['headwater=1']])
  })

  test('an error while the held response is sent cuts that connection, and nothing else', async () => {
    const handling = serve(
      (response) => response.end('abc'),
      (response) => {
        response.writeHead = () => {
          throw new RangeError('a wrapper of the app fails')
        }
      },
    )
    await expect(handling).rejects.toThrow(/hang up|reset/i)
  })

  test('a client that hangs up leaves nothing behind', async () => {
    const keeper = new SlowKeeper()
    const events = new EventEmitter()
    const closed = once(events, 'closed')
    const server = createServer((_request, response) => {
      gateResponse(response, keeper)
      let told: unknown = 'nothing'
      response.write('a', (error) => {
        told = error?.message
      })
      response.once('close', () => {
        setImmediate(() => events.emit('closed', Object.hasOwn(response, 'headersSent'), told, keeper.asked))
      })
    })
    await using running = await listen(server)
    const socket = connect(running.port, '127.0.0.1')
    socket.on('error', () => {})
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    setTimeout(() => socket.destroy(), 30)
    expect(await closed).toEqual([false, expect.stringMatching(/destroyed/), 1])
    keeper.finish()
    await new Promise((resolve) => setImmediate(resolve))
    expect(keeper.asked).toBe(1)
  })
})

test('pipelined requests are answered in order, while the first one waits', async () => {
  const [first, second] = [new SlowKeeper(), new SlowKeeper()]
  second.finish()
  const server = createServer((request, response) => {
    gateResponse(response, request.url === '/1' ? first : second)
    response.write(request.url)
    response.end('.')
    if (request.url === '/2') setTimeout(() => first.finish(), WAIT_MILLIS)
  })
  await using running = await listen(server)
  const socket = connect(running.port, '127.0.0.1').setEncoding('utf8')
  let text = ''
  socket.on('data', (chunk) => {
    text += String(chunk)
  })
  socket.write('GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  await once(socket, 'close')
  expect(text.match(/\/\d\r|headwater=1/g)).toEqual(['headwater=1', '/1\r', 'headwater=1', '/2\r'])
})

test('HTTP/2: the head waits, also one without a body, and nothing warns', async () => {
  const warnings: Error[] = []
  const warn = (warning: Error): void => {
    warnings.push(warning)
  }
  process.on('warning', warn)
  const server = createHttp2Server((request, response) => {
    const keeper = new SlowKeeper()
    gateResponse(response as unknown as ServerResponse, keeper)
    setTimeout(() => keeper.finish(), WAIT_MILLIS)
    if (request.url === '/body') response.write('a')
    response.end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connectHttp2(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  try {
    for (const path of ['/body', '/empty']) {
      const stream = client.request({ ':path': path })
      const [headers] = await once(stream, 'response')
      expect([headers[':status'], headers['set-cookie']]).toEqual([200, ['headwater=1']])
      let text = ''
      for await (const chunk of stream) text += String(chunk)
      expect(text).toBe(path === '/body' ? 'a' : '')
    }
    expect(warnings).toEqual([])
  } finally {
    process.off('warning', warn)
    client.close()
    server.close()
    await once(server, 'close')
  }
})

import { EventEmitter, once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2'
import { type AddressInfo, connect } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ReplayAnswer } from '../src/replay/replay-target.ts'
import { gateResponse, type HeadKeeper } from '../src/response/response-gate.ts'
import type { ResponseHead } from '../src/response/response-head.ts'
import { listen } from './app-under-test.ts'
import { type Sent, send } from './send.ts'

const REPLAY: ReplayAnswer = { status: 409, headers: { 'fly-replay': 'region=ams', 'content-length': '0' } }
const WAIT = 30

/** A keeper that settles when it is told to, and then puts a cookie on the head. */
class SlowKeeper implements HeadKeeper {
  mustSettle = true
  hasToTell = true
  replay: ReplayAnswer | undefined
  asked = 0
  readonly #events = new EventEmitter()
  readonly #settled = once(this.#events, 'settled')

  async settle(): Promise<void> {
    await this.#settled
  }

  finish(): void {
    this.#events.emit('settled')
  }

  head(): ReplayAnswer | undefined {
    this.asked += 1
    return this.replay
  }

  tell(head: ResponseHead): void {
    head.addCookie('headwater=1')
    head.set('headwater-token', String(head.get('vary')))
  }
}

interface Served {
  readonly sent: Sent
  readonly keeper: SlowKeeper
}

/** Serves one request behind a gate that holds back for 30 ms, unless the handler ends that itself. */
async function serve(
  handle: (response: ServerResponse, keeper: SlowKeeper) => unknown,
  before: (response: ServerResponse) => void = () => {},
): Promise<Served> {
  const keeper = new SlowKeeper()
  let handled: Promise<unknown> = Promise.resolve()
  const server = createServer((_request, response) => {
    before(response)
    gateResponse(response, keeper)
    setTimeout(() => keeper.finish(), WAIT)
    handled = Promise.resolve(handle(response, keeper))
  })
  await using running = await listen(server)
  const sent = await send(running.port, '/')
  await handled
  return { sent, keeper }
}

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

describe.each(WAYS)('a head that has to wait, by %s', (_, handle, text = 'abc') => {
  test('F2: is sent once it is settled, with what follows in order', async () => {
    const { sent, keeper } = await serve((response) => {
      response.setHeader('set-cookie', 'own=1')
      return handle(response)
    })
    expect([sent.status, sent.text, keeper.asked]).toEqual([200, text, 1])
    expect(sent.headers['set-cookie']).toEqual(['own=1', 'headwater=1'])
  })

  test('P3: a replay that comes up meanwhile wins', async () => {
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

  test('the response looks sent, and as it was after', async () => {
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

  test('more than Node buffers comes whole and in order', async () => {
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

  test('an error that comes up when it is sent at last cuts the connection, and nothing else', async () => {
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

describe('whatever a handler does', () => {
  type Step = 'write' | 'write empty' | 'head' | 'flush' | 'cork' | 'uncork' | 'tick' | 'wait' | 'release'
  const step = fc.constantFrom<Step>(
    'write',
    'write empty',
    'head',
    'flush',
    'cork',
    'uncork',
    'tick',
    'wait',
    'release',
  )

  /** Follows the steps, and gives back all that it could see of the response, error codes included. */
  async function follow(steps: readonly Step[], response: ServerResponse, release: () => void): Promise<unknown[]> {
    const seen: unknown[] = []
    const called: string[] = []
    let corked = 0
    const deeds: Record<Step, (at: number) => unknown> = {
      write: (at) => response.write(`${at};`, () => called.push(`wrote ${at}`)),
      'write empty': () => response.write(''),
      head: (at) => response.writeHead(200 + at, { 'x-at': at }),
      flush: () => response.flushHeaders(),
      cork: () => {
        corked += 1
        response.cork()
      },
      uncork: () => {
        if (corked > 0) response.uncork()
        corked = Math.max(0, corked - 1)
      },
      tick: () => new Promise((resolve) => setImmediate(resolve)),
      wait: () => new Promise((resolve) => setTimeout(resolve, 2)),
      release: () => release(),
    }
    for (const [at, name] of steps.entries()) {
      try {
        await deeds[name](at)
      } catch (error) {
        seen.push(Reflect.get(Object(error), 'code'))
      }
      seen.push(response.headersSent, response.writableEnded)
    }
    for (; corked > 0; corked -= 1) response.uncork()
    response.end('end', () => called.push('ended'))
    seen.push(response.headersSent, response.writableEnded)
    release()
    if (!response.writableFinished) await once(response, 'finish')
    // When callbacks run is not promised; their order is.
    return [...seen, ...called]
  }

  async function answer(steps: readonly Step[], isGated: boolean): Promise<unknown> {
    const keeper = new SlowKeeper()
    let seen: Promise<unknown[]> = Promise.resolve([])
    const server = createServer((_request, response) => {
      if (isGated) gateResponse(response, keeper)
      seen = follow(steps, response, () => keeper.finish())
    })
    await using running = await listen(server)
    const { status, text, headers } = await send(running.port, '/')
    const { date: _, 'set-cookie': cookies, 'headwater-token': __, ...rest } = headers
    expect(cookies).toEqual(isGated ? ['headwater=1'] : undefined)
    return { status, text, rest, seen: await seen }
  }

  test('comes out of a held response as it does of a plain one', async () => {
    const property = fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      expect(await answer(steps, true)).toEqual(await answer(steps, false))
    })
    await fc.assert(property, { numRuns: 150 })
  })
})

test('pipelined requests are answered in order, while the first one waits', async () => {
  const [first, second] = [new SlowKeeper(), new SlowKeeper()]
  second.finish()
  const server = createServer((request, response) => {
    gateResponse(response, request.url === '/1' ? first : second)
    response.write(request.url)
    response.end('.')
    if (request.url === '/2') setTimeout(() => first.finish(), WAIT)
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
    setTimeout(() => keeper.finish(), WAIT)
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

describe('what writeHead is given', () => {
  const GIVEN: readonly [string, unknown[]][] = [
    ['an object', [{ 'Set-Cookie': ['own=1', 'two=2'], Vary: 'Accept' }]],
    ['a message and an object', ['Fine', { 'set-cookie': ['own=1', 'two=2'], vary: 'Accept' }]],
    ['no message and an object', [undefined, { 'set-cookie': ['own=1', 'two=2'], vary: 'Accept' }]],
    ['a list', [['Set-Cookie', 'own=1', 'VARY', 'Accept', 'set-cookie', 'two=2']]],
    [
      'a list of pairs',
      [
        'Fine',
        [
          ['set-cookie', 'own=1'],
          ['vary', 'Accept'],
          ['Set-Cookie', 'two=2'],
        ],
      ],
    ],
  ]

  test.each(GIVEN)('%s neither loses ours nor is lost, waiting or not', async (_, args) => {
    for (const mustSettle of [true, false]) {
      const { sent } = await serve((response, keeper) => {
        keeper.mustSettle = mustSettle
        response.setHeader('set-cookie', 'replaced=1')
        Reflect.apply(response.writeHead, response, [201, ...args])
        response.end('abc')
      })
      expect([sent.status, sent.text]).toEqual([201, 'abc'])
      expect(sent.headers).toMatchObject({
        'set-cookie': ['own=1', 'two=2', 'headwater=1'],
        vary: 'Accept',
        'headwater-token': 'Accept',
      })
    }
  })

  test('a list that is out of step is refused at once', async () => {
    const { sent } = await serve((response) => {
      expect(() => Reflect.apply(response.writeHead, response, [200, ['a', 'b', 'c']])).toThrow(TypeError)
      response.end('abc')
    })
    expect(sent.headers['set-cookie']).toEqual(['headwater=1'])
  })

  test('a list of cookies that the app shares between responses is not changed', async () => {
    const shared = ['own=1']
    const { sent } = await serve((response) => response.setHeader('set-cookie', shared).end())
    expect([sent.headers['set-cookie'], shared]).toEqual([['own=1', 'headwater=1'], ['own=1']])
  })
})

test('F1: the head of an error page behind one that Node refused is told the same', async () => {
  const { sent } = await serve((response, keeper) => {
    keeper.mustSettle = false
    expect(() => response.writeHead(200, { 'x-bad': 'a\nb' })).toThrow(TypeError)
    for (const name of response.getHeaderNames()) response.removeHeader(name)
    response.statusCode = 500
    response.end('abc')
  })
  expect([sent.status, sent.text, sent.headers['set-cookie']]).toEqual([500, 'abc', ['headwater=1']])
})

test('a keeper with nothing to tell leaves raw headers as they were given', async () => {
  const { sent } = await serve((response, keeper) => {
    keeper.mustSettle = false
    keeper.hasToTell = false
    response.writeHead(200, ['X-One', '1', 'x-one', '2']).end()
  })
  expect(sent.rawHeaders.slice(0, 4)).toEqual(['X-One', '1', 'x-one', '2'])
})

/** How the compression package (1.7 and before, and 1.8) wraps a response: its bytes here are upper case. */
function compress(response: ServerResponse, isOld: boolean): void {
  const { writeHead, write, end } = response
  let hasFired = false
  const isSent = (): boolean => (isOld ? Boolean(Reflect.get(response, '_header')) : response.headersSent)
  const implicit = (): void => {
    if (isSent()) return
    if (isOld) Reflect.apply(Reflect.get(response, '_implicitHeader'), response, [])
    else response.writeHead(response.statusCode)
  }
  response.writeHead = (...args: unknown[]) => {
    if (!hasFired) {
      hasFired = true
      response.setHeader('content-encoding', 'shout')
      response.removeHeader('content-length')
    }
    return Reflect.apply(writeHead, response, args)
  }
  response.write = (chunk: unknown) => {
    implicit()
    return Reflect.apply(write, response, [String(chunk).toUpperCase()])
  }
  response.end = (chunk?: unknown) => {
    implicit()
    if (typeof chunk === 'string') Reflect.apply(write, response, [chunk.toUpperCase()])
    return Reflect.apply(end, response, [])
  }
}

describe.each([
  ['of old', true],
  ['of today', false],
])('a compression middleware %s', (_, isOld) => {
  const handle = (response: ServerResponse): void => {
    response.setHeader('content-length', 4)
    response.write('ab')
    response.write('c')
    response.end('d')
  }
  const expectShout = ({ sent }: Served): void => {
    expect([sent.text, sent.headers['content-encoding'], sent.headers['set-cookie']]).toEqual([
      'ABCD',
      'shout',
      ['headwater=1'],
    ])
  }

  test('before ours works', async () => {
    expectShout(await serve(handle, (response) => compress(response, isOld)))
  })

  test('after ours works', async () => {
    expectShout(
      await serve((response) => {
        compress(response, isOld)
        handle(response)
      }),
    )
  })
})

/** How express-session wraps a response: the head and all but the last byte go out, then it saves, then the rest. */
function keepSession(response: ServerResponse): void {
  const { writeHead, write, end } = response
  let hasFired = false
  response.writeHead = (...args: unknown[]) => {
    if (!hasFired) {
      hasFired = true
      const before = response.getHeader('set-cookie') ?? []
      response.setHeader('set-cookie', [...(Array.isArray(before) ? before : [String(before)]), 'sid=1'])
    }
    return Reflect.apply(writeHead, response, args)
  }
  response.end = (chunk: unknown) => {
    const body = String(chunk)
    if (!Reflect.get(response, '_header')) Reflect.apply(Reflect.get(response, '_implicitHeader'), response, [])
    Reflect.apply(write, response, [body.slice(0, -1)])
    setTimeout(() => Reflect.apply(end, response, [body.slice(-1)]), 5)
    return response
  }
}

describe('a session middleware', () => {
  const handle = (response: ServerResponse): unknown => response.setHeader('content-length', 3).end('abc')

  test('before ours sets its cookie beside ours', async () => {
    const { sent } = await serve(handle, keepSession)
    expect([sent.text, sent.headers['set-cookie']]).toEqual(['abc', ['headwater=1', 'sid=1']])
  })

  test('after ours sets its cookie beside ours', async () => {
    const { sent } = await serve((response) => {
      keepSession(response)
      return handle(response)
    })
    expect([sent.text, sent.headers['set-cookie']]).toEqual(['abc', ['sid=1', 'headwater=1']])
  })
})

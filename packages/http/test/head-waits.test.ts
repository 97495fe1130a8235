import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2'
import { type AddressInfo, connect } from 'node:net'
import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { gateResponse } from '../src/response/response-gate.ts'
import { listen } from '../src/testing/server.ts'
import { REPLAY, SlowKeeper } from './slow-keeper.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const pause = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis))
const HEAD_END = '\r\n\r\n'

/** A keeper that has nothing to ask the primary. */
class IdleKeeper extends SlowKeeper {
  override mustCapturePosition = false
}

/** One connection: what was sent on it, and whether it was closed. */
interface Wire {
  readonly text: () => string
  readonly isClosed: () => boolean
  readonly send: (text: string) => void
}

interface Case {
  readonly keeper: IdleKeeper
  readonly response: ServerResponse
  readonly wire: Wire
}

/** Sends one request, and gives the gated response to a test. The connection is kept alive, as a proxy's is. */
async function withResponse(method: string, run: (given: Case) => Promise<void>): Promise<void> {
  const keeper = new IdleKeeper()
  let take: (response: ServerResponse) => void = () => {}
  const taken = new Promise<ServerResponse>((resolve) => {
    take = resolve
  })
  const server = createServer((request, response) => {
    if (request.url === '/next') return void response.end('next')
    gateResponse(response, keeper)
    take(response)
  })
  await using running = await listen(server)
  const socket = connect(running.port, '127.0.0.1').setEncoding('latin1')
  socket.on('error', () => {})
  let text = ''
  socket.on('data', (data) => {
    text += String(data)
  })
  const send = (line: string): unknown => socket.write(`${line} HTTP/1.1\r\nHost: a\r\n\r\n`)
  send(`${method} /`)
  try {
    const response = await taken
    await run({ keeper, response, wire: { text: () => text, isClosed: () => socket.destroyed, send } })
  } finally {
    socket.destroy()
  }
}

async function expectNothing({ text }: Wire): Promise<void> {
  await pause(20)
  expect(text()).toBe('')
}

const expectText = ({ text }: Wire, part: string): Promise<void> => expect.poll(text, { interval: 2 }).toContain(part)

/** Ways to begin an answer that a session middleware or a handler ends later. */
const SHORT: Readonly<
  Record<string, { method?: string; begin: (response: ServerResponse) => unknown; rest?: string }>
> = {
  'all but the last byte': {
    begin: (response) => response.setHeader('content-length', 3).write('ab'),
    rest: 'c',
  },
  'all but the last byte, the length given to writeHead': {
    begin: (response) => response.writeHead(200, { 'Content-Length': '3' }).write('ab'),
    rest: 'c',
  },
  'all but the last byte of a long body': {
    begin: (response) => response.setHeader('content-length', 300_001).write('x'.repeat(300_000)),
    rest: 'c',
  },
  'half of a short body, in characters of several bytes': {
    begin: (response) => response.setHeader('content-length', 4).write('é'),
    rest: 'é',
  },
  'a flushed head with a length': {
    begin: (response) => response.setHeader('content-length', 1).flushHeaders(),
    rest: 'c',
  },
  'a head alone': { begin: (response) => response.writeHead(302, { location: '/' }) },
  'the head of a HEAD': {
    method: 'HEAD',
    begin: (response) => response.setHeader('content-length', 1e9).writeHead(200),
  },
  'a flushed 204': { begin: (response) => [response.writeHead(204), response.flushHeaders()] },
  'a flushed 304': { begin: (response) => [response.writeHead(304), response.flushHeaders()] },
}

describe.each(Object.entries(SHORT))('P11: %s', (_, { method = 'GET', begin, rest }) => {
  test('waits for the end, and then goes out whole, with the token of what happened meanwhile', () =>
    withResponse(method, async ({ keeper, response, wire }) => {
      begin(response)
      expect(response.headersSent).toBe(true)
      await expectNothing(wire)
      expect(keeper.asked).toBe(0)
      response.end(rest)
      await expectText(wire, HEAD_END)
      expect(wire.text()).toContain('headwater=1')
      if (rest !== undefined) await expectText(wire, Buffer.from(rest).toString('latin1'))
      expect(keeper.asked).toBe(1)
    }))

  test('is replayed as a whole when a write that comes behind it asks for that', () =>
    withResponse(method, async ({ keeper, response, wire }) => {
      begin(response)
      await turn()
      keeper.replay = REPLAY
      response.end(rest)
      await expectText(wire, HEAD_END)
      expect(wire.text()).toMatch(/^HTTP\/1.1 409 Replay\r\n/)
      // An app that takes its answer for sent may cut the connection.
      expect(wire.text()).toMatch(/connection: close/i)
      expect(wire.text().endsWith(HEAD_END)).toBe(true)
    }))

  test('leaves nothing behind when the client hangs up, or the app cuts it', () =>
    withResponse(method, async ({ keeper, response, wire }) => {
      begin(response)
      await turn()
      response.destroy()
      await once(response, 'close')
      await expect.poll(wire.isClosed).toBe(true)
      expect([keeper.asked, Object.hasOwn(response, 'headersSent'), wire.text()]).toEqual([1, false, ''])
    }))
})

/** Ways to begin an answer that streams. */
const STREAMS: Readonly<Record<string, (response: ServerResponse) => unknown>> = {
  'a first chunk': (response) => response.write('first'),
  'an event': (response) => response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: first\n\n'),
  'a flushed head': (response) => [response.setHeader('x-first', '1'), response.flushHeaders()],
  'a pipe': (response) => Readable.from(['first', 'second']).pipe(response, { end: false }),
  'the first chunk of a long file': (response) =>
    response.setHeader('content-length', 70_000).write(`first${'x'.repeat(65_000)}`),
  'all of a declared body, without an end': (response) => response.setHeader('content-length', 5).write('first'),
  'more than a HEAD would ever need': (response) => response.write(`first${'x'.repeat(100_000)}`),
}

describe.each(Object.entries(STREAMS))('P11: %s', (_, begin) => {
  test('goes out in the turn in which it was written', () =>
    withResponse('GET', async ({ keeper, response, wire }) => {
      begin(response)
      await turn()
      await turn()
      expect(keeper.asked).toBe(1)
      await expectText(wire, 'first')
      response.destroy()
    }))
})

describe('P11: a body that begins without its length', () => {
  test('waits for a write that begins in the same turn', () =>
    withResponse('GET', async ({ keeper, response, wire }) => {
      response.write('first')
      await Promise.resolve()
      keeper.mustCapturePosition = true
      await expectNothing(wire)
      keeper.finish()
      await expectText(wire, 'first')
      response.end()
    }))

  test('is replayed when a write in the same turn asks for that', () =>
    withResponse('GET', async ({ keeper, response, wire }) => {
      expect(response.write('first')).toBe(true)
      await Promise.resolve()
      keeper.replay = REPLAY
      await expectText(wire, '409 Replay')
      response.end()
    }))

  test('P4: is not replayed any more in the next turn', () =>
    withResponse('GET', async ({ keeper, response, wire }) => {
      response.write('first')
      await turn()
      await turn()
      keeper.replay = REPLAY
      await expectText(wire, 'first')
      response.end('.')
      await expectText(wire, '.')
      expect(wire.text()).toContain('200 OK')
    }))
})

test('P11: whoever waits for the callback of a write before sending the rest does not wait forever', () =>
  withResponse('GET', async ({ response, wire }) => {
    response.setHeader('content-length', 3)
    await new Promise((resolve) => response.write('ab', resolve))
    response.end('c')
    await expectText(wire, 'abc')
  }))

test('a source that pipes a short body slowly is not stopped', () =>
  withResponse('GET', async ({ response, wire }) => {
    const parts = ['x'.repeat(20_000), 'y'.repeat(20_000), 'z'.repeat(20_000)]
    response.setHeader('content-length', 60_000)
    Readable.from(parts).pipe(response)
    await expectText(wire, 'yz')
  }))

test('P3: nothing that the app still says gets behind a replay on its connection', () =>
  withResponse('GET', async ({ keeper, response, wire }) => {
    keeper.replay = REPLAY
    response.write('swallowed')
    response.writeContinue()
    response.writeProcessing()
    const hinted = new Promise<void>((resolve) => response.writeEarlyHints({ link: '</a>; rel=preload' }, resolve))
    await hinted
    response.end('swallowed')
    await expectText(wire, HEAD_END)
    expect(wire.text()).not.toMatch(/connection: close/i)
    wire.send('GET /next')
    await expectText(wire, 'next')
    expect(wire.text().match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 409', 'HTTP/1.1 200'])
  }))

test('informational answers go out while the head waits', () =>
  withResponse('GET', async ({ response, wire }) => {
    response.writeHead(200, { 'content-length': '3' })
    response.write('ab')
    response.writeProcessing()
    response.writeEarlyHints({ link: '</a>; rel=preload' })
    await expectText(wire, '103 Early Hints')
    response.end('c')
    await expectText(wire, 'abc')
    expect(wire.text().match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 102', 'HTTP/1.1 103', 'HTTP/1.1 200'])
  }))

test('a response that waits can be taken off its socket, and put on it again', () =>
  withResponse('GET', async ({ response, wire }) => {
    const { socket } = response
    if (socket === null) throw new Error('the response has no socket')
    response.setHeader('content-length', 3).write('ab')
    response.detachSocket(socket)
    await turn()
    response.end('c')
    await expectNothing(wire)
    response.assignSocket(socket)
    await expectText(wire, 'abc')
  }))

test('events come as they do without a gate', async () => {
  const seen: Record<string, readonly string[]> = {}
  for (const isGated of [true, false]) {
    const events: string[] = []
    const server = createServer((_request, response) => {
      if (isGated) gateResponse(response, new IdleKeeper())
      for (const event of ['prefinish', 'finish', 'close', 'drain', 'error']) {
        response.on(event, () => {
          events.push(`${event} ${response.headersSent} ${response.writableEnded} ${response.writableFinished}`)
        })
      }
      response.setHeader('content-length', 3)
      response.write('ab', () => events.push('wrote'))
      setTimeout(() => response.end('c', () => events.push('ended')), 5)
    })
    await using running = await listen(server)
    expect(await (await fetch(`http://127.0.0.1:${running.port}`)).text()).toBe('abc')
    await expect.poll(() => events.at(-1)).toMatch(/^close/)
    seen[String(isGated)] = events
  }
  expect(seen['true']).toEqual(seen['false'])
})

describe('HTTP/2', () => {
  /** One request over HTTP/2 to a gated response: its status, its body, how often the keeper was asked. Expects no warning. */
  async function ask(handle: (response: ServerResponse, keeper: IdleKeeper) => void): Promise<readonly unknown[]> {
    const keeper = new IdleKeeper()
    const warnings: Error[] = []
    const warn = (warning: Error): number => warnings.push(warning)
    process.on('warning', warn)
    const server = createHttp2Server((_request, response) => {
      gateResponse(response as unknown as ServerResponse, keeper)
      handle(response as unknown as ServerResponse, keeper)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const client = connectHttp2(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    try {
      const stream = client.request({ ':path': '/' })
      const [headers] = await once(stream, 'response')
      let text = ''
      for await (const chunk of stream) text += String(chunk)
      expect(warnings).toEqual([])
      return [headers[':status'], text, keeper.asked]
    } finally {
      process.off('warning', warn)
      client.close()
      server.close()
      await once(server, 'close')
    }
  }

  test('P11: waits for the end of a short body, whose write asks for a replay', async () => {
    const answer = await ask((response, keeper) => {
      response.writeHead(200, { 'content-length': 3 })
      response.write('ab')
      setTimeout(() => {
        keeper.replay = REPLAY
        response.end('c')
      }, 10)
    })
    expect(answer).toEqual([409, '', 1])
  })

  test('P11: waits for the end of a short body', async () => {
    const answer = await ask((response) => {
      response.setHeader('content-length', 3)
      response.write('ab')
      setTimeout(() => response.end('c'), 10)
    })
    expect(answer).toEqual([200, 'abc', 1])
  })

  test('sends a head alone at once, as without a gate', async () => {
    let askedBefore = -1
    const answer = await ask((response, keeper) => {
      response.writeHead(200)
      setTimeout(() => {
        askedBefore = keeper.asked
        response.end('abc')
      }, 10)
    })
    expect([askedBefore, answer]).toEqual([1, [200, 'abc', 1]])
  })
})

import { createServer, type ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { describe, expect, test } from 'vitest'
import type { ReplayAnswer } from '../src/replay/replay-target.ts'
import { gateResponse } from '../src/response/response-gate.ts'
import { type Sent, send } from '../src/testing/send.ts'
import { listen } from '../src/testing/server.ts'

const ANSWER: ReplayAnswer = { status: 409, headers: { 'fly-replay': 'region=ams', 'content-length': '0' } }

/** Serves one request behind a gate that decides on `answer`, and waits for the handler too. */
async function serve(
  answer: ReplayAnswer | undefined,
  handle: (response: ServerResponse) => unknown,
  before: (response: ServerResponse) => void = () => {},
): Promise<{ sent: Sent; asked: number }> {
  let asked = 0
  let handled: Promise<unknown> = Promise.resolve()
  const server = createServer((_request, response) => {
    before(response)
    gateResponse(response, {
      isSpent: false,
      whenSpent: () => {},
      mustCapturePosition: false,
      hasTokenToWrite: false,
      capturePosition: async () => {},
      writeToken: () => {},
      refusalInstead: () => undefined,
      decide() {
        asked += 1
        return answer
      },
    })
    handled = Promise.resolve(handle(response))
  })
  await using running = await listen(server)
  const sent = await send(running.port, '/')
  await handled
  return { sent, asked }
}

const ended = (response: ServerResponse): Promise<unknown> => new Promise((resolve) => response.end(resolve))
const written = (response: ServerResponse): Promise<unknown> =>
  new Promise((resolve) => response.write('x', 'utf8', resolve))

async function* endless(): AsyncGenerator<string> {
  for (;;) {
    await new Promise((resolve) => setImmediate(resolve))
    yield 'more'
  }
}

const WAYS: readonly [string, (response: ServerResponse) => unknown][] = [
  ['end with a body', (response) => response.end('body')],
  ['end with a callback, twice', async (response) => [await ended(response), await ended(response)]],
  ['write, then end', (response) => response.write('a') && response.end('b')],
  ['write with a callback', async (response) => [await written(response), await ended(response)]],
  ['writeHead, then end', (response) => response.writeHead(201, 'Made', { 'x-own': '1' }).end('b')],
  ['flushHeaders, then end', (response) => [response.flushHeaders(), response.end('b')]],
  ['cork, write, uncork, end', (response) => [response.cork(), response.write('a'), response.uncork(), response.end()]],
  ['a piped stream', (response) => Readable.from(['a', 'b']).pipe(response)],
  ['an endless stream', (response) => pipeline(Readable.from(endless()), response).catch(() => undefined)],
]

describe.each(WAYS)('the gate before %s', (_, handle) => {
  test('P3: sends the replay instead, once, with nothing of the app on it', async () => {
    const { sent, asked } = await serve(ANSWER, (response) => {
      response.statusMessage = 'Fine'
      response.setHeader('set-cookie', ['a=1', 'b=2'])
      response.setHeader('etag', '"e"')
      return handle(response)
    })
    expect([sent.status, sent.text, asked]).toEqual([409, '', 1])
    expect(Object.keys(sent.headers).sort()).toEqual(['connection', 'content-length', 'date', 'fly-replay'])
  })
})

describe.each(WAYS.slice(0, -1))('without an answer, %s', (_, handle) => {
  test('passes as it is, and is asked about once', async () => {
    const { sent, asked } = await serve(undefined, (response) => {
      response.setHeader('etag', '"e"')
      return handle(response)
    })
    expect([200, 201]).toContain(sent.status)
    expect([sent.headers.etag, asked]).toEqual(['"e"', 1])
  })
})

test('P3: session or compression middleware that wrapped the response before us does not touch a replay', async () => {
  const decorate = (response: ServerResponse): void => {
    const { writeHead, end } = response
    response.writeHead = (...args: unknown[]) => {
      response.setHeader('set-cookie', 'session=1')
      return Reflect.apply(writeHead, response, args)
    }
    response.end = (...args: unknown[]) => {
      response.setHeader('x-ended-by', 'decorator')
      return Reflect.apply(end, response, args)
    }
  }
  const replaced = await serve(ANSWER, (response) => response.end('x'), decorate)
  expect(replaced.sent.headers['set-cookie']).toBeUndefined()
  expect(replaced.sent.headers['x-ended-by']).toBeUndefined()
  const passed = await serve(undefined, (response) => response.end('x'), decorate)
  expect(passed.sent.headers).toMatchObject({ 'set-cookie': ['session=1'], 'x-ended-by': 'decorator' })
})

test('P4: a response whose head was sent before is decided at once', async () => {
  const { asked } = await serve(
    undefined,
    (response) => response.end('x'),
    (response) => response.flushHeaders(),
  )
  expect(asked).toBe(1)
})

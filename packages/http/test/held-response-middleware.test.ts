import type { ServerResponse } from 'node:http'
import { describe, expect, test } from 'vitest'
import { type Served, serve } from './slow-keeper.ts'

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

  test.each(GIVEN)('%s keeps its headers and gets our token, whether the head waits or not', async (_, args) => {
    for (const mustCapturePosition of [true, false]) {
      const { sent } = await serve((response, keeper) => {
        keeper.mustCapturePosition = mustCapturePosition
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

  test('a list with a name that has no value is refused at once', async () => {
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

test("F1: when Node refuses a head, the error page's head gets the token", async () => {
  const { sent } = await serve((response, keeper) => {
    keeper.mustCapturePosition = false
    expect(() => response.writeHead(200, { 'x-bad': 'a\nb' })).toThrow(TypeError)
    for (const name of response.getHeaderNames()) response.removeHeader(name)
    response.statusCode = 500
    response.end('abc')
  })
  expect([sent.status, sent.text, sent.headers['set-cookie']]).toEqual([500, 'abc', ['headwater=1']])
})

test('a keeper without a token leaves raw headers as they were given', async () => {
  const { sent } = await serve((response, keeper) => {
    keeper.mustCapturePosition = false
    keeper.hasTokenToWrite = false
    response.writeHead(200, ['X-One', '1', 'x-one', '2']).end()
  })
  expect(sent.rawHeaders.slice(0, 4)).toEqual(['X-One', '1', 'x-one', '2'])
})

/** Wraps a response as the compression package does (1.7 and before, and 1.8); here it turns bytes to upper case. */
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
  ['before 1.8', true],
  ['since 1.8', false],
])('compression middleware %s', (_, isOld) => {
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

  test('works before ours', async () => {
    expectShout(await serve(handle, (response) => compress(response, isOld)))
  })

  test('works after ours', async () => {
    expectShout(
      await serve((response) => {
        compress(response, isOld)
        handle(response)
      }),
    )
  })
})

/** Wraps a response as express-session does: sends the head and all but the last byte, saves, and sends the rest. */
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

  test('sets its cookie beside ours, when it comes first', async () => {
    const { sent } = await serve(handle, keepSession)
    expect([sent.text, sent.headers['set-cookie']]).toEqual(['abc', ['headwater=1', 'sid=1']])
  })

  test('sets its cookie beside ours, when it comes last', async () => {
    const { sent } = await serve((response) => {
      keepSession(response)
      return handle(response)
    })
    expect([sent.text, sent.headers['set-cookie']]).toEqual(['abc', ['sid=1', 'headwater=1']])
  })
})

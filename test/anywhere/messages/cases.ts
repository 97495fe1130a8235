import { expect } from 'vitest'
import type { WayName } from '../ways.ts'
import { COOKIES, type DeedName, FILE_NAME, type Got, NAMED_LENGTH } from './far-app.ts'
import type { Conversation, Heard } from './raw.ts'

/** One kind of message, and what has to become of it by every way. */
export interface Case {
  readonly title: string
  /** What a client sends on one connection, each by its method. */
  readonly send: (path: string) => readonly (readonly [method: string, bytes: string])[]
  readonly check: (conversation: Conversation, got: readonly Got[], path: string) => void
  /** The ways that do something else, and why. */
  readonly except?: Partial<Record<WayName, string>>
}

interface Message {
  readonly method?: string
  readonly target?: string
  readonly headers?: readonly string[]
  readonly body?: string
  readonly deed?: DeedName
  /** Whether the connection is used again. */
  readonly isKept?: boolean
}

function message(path: string, { method = 'POST', target = path, isKept = false, ...more }: Message = {}) {
  const { headers = [], body = '', deed } = more
  const isFramed = method !== 'GET' && method !== 'HEAD' && !headers.some((one) => one.startsWith('Transfer-Encoding'))
  const hasConnection = headers.some((one) => one.startsWith('Connection'))
  const lines = [
    `${method} ${target} HTTP/1.1`,
    'Host: app.example',
    ...(isKept || hasConnection ? [] : ['Connection: close']),
    ...(isFramed || (body !== '' && method === 'GET') ? [`Content-Length: ${body.length}`] : []),
    ...(deed === undefined ? [] : [`X-Do: ${deed}`]),
    ...headers,
  ]
  return [method, `${lines.join('\r\n')}\r\n\r\n${body}`] as const
}

const one = (asked: Message) => (path: string) => [message(path, asked)]
/** The same, and another on the same connection: it is not stuck, and what came before was taken for no more than it is. */
const two = (asked: Message) => (path: string) => [message(path, { ...asked, isKept: true }), message(path)]

const all = (from: Heard | Got | undefined, name: string): string[] =>
  from?.headers.filter(([key]) => key === name).map(([, value]) => value) ?? []
const first = (from: Heard | Got | undefined, name: string): string | undefined => all(from, name)[0]
const statuses = ({ answers }: Conversation): number[] => answers.map(({ status }) => status)

const KEY = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='
const NO_HINTS = 'it knows no 1xx answers'
const NO_TRAILERS = 'it drops trailers'
const nginx = (why: string) => ({ 'nginx error_page': why, 'nginx accel': why })

export const CASES: readonly Case[] = [
  {
    title: 'a HEAD, with the length that a GET would have',
    send: two({ method: 'HEAD', deed: 'length' }),
    check({ answers }, [got]) {
      expect(first(answers[0], 'content-length')).toBe(String(NAMED_LENGTH))
      expect([got?.method, answers[1]?.body]).toEqual(['HEAD', 'POST 0'])
    },
  },
  {
    title: 'a HEAD of unknown length',
    send: two({ method: 'HEAD', deed: 'no length' }),
    check({ answers }) {
      expect(first(answers[0], 'content-length')).toBeUndefined()
      expect(answers[1]?.body).toBe('POST 0')
    },
  },
  {
    title: 'a 204, with no length made up',
    send: two({ deed: '204' }),
    check(conversation) {
      const [answer] = conversation.answers
      expect(statuses(conversation)).toEqual([204, 200])
      expect([first(answer, 'content-length'), first(answer, 'transfer-encoding')]).toEqual([undefined, undefined])
    },
  },
  {
    title: 'a 304, with no length made up',
    send: two({ method: 'GET', deed: '304' }),
    check(conversation) {
      const [answer] = conversation.answers
      expect(statuses(conversation)).toEqual([304, 200])
      expect([first(answer, 'content-length'), first(answer, 'transfer-encoding')]).toEqual([undefined, undefined])
      expect(first(answer, 'etag')).toBe('"a"')
    },
  },
  {
    title: 'a 304 that names a length',
    send: two({ method: 'GET', deed: '304 with a length' }),
    check(conversation) {
      expect(statuses(conversation)).toEqual([304, 200])
      expect(first(conversation.answers[0], 'content-length')).toBe(String(NAMED_LENGTH))
    },
  },
  {
    title: 'an answer behind which the other side closes its connection',
    send: two({ deed: 'close' }),
    check: ({ answers }) => expect(answers.map(({ body }) => body)).toEqual(['closed', 'POST 0']),
  },
  {
    title: 'an answer that ends with its connection',
    send: one({ deed: 'end with the connection' }),
    check: ({ answers }) => expect(answers[0]?.body).toBe('until the end'),
  },
  {
    title: 'a cookie of 12 KB',
    send: one({ headers: [`Cookie: a=${'v'.repeat(12_000)}`], body: 'abc' }),
    check({ answers }, [got]) {
      expect(answers[0]?.body).toBe('POST 3')
      expect(first(got, 'cookie')).toHaveLength(12_002)
    },
  },
  {
    title: 'a head that is as long as Node takes, and a body',
    send: one({ headers: [1, 2].map((at) => `X-Long-${at}: ${'v'.repeat(7_900)}`), body: 'b'.repeat(300_000) }),
    // What a hop adds may be too much.
    check: (conversation) => expect([[200], [431]]).toContainEqual(statuses(conversation)),
  },
  {
    title: 'a head of 40 KB',
    send: one({ headers: [`Cookie: a=${'v'.repeat(40_000)}`], body: 'abc' }),
    check(conversation, got) {
      expect([[400], [431], [200]]).toContainEqual(statuses(conversation))
      expect(got).toEqual([])
    },
    except: { 'haproxy retry': 'its buffer takes it', 'haproxy lua': 'its buffer takes it' },
  },
  {
    title: 'an answer with 25 KB of cookies, each by itself',
    send: one({ deed: 'cookies' }),
    check: ({ answers: [answer] }) => expect(all(answer, 'set-cookie')).toEqual(COOKIES),
  },
  {
    title: 'header values in latin1, there and back',
    send: one({ headers: ['X-In: café ÿ'], body: 'abc', deed: 'latin1' }),
    check({ answers: [answer] }, [got]) {
      expect(first(got, 'x-in')).toBe('café ÿ')
      expect(first(answer, 'x-latin1')).toBe('café ÿ')
      expect(first(answer, 'content-disposition')).toBe(`attachment; filename="${FILE_NAME}"`)
    },
  },
  {
    title: 'headers that come twice',
    send: one({ headers: ['X-A: 1', 'X-A: 2'], deed: 'repeat' }),
    check({ answers: [answer] }, [got]) {
      expect(all(got, 'x-a').join(', ')).toBe('1, 2')
      expect(all(answer, 'set-cookie')).toEqual(['a=1', 'a=2'])
      expect(all(answer, 'x-twice').join(', ')).toBe('one, two')
    },
  },
  {
    title: 'an answer that may be kept in a cache',
    send: one({ method: 'GET', deed: 'cacheable' }),
    check: ({ answers: [answer] }) => expect(all(answer, 'cache-control')).toEqual(['max-age=60']),
  },
  {
    title: 'early hints, before the answer',
    send: one({ deed: 'hint' }),
    check(conversation) {
      const [hints, answer] = conversation.answers
      expect(statuses(conversation)).toEqual([103, 200])
      expect([first(hints, 'x-hint'), all(hints, 'link').join(', ')]).toEqual([
        'yes',
        '</a.css>; rel=preload; as=style, </b.js>; rel=preload; as=script',
      ])
      expect(answer?.body).toBe('hinted')
    },
    except: { 'fly (emulator)': NO_HINTS, ...nginx('1.22 takes a 103 for the answer, replayed or not') },
  },
  {
    title: 'trailers, and TE that asks for them',
    send: one({
      headers: ['Connection: close, TE', 'TE: trailers', 'Transfer-Encoding: chunked', 'Trailer: X-T'],
      body: '3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n',
      deed: 'trailers',
    }),
    check({ answers: [answer] }, [got]) {
      expect([got?.body, got?.trailers.join('=').toLowerCase(), first(got, 'te')]).toEqual(['abc', 'x-t=1', 'trailers'])
      expect([answer?.body, answer?.trailers]).toEqual(['body', 'x-sum: 42'])
    },
    except: { 'fly (emulator)': NO_TRAILERS, ...nginx(NO_TRAILERS) },
  },
  {
    title: 'a body that waits for 100',
    send: one({ headers: ['Expect: 100-continue'], body: 'abc' }),
    check: (conversation) => expect(conversation.answers.at(-1)?.body).toBe('POST 3'),
  },
  {
    title: 'an offer to upgrade to h2c, which nobody has to take',
    send: one({
      headers: ['Connection: close, Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABk'],
      body: 'abc',
    }),
    check({ answers }, [got]) {
      expect(answers.map(({ body }) => body)).toEqual(['POST 3'])
      expect(got?.body).toBe('abc')
    },
    except: { 'fly (emulator)': 'it refuses an upgrade with a body, by choice' },
  },
  {
    title: 'a handshake that the app does not listen for',
    send: one({ method: 'GET', headers: ['Connection: close, Upgrade', 'Upgrade: websocket', KEY] }),
    check: ({ answers }) => expect(answers.map(({ body }) => body)).toEqual(['GET 0']),
  },
  {
    title: 'a path with two slashes, encoded ones and dots',
    send: (path) => one({ target: `${path}//a%2Fb/%2e%2e/c/../d;e=1/?x=%2F&y=a+b&z=[1]|%20` })(path),
    check: (_, [got], path) => expect(got?.url).toBe(`${path}//a%2Fb/%2e%2e/c/../d;e=1/?x=%2F&y=a+b&z=[1]|%20`),
  },
  {
    title: 'a whole URL in the request line',
    send: (path) => one({ target: `http://app.example${path}?a=1` })(path),
    check(_, [got], path) {
      expect(got?.url.replace('http://app.example', '')).toBe(`${path}?a=1`)
      expect(first(got, 'host')).toBe('app.example')
    },
  },
  {
    title: 'an answer that does not wait for the body',
    send: two({ body: 'b'.repeat(900_000), deed: 'refuse unread' }),
    check(conversation) {
      // Hono's server for Node closes a connection whose body it has not read.
      expect(statuses(conversation)[0]).toBe(403)
      expect(conversation.answers[1]?.body ?? 'POST 0').toBe('POST 0')
    },
  },
  ...['DELETE', 'PATCH', 'PROPFIND', 'OPTIONS', 'GET'].map(
    (method): Case => ({
      title: `a ${method} with a body`,
      send: one({ method, body: 'abc' }),
      check({ answers: [answer] }, [got]) {
        expect([answer?.body, got?.method, got?.body]).toEqual([`${method} 3`, method, 'abc'])
      },
    }),
  ),
]

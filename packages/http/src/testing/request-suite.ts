import {
  ConnectionLost,
  currentScope,
  ensurePrimary,
  forbidReplay,
  OutcomeUnknown,
  PrimaryUnavailable,
} from '@headwater/core'
import { expect, test } from 'vitest'
import type { HttpAdapter, Outcome, RouteUnderTest } from './app-under-test.ts'
import { askThrough } from './ask.ts'
import { away, expectReplay, home, SECRET, write } from './data-layer.ts'
import { send } from './send.ts'

/** Every request has a scope of its own, and what does not concern us passes unchanged. */
export function testRequests(adapter: HttpAdapter): void {
  const { askOnce } = askThrough(adapter)

  test('a read passes untouched, headers and all', async () => {
    const handle = async (): Promise<Outcome> => ({
      status: 201,
      json: { kind: currentScope()?.kind },
      headers: { 'set-cookie': 'a=1', etag: '"e"', 'x-own': 'yes' },
    })
    const sent = await askOnce({ handle })
    expect([sent.status, JSON.parse(sent.text)]).toEqual([201, { kind: 'request' }])
    expect(sent.headers).toMatchObject({ 'set-cookie': ['a=1'], etag: '"e"', 'x-own': 'yes' })
    expect(sent.headers['fly-replay']).toBeUndefined()
  })

  test('a primary that cannot be reached is a 503 with Retry-After, unless the app catches the error', async () => {
    const handle = async (): Promise<Outcome> => {
      throw new PrimaryUnavailable(new Error('connect ECONNREFUSED'))
    }
    const sent = await askOnce({ handle }, {}, { topology: home })
    expect([sent.status, sent.headers['retry-after']]).toEqual([503, '1'])
    expect(sent.headers['fly-replay']).toBeUndefined()
  })

  test('X6: a lost connection is a 503 with Retry-After when nothing was committed; an unknown outcome is a 500 without', async () => {
    const cause = new Error('Connection terminated unexpectedly')
    const answers: (readonly [Error, number, string | undefined])[] = [
      [new ConnectionLost(cause, true), 503, '1'],
      [new ConnectionLost(cause, false), 500, undefined],
      [new OutcomeUnknown(cause), 500, undefined],
      [new Error('Failed query', { cause: new OutcomeUnknown(cause) }), 500, undefined],
    ]
    for (const [error, status, retryAfter] of answers) {
      const handle = (): Promise<Outcome> => Promise.reject(error)
      const sent = await askOnce({ handle }, {}, { topology: home })
      expect([sent.status, sent.headers['retry-after']]).toEqual([status, retryAfter])
    }
  })

  test('an error of the app passes untouched', async () => {
    const handle = async (): Promise<Outcome> => {
      throw new RangeError('its own')
    }
    const sent = await askOnce({ handle }, {}, { catchesErrors: true })
    expect([sent.status, JSON.parse(sent.text)]).toEqual([418, { caught: 'RangeError' }])
  })

  test('HEAD: a read passes, a write is replayed', async () => {
    const read = await askOnce({ handle: async () => ({ json: 'x' }) }, { method: 'HEAD' })
    expect([read.status, read.text]).toEqual([200, ''])
    expectReplay(await askOnce({ handle: async () => ({ json: await write(away) }) }, { method: 'HEAD' }))
  })

  test.each(['before', 'after'] as const)('the scope survives a body parser %s ours', async (parsesBody) => {
    const handle = async (body: unknown): Promise<Outcome> => ({ json: [body, currentScope()?.kind] })
    const sent = await askOnce({ method: 'POST', handle }, { body: '{"a":1}' }, { parsesBody })
    expect(JSON.parse(sent.text)).toEqual([{ a: 1 }, 'request'])
    const writing = { method: 'POST', handle: async () => ({ json: await write(away) }) } as const
    expectReplay(await askOnce(writing, { body: '{"a":1}' }, { parsesBody }))
  })

  test('concurrent requests do not mix', async () => {
    const seen = new Set<number | undefined>()
    const route = (path: string, handle: RouteUnderTest['handle']): RouteUnderTest => ({
      method: 'GET',
      path,
      handle,
    })
    await using app = await adapter.start({
      options: { pool: { topology: away }, secret: SECRET },
      routes: [
        route('/read', async () => {
          await new Promise((resolve) => setTimeout(resolve, 5))
          seen.add(currentScope()?.number)
          return { json: 'read' }
        }),
        route('/write', async () => {
          seen.add(currentScope()?.number)
          return { json: await write(away).catch(() => 'swallowed') }
        }),
      ],
    })
    const paths = Array.from({ length: 20 }, (_, at) => (at % 2 === 0 ? '/read' : '/write'))
    const answers = await Promise.all(paths.map((path) => send(app.port, path)))
    for (const [at, sent] of answers.entries()) {
      if (at % 2 === 0) expect([sent.status, sent.text]).toEqual([200, '"read"'])
      else expectReplay(sent)
    }
    // Some of the writes were replayed early, because others had written before them.
    expect(seen.has(undefined)).toBe(false)
  })

  test('a skipped request runs without a scope', async () => {
    const handle = async (): Promise<Outcome> => ({ json: String(currentScope()?.kind) })
    const options = { skip: (request: { url: string }) => request.url.endsWith('?health') }
    expect((await askOnce({ handle }, {}, { options, query: '?health' })).text).toBe('"undefined"')
    expect((await askOnce({ handle }, {}, { options })).text).toBe('"request"')
  })

  test.each([
    ['the headers of a handshake', { connection: 'upgrade' }],
    ['two of them alone', {}],
  ])('P7: %s do not switch it off: a write is replayed, and ensurePrimary() too', async (_, more) => {
    const headers = { ...more, upgrade: 'websocket', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' }
    let runs = 0
    const ensured = async (): Promise<Outcome> => {
      ensurePrimary()
      return { json: ++runs }
    }
    expectReplay(await askOnce({ handle: async () => ({ json: await write(away) }) }, { headers }))
    expectReplay(await askOnce({ handle: ensured }, { headers }))
    expect(runs).toBe(0)
    const refused = async (): Promise<Outcome> => {
      forbidReplay()
      return { json: await write(away) }
    }
    expect((await askOnce({ handle: refused }, { headers })).status).toBe(500)
  })
}

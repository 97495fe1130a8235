import { Readable } from 'node:stream'
import { currentScope, type ReplayReason } from '@headwater/core'
import { type ReadPosition, UNKNOWN_POSITION } from '@headwater/core/internal'
import { expect, test } from 'vitest'
import type { HttpAdapter, Outcome } from './app-under-test.ts'
import { askAtHomeThrough } from './ask.ts'
import { away, expectReplay, home, SECRET, write } from './data-layer.ts'
import { Primary } from './primary.ts'
import { type SendOptions, send } from './send.ts'
import { cookieOf, deletionOf, stateIn, tokenOf } from './token-text.ts'

/** However an answer is written, its head waits for the primary's position and carries the token. */
export function testTokensOfResponses(adapter: HttpAdapter): void {
  const ask = askAtHomeThrough(adapter)

  async function* chunks(): AsyncGenerator<string> {
    for (const part of ['a', 'b', 'c']) {
      yield part
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
  const WAYS: readonly [string, () => Outcome, number, string, SendOptions?][] = [
    ['JSON', () => ({ json: 'x' }), 200, '"x"'],
    ['a stream that the handler writes', () => ({ chunks }), 200, 'abc'],
    ['a stream that is piped', () => ({ stream: Readable.from(['a', 'b', 'c']) }), 200, 'abc'],
    ['a redirect', () => ({ redirect: '/other' }), 302, ''],
    ['204', () => ({ empty: 204 }), 204, ''],
    ['304', () => ({ empty: 304 }), 304, ''],
    ['HEAD', () => ({ json: 'x' }), 200, '', { method: 'HEAD' }],
    ['a status of failure', () => ({ status: 422, json: 'x' }), 422, '"x"'],
  ]
  test.each(WAYS)(
    'F2: %s waits for a slow primary, and arrives complete',
    async (_, outcome, status, text, request) => {
      const primary = new Primary()
      primary.delayMillis = 60
      const started = performance.now()
      const sent = await ask(async () => {
        await primary.write()
        return outcome()
      }, request)
      expect([sent.status, stateIn(sent), primary.asked]).toEqual([status, primary.state, 1])
      if (status !== 302) expect(sent.text).toBe(text)
      else expect(sent.headers.location).toBe('/other')
      expect(performance.now() - started).toBeGreaterThanOrEqual(55)
    },
  )

  test('P11: a write that the handler does not wait for is in the token', async () => {
    const primary = new Primary()
    primary.writeMillis = 60
    const sent = await ask(async () => {
      void primary.write()
      return { json: 'x' }
    })
    expect([sent.status, sent.text, stateIn(sent), primary.asked]).toEqual([200, '"x"', primary.state, 1])
  })

  test('P11: what the handler does behind that write is in the token, too', async () => {
    const primary = new Primary()
    primary.writeMillis = 30
    const sent = await ask(async () => {
      void primary.write().then(() => {
        primary.lsn += 7n
        return primary.write()
      })
      return { json: 'x' }
    })
    expect([sent.text, stateIn(sent), primary.asked]).toEqual(['"x"', primary.state, 1])
  })

  test('P11: a write that takes longer than a second is not waited for, and keeps reads at the primary', async () => {
    const primary = new Primary()
    const started = performance.now()
    const sent = await ask(async () => {
      void primary.write().then(() => {
        primary.writeMillis = 1500
        return primary.write()
      })
      return { json: 'x' }
    })
    expect([sent.text, stateIn(sent)]).toEqual(['"x"', UNKNOWN_POSITION])
    expect(performance.now() - started).toBeLessThan(1450)
  })

  test("F1: when a handler fails after its write, the app's error page carries the token", async () => {
    const primary = new Primary()
    const handle = async (): Promise<Outcome> => {
      await primary.write()
      throw Object.assign(new RangeError('its own'), { expose: true })
    }
    const caught = await ask(handle, {}, {}, { catchesErrors: true })
    expect([caught.status, JSON.parse(caught.text), stateIn(caught)]).toEqual([
      418,
      { caught: 'RangeError' },
      primary.state,
    ])
    expect(caught.headers['set-cookie']).toHaveLength(2)
  })

  test("F1: the framework's page for an unhandled error carries the token", async () => {
    const primary = new Primary()
    const sent = await ask(async () => {
      await primary.write()
      throw currentScope()?.askForReplay(home, 'refused') ?? new Error('there is no scope here')
    })
    expect([sent.status, stateIn(sent)]).toEqual([503, primary.state])
  })

  test('P3: a replay carries no token, whatever came with the request', async () => {
    const headers = { cookie: cookieOf(tokenOf(5n)), 'headwater-token': tokenOf(6n) }
    const sent = await ask(async () => ({ json: await write(away) }), { headers }, { pool: { topology: away } })
    expectReplay(sent)
  })

  test('F1, gitlab#413203: the cookie is deleted once every replica has passed it', async () => {
    const asked: ReadPosition[] = []
    const pool = {
      topology: home,
      hasEveryReplica(seen: ReadPosition): boolean {
        asked.push(seen)
        return this.topology === home
      },
    }
    const [low, high] = [cookieOf(tokenOf(4n)), cookieOf(tokenOf(5n))]
    const carried = { headers: { cookie: `${low}; ${high}` } }
    const sent = await ask(async () => ({ json: 'read' }), carried, { pool })
    expect(sent.headers['set-cookie']).toEqual([low, high].map(deletionOf))
    expect([sent.headers['cache-control'], asked.map(({ lsn }) => lsn)]).toEqual(['private', [5n]])
    expect((await ask(async () => ({ json: 'read' }), {}, { pool })).headers['set-cookie']).toBeUndefined()
  })

  test('F1: behind a proxy that ends TLS the cookie is Secure', async () => {
    const primary = new Primary()
    const headers = { 'x-forwarded-proto': 'https' }
    const sent = await ask(async () => ({ json: await primary.write() }), { headers })
    expect(sent.headers['set-cookie']?.[0]).toMatch(/; Secure$/)
  })

  test('F1: where the app ends TLS itself the cookie is Secure, with the name and path that the app chose', async () => {
    const primary = new Primary()
    const write = async () => ({ json: await primary.write() })
    const token = { cookie: { name: '__Secure-seen', path: '/thing' } }
    const sent = await ask(write, { isTls: true }, { token }, { isTls: true })
    expect(sent.status).toBe(200)
    expect(sent.headers['set-cookie']).toEqual([
      expect.stringMatching(
        /^__Secure-seen\.[\w-]{8}=[\w-]{68}; Path=\/thing; Max-Age=60; HttpOnly; SameSite=Lax; Secure$/,
      ),
    ])
  })

  test('F1: with tokens switched off, nothing is read, set or waited for', async () => {
    const primary = new Primary()
    const sessions: unknown[] = []
    const handle = async (): Promise<Outcome> => {
      const session = currentScope()?.session
      sessions.push([session?.minPosition, session?.isWanted])
      return { json: await primary.write() }
    }
    const request = { headers: { cookie: cookieOf(tokenOf(5n)), 'headwater-token': tokenOf(6n) } }
    for (const token of [false, { cookie: false, header: false }] as const) {
      const sent = await ask(handle, request, { token })
      expect([sent.status, sent.headers['set-cookie'], sent.headers['cache-control']]).toEqual([
        200,
        undefined,
        undefined,
      ])
    }
    expect([sessions, primary.asked]).toEqual([Array(2).fill([undefined, false]), 0])
  })

  test('F1: concurrent requests that wait for the primary do not mix', async () => {
    await using app = await adapter.start({
      options: { pool: { topology: home }, secret: SECRET },
      routes: Array.from({ length: 10 }, (_, at) => ({
        method: 'GET' as const,
        path: `/${at}`,
        handle: async (): Promise<Outcome> => {
          const primary = new Primary()
          primary.delayMillis = 20 - at
          primary.lsn = BigInt(at)
          return { json: [await primary.write(), at] }
        },
      })),
    })
    const answers = await Promise.all(Array.from({ length: 10 }, (_, at) => send(app.port, `/${at}`)))
    for (const [at, sent] of answers.entries()) {
      expect([sent.text, stateIn(sent)?.lsn]).toEqual([`["written",${at}]`, BigInt(at)])
    }
  })

  test.each<ReplayReason>(['behind', 'seen-elsewhere', 'another-timeline', 'lagging'])(
    'P5: a replay because a replica is %s teaches nothing of the route',
    async (reason) => {
      let runs = 0
      const handle = async (): Promise<Outcome> => {
        runs += 1
        throw currentScope()?.askForReplay(away, reason) ?? new Error('there is no scope here')
      }
      await using app = await adapter.start({
        options: { pool: { topology: away }, secret: SECRET },
        routes: [{ method: 'GET', path: '/thing', handle }],
      })
      for (let round = 0; round < 5; round++) expectReplay(await send(app.port, '/thing'))
      expect(runs).toBe(5)
    },
  )
}

import { Readable } from 'node:stream'
import {
  currentScope,
  nameOfToken,
  type ReplayReason,
  SEEN_UNKNOWN,
  type Seen,
  signToken,
  toLsn,
  topologyOf,
  verifyToken,
} from '@headwater/core'
import type { HeadwaterOptions } from '@headwater/http'
import { describe, expect, test } from 'vitest'
import type { AppUnderTest, HttpAdapter, Outcome, RouteUnderTest } from './app-under-test.ts'
import { expectReplay, SECRET, write } from './data-layer.ts'
import { Primary } from './primary.ts'
import { type SendOptions, type Sent, send } from './send.ts'

const away = topologyOf({ region: 'nrt', primaryRegion: 'ams', hasReplica: true })
const home = topologyOf({ region: 'ams', primaryRegion: 'ams', hasReplica: true })

export function stateOf(text: string | undefined): Seen | undefined {
  const token = verifyToken(text, [SECRET], Date.now())
  return token && { cluster: token.cluster, timeline: token.timeline, lsn: token.lsn, node: token.node }
}

/** The token that an answer sets, in both carriers; `undefined` when it sets none. */
export function stateIn(sent: Sent): Seen | undefined {
  const all = sent.headers['set-cookie'] ?? []
  const ours = all.filter((cookie) => cookie.startsWith('headwater.') && !cookie.includes('; Max-Age=0;'))
  const header = sent.headers['headwater-token']
  if (ours.length === 0) {
    expect(header).toBeUndefined()
    return undefined
  }
  expect(ours).toEqual([`${pairOf(String(header))}; Path=/; Max-Age=60; HttpOnly; SameSite=Lax`])
  return stateOf(String(header))
}

export function tokenOf(lsn: bigint, secret: string = SECRET): string {
  const state: Seen = { cluster: 7n, timeline: 1, lsn: toLsn(lsn), node: 0 }
  return signToken({ ...state, issuedAt: Date.now(), expires: Date.now() + 60_000 }, [secret])
}

/** The cookie of a token. */
function pairOf(text: string): string {
  const token = verifyToken(text, [SECRET], Date.now())
  if (token === undefined) throw new Error(`not a token: ${text}`)
  return `headwater.${nameOfToken(token)}=${text}`
}

/** The `Set-Cookie` that takes a cookie away. */
function takenAway(pair: string): string {
  return `${pair.slice(0, pair.indexOf('=') + 1)}; Path=/; Max-Age=0; HttpOnly; SameSite=Lax`
}

/** The suite of tokens that every HTTP adapter passes, over real HTTP. */
export function describeTokens(name: string, adapter: HttpAdapter): void {
  async function ask(
    handle: RouteUnderTest['handle'],
    request: SendOptions = {},
    options: Partial<HeadwaterOptions> = {},
    more: Pick<AppUnderTest, 'catchesErrors' | 'isTls'> = {},
  ): Promise<Sent> {
    await using app = await adapter.start({
      options: { pool: { topology: home }, secret: SECRET, earlyReplay: false, ...options },
      routes: [{ method: 'GET', path: '/thing', handle }],
      ...more,
    })
    return await send(app.port, '/thing', request)
  }

  describe(`${name}: tokens`, () => {
    test('F1: an answer that wrote carries one, for one client only; cookies of the app stay', async () => {
      const primary = new Primary()
      const headers = { 'set-cookie': 'own=1', 'cache-control': 'public, max-age=60', vary: 'Accept' }
      const sent = await ask(async () => ({ json: await primary.write(), headers }))
      expect([sent.status, sent.text, stateIn(sent), primary.asked]).toEqual([200, '"written"', primary.state, 1])
      expect(sent.headers['set-cookie']).toHaveLength(2)
      expect(sent.headers['set-cookie']).toContain('own=1')
      expect([sent.headers['cache-control'], sent.headers['vary']]).toEqual(['private, max-age=60', 'Accept'])
    })

    test('P7: the headers of a handshake do not switch it off: an answer that wrote carries one', async () => {
      const primary = new Primary()
      const headers = { upgrade: 'websocket', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' }
      for (const more of [{}, { connection: 'upgrade' }]) {
        const sent = await ask(async () => ({ json: await primary.write() }), { headers: { ...headers, ...more } })
        expect([sent.status, sent.text, stateIn(sent)]).toEqual([200, '"written"', primary.state])
      }
    })

    test('F2: a COMMIT that brings the position along costs no question more', async () => {
      const primary = new Primary()
      primary.saysWithCommit = true
      const sent = await ask(async () => ({ json: await primary.write() }))
      expect([stateIn(sent), primary.asked]).toEqual([primary.state, 0])
    })

    test('F1: an answer that only read carries none, and nothing of ours', async () => {
      const headers = { 'cache-control': 'public, max-age=60' }
      const sent = await ask(async () => ({ json: 'read', headers }))
      expect([stateIn(sent), sent.headers['set-cookie'], sent.headers['vary']]).toEqual([
        undefined,
        undefined,
        undefined,
      ])
      expect(sent.headers['cache-control']).toBe('public, max-age=60')
    })

    test('F1: what comes by cookie and header is where the scope begins; unchanged, no cookie is set', async () => {
      const floors: unknown[] = []
      const handle = async (): Promise<Outcome> => {
        const trail = currentScope()?.trail
        floors.push([trail?.floor?.lsn, trail?.isTracked, trail?.isWanted])
        return { json: 'read' }
      }
      const [low, high] = [tokenOf(5n), tokenOf(6n)]
      const byCookie = await ask(handle, { headers: { cookie: `a=1; ${pairOf(low)}; b=2` } })
      const byHeader = await ask(handle, { headers: { 'headwater-token': high } })
      await ask(handle, { headers: { cookie: pairOf(low), 'headwater-token': high } })
      await ask(handle)
      expect(floors).toEqual([
        [5n, true, true],
        [6n, true, true],
        [6n, true, true],
        [undefined, false, true],
      ])
      expect([byCookie.headers['set-cookie'], byCookie.headers['headwater-token']]).toEqual([undefined, undefined])
      expect([byHeader.headers['set-cookie'], byHeader.headers['headwater-token']]).toEqual([undefined, high])
      expect([byCookie.headers['vary'], byHeader.headers['vary']]).toEqual(['Cookie', 'headwater-token'])
    })

    test('F1: several cookies, and several tokens in the header: all count, and one takes their place', async () => {
      const primary = new Primary()
      const floors: unknown[] = []
      const handle = async (): Promise<Outcome> => {
        floors.push(currentScope()?.trail.floor?.lsn)
        return { json: await primary.write(), headers: { 'set-cookie': 'own=1' } }
      }
      // The one that says less was made first, and lives no longer.
      const low = pairOf(tokenOf(5n))
      const pairs = [pairOf(tokenOf(6n)), low]
      const byCookie = await ask(handle, { headers: { cookie: `a=1; ${pairs.join('; ')}` } })
      expect(stateIn(byCookie)).toEqual(primary.state)
      const [own, set, ...taken] = byCookie.headers['set-cookie'] ?? []
      expect([own, set?.startsWith('headwater.'), taken]).toEqual(['own=1', true, pairs.map(takenAway)])
      // Two lines, and a list in one of them.
      const lines = [`${tokenOf(5n)}, ${tokenOf(8n)}`, tokenOf(7n)]
      expect(stateIn(await ask(handle, { headers: { 'headwater-token': lines } }))).toEqual(primary.state)
      expect(floors).toEqual([6n, 8n])
      const read = await ask(async () => ({ json: 'read' }), { headers: { cookie: pairs.join('; ') } })
      expect(read.headers['set-cookie']).toEqual([takenAway(low)])
    })

    test('F5: a client that is tracked gets the mark of the replica that it read from', async () => {
      const handle = async (): Promise<Outcome> => {
        const trail = currentScope()?.trail
        trail?.readAtReplica({ cluster: 7n, timeline: 1, lsn: toLsn(50n), node: 3 })
        return { json: 'read' }
      }
      expect(stateIn(await ask(handle))).toBeUndefined()
      const tracked = await ask(handle, { headers: { cookie: pairOf(tokenOf(5n)) } })
      expect(stateIn(tracked)).toMatchObject({ lsn: 5n, node: 3 })
      expect(stateIn(await ask(handle, {}, { token: { trackReads: 'always' } }))).toMatchObject({ lsn: 0n, node: 3 })
    })

    test.each([
      ['forged', () => tokenOf(5n, 'another secret, as long')],
      ['truncated', () => tokenOf(5n).slice(1)],
      ['garbage', () => '%00"; headwater.AAAAAAAA=x'],
    ])('F3: one that is %s is as if absent', async (_, text) => {
      const handle = async (): Promise<Outcome> => ({ json: String(currentScope()?.trail.floor) })
      const sent = await ask(handle, { headers: { cookie: `headwater.AAAAAAAA=${text()}`, 'headwater-token': text() } })
      expect([sent.status, sent.text, sent.headers['set-cookie'], sent.headers['vary']]).toEqual([
        200,
        '"undefined"',
        undefined,
        undefined,
      ])
    })

    test('F2: a primary that cannot say where it stands makes a token that keeps reads at the primary', async () => {
      const primary = new Primary()
      primary.isGone = true
      const sent = await ask(async () => ({ json: await primary.write() }))
      expect([sent.status, stateIn(sent)]).toEqual([200, SEEN_UNKNOWN])
    })

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
    test.each(WAYS)('F2: %s waits for a slow primary, and comes whole', async (_, outcome, status, text, request) => {
      const primary = new Primary()
      primary.delay = 60
      const started = performance.now()
      const sent = await ask(async () => {
        await primary.write()
        return outcome()
      }, request)
      expect([sent.status, stateIn(sent), primary.asked]).toEqual([status, primary.state, 1])
      if (status !== 302) expect(sent.text).toBe(text)
      else expect(sent.headers.location).toBe('/other')
      expect(performance.now() - started).toBeGreaterThanOrEqual(55)
    })

    test('F1: a handler that fails behind its write: the error page carries the token, by default and by the app', async () => {
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

    test('F1: the page of an error that nobody handles carries the token', async () => {
      const primary = new Primary()
      const sent = await ask(async () => {
        await primary.write()
        throw currentScope()?.askForReplay(home, 'refused') ?? new Error('there is no scope here')
      })
      expect([sent.status, stateIn(sent)]).toEqual([503, primary.state])
    })

    test('P3: a replay carries no token, whatever came with the request', async () => {
      const headers = { cookie: pairOf(tokenOf(5n)), 'headwater-token': tokenOf(6n) }
      const sent = await ask(async () => ({ json: await write(away) }), { headers }, { pool: { topology: away } })
      expectReplay(sent)
    })

    test('F1, gitlab#413203: the cookie is taken away once every replica has passed it', async () => {
      const asked: Seen[] = []
      const pool = {
        topology: home,
        hasEveryReplica(seen: Seen): boolean {
          asked.push(seen)
          return this.topology === home
        },
      }
      const [low, high] = [pairOf(tokenOf(4n)), pairOf(tokenOf(5n))]
      const carried = { headers: { cookie: `${low}; ${high}` } }
      const sent = await ask(async () => ({ json: 'read' }), carried, { pool })
      expect(sent.headers['set-cookie']).toEqual([low, high].map(takenAway))
      expect([sent.headers['cache-control'], asked.map(({ lsn }) => lsn)]).toEqual(['private', [5n]])
      expect((await ask(async () => ({ json: 'read' }), {}, { pool })).headers['set-cookie']).toBeUndefined()
    })

    test('F1: behind a proxy that ends TLS the cookie is Secure', async () => {
      const primary = new Primary()
      const headers = { 'x-forwarded-proto': 'https' }
      const sent = await ask(async () => ({ json: await primary.write() }), { headers })
      expect(sent.headers['set-cookie']?.[0]).toMatch(/; Secure$/)
    })

    test('F1: where the app ends TLS itself it is Secure too, by the name and on the path that the app chose', async () => {
      const primary = new Primary()
      const write = async () => ({ json: await primary.write() })
      const token = { cookie: { name: '__Secure-seen', path: '/thing' } }
      const sent = await ask(write, { isTls: true }, { token }, { isTls: true })
      expect(sent.status).toBe(200)
      expect(sent.headers['set-cookie']).toEqual([
        expect.stringMatching(
          /^__Secure-seen\.[\w-]{8}=[\w-]{90}; Path=\/thing; Max-Age=60; HttpOnly; SameSite=Lax; Secure$/,
        ),
      ])
    })

    test('F1: switched off, nothing is read, set or waited for', async () => {
      const primary = new Primary()
      const trails: unknown[] = []
      const handle = async (): Promise<Outcome> => {
        const trail = currentScope()?.trail
        trails.push([trail?.floor, trail?.isWanted])
        return { json: await primary.write() }
      }
      const request = { headers: { cookie: pairOf(tokenOf(5n)), 'headwater-token': tokenOf(6n) } }
      for (const token of [false, { cookie: false, header: false }] as const) {
        const sent = await ask(handle, request, { token })
        expect([sent.status, sent.headers['set-cookie'], sent.headers['cache-control']]).toEqual([
          200,
          undefined,
          undefined,
        ])
      }
      expect([trails, primary.asked]).toEqual([Array(2).fill([undefined, false]), 0])
    })

    test('F1: requests that wait at the same time do not mix', async () => {
      await using app = await adapter.start({
        options: { pool: { topology: home }, secret: SECRET },
        routes: Array.from({ length: 10 }, (_, at) => ({
          method: 'GET' as const,
          path: `/${at}`,
          handle: async (): Promise<Outcome> => {
            const primary = new Primary()
            primary.delay = 20 - at
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
  })
}

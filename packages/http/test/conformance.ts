import { Agent } from 'node:http'
import {
  currentScope,
  diagnostics,
  ensurePrimary,
  PrimaryUnavailable,
  type ReplayEvent,
  ReplayImpossible,
  sideEffects,
  type Topology,
} from '@headwater/core'
import { topologyOf } from '@headwater/core/internal'
import type { HeadwaterOptions, RequestFacts } from '@headwater/http'
import { describe, expect, test } from 'vitest'
import type { HttpAdapter, Outcome, RouteUnderTest } from './app-under-test.ts'
import { expectReplay, SECRET, signedSource, write } from './data-layer.ts'
import { type SendOptions, type Sent, send } from './send.ts'

const away = topologyOf({ region: 'nrt', primaryRegion: 'ams', hasReplica: true })
const home = topologyOf({ region: 'ams', primaryRegion: 'ams', hasReplica: true })
const TWO_MEGABYTES = JSON.stringify({ text: 'x'.repeat(2_000_000) })

/** The suite that every HTTP adapter passes, over real HTTP. */
export function describeHttpAdapter(name: string, adapter: HttpAdapter): void {
  /** Starts an app with one route and sends it requests, one after the other. */
  async function ask(
    route: Partial<RouteUnderTest> & { handle: RouteUnderTest['handle'] },
    requests: SendOptions | readonly SendOptions[] = {},
    settings: {
      options?: Partial<HeadwaterOptions>
      topology?: Topology
      parsesBody?: 'before' | 'after'
      catchesErrors?: boolean
      query?: string
    } = {},
  ): Promise<Sent[]> {
    const { method = 'GET', path = '/thing' } = route
    const { options, topology = away, query = '', ...rest } = settings
    await using app = await adapter.start({
      options: { pool: { topology }, secret: SECRET, earlyReplay: false, ...options },
      routes: [{ method, path, handle: route.handle }],
      ...rest,
    })
    const answers: Sent[] = []
    for (const one of Array.isArray(requests) ? requests : [requests]) {
      answers.push(await send(app.port, path + query, { method, ...one }))
    }
    return answers
  }

  async function askOnce(...args: Parameters<typeof ask>): Promise<Sent> {
    const [answer] = await ask(...args)
    if (answer === undefined) throw new Error('no answer')
    return answer
  }

  /** Runs a route that writes, catches what comes, and shows it. */
  const showingWrite = (topology: Topology) => async (): Promise<Outcome> => {
    try {
      return { json: await write(topology) }
    } catch (error) {
      if (!(error instanceof ReplayImpossible)) throw error
      return { json: error.obstacle }
    }
  }

  describe(name, () => {
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

    test('P1: a write away from home is answered with a replay that carries region and state', async () => {
      const handle = async (): Promise<Outcome> => ({ json: await write(away) })
      expectReplay(await askOnce({ handle }))
    })

    test('P3: a swallowed error is replayed all the same; cookie and body of the app are gone', async () => {
      const handle = async (): Promise<Outcome> => {
        await write(away).catch(() => undefined)
        return { json: { ok: true }, headers: { 'set-cookie': 'session=1', etag: '"e"', 'content-language': 'en' } }
      }
      expectReplay(await askOnce({ handle }))
    })

    test('P3: an error handler of the app that meets the wrapped error does not hide the replay', async () => {
      const handle = async (): Promise<Outcome> => {
        try {
          return { json: await write(away) }
        } catch (cause) {
          throw new Error('the ORM says no', { cause })
        }
      }
      expectReplay(await askOnce({ handle }, {}, { catchesErrors: true }))
    })

    test('P3: something that is not even an error, thrown after the refusal, does not hide the replay', async () => {
      const handle = async (): Promise<Outcome> => {
        await write(away).catch(() => undefined)
        throw 'a string'
      }
      // Hono gives only errors to an error handler; anything else reaches our middleware as it was thrown.
      expectReplay(await askOnce({ handle }, {}, { catchesErrors: name !== 'hono' }))
    })

    test('P3: a stream that met a write before its first byte is replayed', async () => {
      async function* chunks(): AsyncGenerator<string> {
        await write(away).catch(() => undefined)
        yield 'first'
        yield 'second'
      }
      const handle = async (): Promise<Outcome> => {
        await write(away).catch(() => undefined)
        return { chunks }
      }
      expectReplay(await askOnce({ handle }))
    })

    test('P4: a write after the first byte of a stream gets response-started, and the stream goes on', async () => {
      async function* chunks(): AsyncGenerator<string> {
        yield 'head '
        await new Promise((resolve) => setTimeout(resolve, 20))
        yield await write(away).catch((error: unknown) =>
          error instanceof ReplayImpossible ? error.obstacle : String(error),
        )
        yield ' tail'
      }
      const sent = await askOnce({ handle: async () => ({ chunks }) })
      expect([sent.status, sent.text]).toEqual([200, 'head response-started tail'])
    })

    test('P4: at home a replayed request runs', async () => {
      const handle = async (): Promise<Outcome> => ({ json: await write(home) })
      const sent = await askOnce({ handle }, { headers: signedSource('GET', '/thing') }, { topology: home })
      expect([sent.status, sent.text]).toEqual([200, '"written"'])
    })

    test('P4: a replayed request that is still not at home reads, and gets already-replayed on a write', async () => {
      const headers = signedSource('GET', '/thing?a=1')
      const settings = { query: '?a=1' }
      expect((await askOnce({ handle: showingWrite(away) }, { headers }, settings)).text).toBe('"already-replayed"')
      expect((await askOnce({ handle: async () => ({ json: 'read' }) }, { headers }, settings)).text).toBe('"read"')
      const sent = await askOnce({ handle: async () => ({ json: await write(away) }) }, { headers }, settings)
      expect([sent.status, sent.headers['retry-after']]).toEqual([503, '1'])
    })

    test.each([
      ['malformed', 'region=nrt,state'],
      ['without state', 'instance=1;region=nrt;t=1'],
      ['forged', `instance=1;region=nrt;t=1;state=v1.abc.write.${'A'.repeat(43)}`],
      ['of another path', signedSource('GET', '/other')['fly-replay-src'] ?? ''],
      ['of another method', signedSource('POST', '/thing')['fly-replay-src'] ?? ''],
      ['expired', signedSource('GET', '/thing', Date.now() - 61_000)['fly-replay-src'] ?? ''],
    ])('P7: a fly-replay-src that is %s counts as absent', async (_, value) => {
      const handle = async (): Promise<Outcome> => ({ json: await write(away) })
      expectReplay(await askOnce({ handle }, { headers: { 'fly-replay-src': value } }))
    })

    test('P4: a body over the limit gets 413 on a write; a read of it is answered', async () => {
      const body = TWO_MEGABYTES
      const settings = { parsesBody: 'after' } as const
      const writing = { method: 'POST', handle: async () => ({ json: await write(away) }) } as const
      const refused = await askOnce(writing, { body }, settings)
      expect([refused.status, refused.headers['fly-replay']]).toEqual([413, undefined])
      const reading = {
        method: 'POST',
        handle: async (body: unknown) => ({ json: JSON.stringify(body).length }),
      } as const
      expect((await askOnce(reading, { body }, settings)).text).toBe(String(TWO_MEGABYTES.length))
    })

    test('P4: a chunked body is counted as it is read: small is replayed, over the limit gets 413', async () => {
      const settings = { parsesBody: 'after', options: { earlyReplay: true } } as const
      const writing = { method: 'POST', handle: async () => ({ json: await write(away) }) } as const
      const [small, large] = await ask(
        writing,
        [
          { body: '{"small":true}', chunked: true },
          { body: TWO_MEGABYTES, chunked: true },
        ],
        settings,
      )
      if (small === undefined) throw new Error('no answer')
      expectReplay(small)
      expect(large?.status).toBe(413)
    })

    test('P8: after a failed replay reads are answered, and an unhandled write is a 503 with Retry-After', async () => {
      const headers = {
        'fly-replay-failed': 'instance=1;app=a;region=ams;replay_source=2;reason=no_candidate;elapsed_ms=10000',
      }
      const settings = { options: { retryAfter: 7, earlyReplay: true } }
      const read = await askOnce({ method: 'POST', handle: async () => ({ json: 'read' }) }, { headers }, settings)
      expect([read.status, read.text]).toEqual([200, '"read"'])
      const refused = await askOnce(
        { method: 'POST', handle: async () => ({ json: await write(away) }) },
        { headers },
        settings,
      )
      expect([refused.status, refused.headers['retry-after']]).toEqual([503, '7'])
      expect(refused.headers['fly-replay']).toBeUndefined()
    })

    test('P8: a malformed fly-replay-failed counts as absent', async () => {
      const headers = { 'fly-replay-failed': 'reason=<script>' }
      expectReplay(await askOnce({ handle: async () => ({ json: await write(away) }) }, { headers }))
    })

    test('P5: a POST is replayed before its handler runs', async () => {
      let runs = 0
      const handle = async (): Promise<Outcome> => ({ json: ++runs })
      expectReplay(await askOnce({ method: 'POST', handle }, { body: '{}' }, { options: { earlyReplay: true } }))
      expect(runs).toBe(0)
    })

    test('P5: at home nothing is replayed early', async () => {
      const handle = async (): Promise<Outcome> => ({ json: await write(home) })
      const settings = { options: { earlyReplay: true }, topology: home }
      expect((await askOnce({ method: 'POST', handle }, { body: '{}' }, settings)).status).toBe(200)
    })

    test('P5: an unsafe method is never tried here by itself: of 60 POSTs none has run', async () => {
      let runs = 0
      const handle = async (): Promise<Outcome> => ({ json: ++runs })
      const requests = Array.from({ length: 60 }, () => ({ body: '{}' }))
      const answers = await ask({ method: 'POST', handle }, requests, { options: { earlyReplay: true } })
      for (const sent of answers) expectReplay(sent)
      expect(runs).toBe(0)
    })

    test('P5: a POST that only reads, and that the app says so of, is answered here from the first on', async () => {
      const earlyReplay = ({ url }: RequestFacts) => (url.startsWith('/search') ? 'never' : undefined)
      const handle = async (): Promise<Outcome> => ({ json: 'found' })
      const search = { method: 'POST', path: '/search', handle } as const
      const answers = await ask(search, [{ body: '{}' }, { body: '{}' }], { options: { earlyReplay } })
      expect(answers.map((sent) => sent.text)).toEqual(['"found"', '"found"'])
      // One that writes after all is replayed when it does.
      const writing = { method: 'POST', path: '/search', handle: async () => ({ json: await write(away) }) } as const
      expectReplay(await askOnce(writing, { body: '{}' }, { options: { earlyReplay } }))
      expectReplay(await askOnce({ method: 'POST', handle }, { body: '{}' }, { options: { earlyReplay } }))
    })

    test('P5: what the app says is always replayed has never run here: a GET, a body of unknown length', async () => {
      let runs = 0
      const handle = async (): Promise<Outcome> => ({ json: ++runs })
      const options: Partial<HeadwaterOptions> = { earlyReplay: () => 'always' }
      expectReplay(await askOnce({ path: '/callback', handle }, {}, { options }))
      expectReplay(await askOnce({ method: 'POST', handle }, { body: '{}', chunked: true }, { options }))
      expect(runs).toBe(0)
      // What speaks against a replay still does.
      const headers = signedSource('GET', '/callback')
      expect((await askOnce({ path: '/callback', handle }, { headers }, { options })).status).toBe(200)
      expect((await askOnce({ path: '/callback', handle }, {}, { options, topology: home })).status).toBe(200)
    })

    test('P7: what a client has run here does not make the next one run here', async () => {
      let runs = 0
      const handle = async (): Promise<Outcome> => ({ json: ++runs })
      const steering: readonly SendOptions[] = [
        { body: '{}', chunked: true },
        { body: TWO_MEGABYTES },
        { body: '{}', headers: { 'fly-replay-failed': 'reason=no_candidate' } },
      ]
      const answers = await ask(
        { method: 'POST', handle },
        Array.from({ length: 5 }, () => [...steering, { body: '{}' }]).flat(),
        { options: { earlyReplay: true }, parsesBody: 'after' },
      )
      const usual = answers.filter((_, at) => at % 4 === 3)
      for (const sent of usual) expectReplay(sent)
      expect(runs).toBe(15)
    })

    test('P5: a GET that writes is replayed early after two of them', async () => {
      let runs = 0
      const handle = async (): Promise<Outcome> => {
        runs += 1
        return { json: await write(away) }
      }
      const requests = Array.from({ length: 6 }, () => ({}))
      const answers = await ask({ path: '/login/callback', handle }, requests, { options: { earlyReplay: true } })
      for (const sent of answers) expectReplay(sent)
      expect(runs).toBe(2)
    })

    test('P5: a failed GET teaches nothing: one of a route that writes is still replayed early', async () => {
      let runs = 0
      const handle = async (): Promise<Outcome> => {
        runs += 1
        return runs <= 2 ? { json: await write(away) } : { status: 422, json: 'invalid' }
      }
      const requests = Array.from({ length: 62 }, () => ({}))
      const answers = await ask({ path: '/login/callback', handle }, requests, { options: { earlyReplay: true } })
      expect(answers.filter((sent) => sent.status === 422).length).toBe(3)
    })

    test('P5: ensurePrimary() replays before any work', async () => {
      let worked = false
      const handle = async (): Promise<Outcome> => {
        ensurePrimary()
        worked = true
        return { json: 'done' }
      }
      expectReplay(await askOnce({ handle }))
      expect(worked).toBe(false)
      expect((await askOnce({ handle }, {}, { topology: home })).text).toBe('"done"')
    })

    test('P4: after sideEffects() a write gets the typed error, 500 when nobody catches it', async () => {
      const declared = (then: () => Promise<Outcome>) => async (): Promise<Outcome> => {
        sideEffects()
        return then()
      }
      expect((await askOnce({ handle: declared(showingWrite(away)) })).text).toBe('"side-effects"')
      expect((await askOnce({ handle: declared(async () => ({ json: await write(away) })) })).status).toBe(500)
    })

    test('a primary that cannot be reached is a 503 with Retry-After, when nobody catches it', async () => {
      const handle = async (): Promise<Outcome> => {
        throw new PrimaryUnavailable(new Error('connect ECONNREFUSED'))
      }
      const sent = await askOnce({ handle }, {}, { topology: home })
      expect([sent.status, sent.headers['retry-after']]).toEqual([503, '1'])
      expect(sent.headers['fly-replay']).toBeUndefined()
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

    test('requests that run at the same time do not mix', async () => {
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
      // Some of the writes were replayed early, by what the others taught.
      expect(seen.has(undefined)).toBe(false)
    })

    test.each([100, 2_000_000])(
      'a connection stays usable after a replay of a body of %i bytes that nobody read',
      async (size) => {
        const agent = new Agent({ keepAlive: true, maxSockets: 1 })
        try {
          const posting = { method: 'POST', body: JSON.stringify('x'.repeat(size)), agent } as const
          const handle = async (): Promise<Outcome> => ({ json: await write(away) })
          const options = { bodyLimit: 10_000_000, earlyReplay: size === 100 }
          const [first, second] = await ask({ method: 'POST', handle }, [posting, { ...posting, body: '{}' }], {
            options,
          })
          if (first === undefined || second === undefined) throw new Error('no answer')
          expectReplay(first)
          expectReplay(second)
        } finally {
          agent.destroy()
        }
      },
    )

    test('an exempt request runs without a scope', async () => {
      const handle = async (): Promise<Outcome> => ({ json: String(currentScope()?.kind) })
      const options = { exempt: (request: { url: string }) => request.url.endsWith('?health') }
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
        sideEffects()
        return { json: await write(away) }
      }
      expect((await askOnce({ handle: refused }, { headers })).status).toBe(500)
    })

    test('R7: replays and what made them impossible are published', async () => {
      const events: ReplayEvent[] = []
      const listener = (message: unknown): void => {
        events.push(message as ReplayEvent)
      }
      diagnostics.replay.subscribe(listener)
      try {
        await askOnce({ handle: async () => ({ json: await write(away, 'refused') }) })
        await askOnce({ handle: showingWrite(away) }, { headers: signedSource('GET', '/thing') })
      } finally {
        diagnostics.replay.unsubscribe(listener)
      }
      expect(events.map(({ reason, obstacle }) => [reason, obstacle])).toEqual([
        ['refused', undefined],
        ['write', 'already-replayed'],
      ])
    })
  })
}

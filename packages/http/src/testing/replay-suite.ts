import { Agent } from 'node:http'
import { diagnostics, forbidReplay, type ReplayEvent, ReplayImpossible, type Topology } from '@headwater/core'
import { expect, test } from 'vitest'
import type { HttpAdapter, Outcome } from './app-under-test.ts'
import { askThrough } from './ask.ts'
import { away, expectReplay, home, signedSource, TWO_MEGABYTES, write } from './data-layer.ts'

/** A replay stands whatever the app does after the refusal, and happens only where it may. */
export function testReplays(adapter: HttpAdapter): void {
  const { ask, askOnce } = askThrough(adapter)

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

  test('P3: a thrown string, after the refusal, does not hide the replay', async () => {
    const handle = async (): Promise<Outcome> => {
      await write(away).catch(() => undefined)
      throw 'a string'
    }
    const catchesErrors = adapter.handlesOnlyErrors !== true
    expectReplay(await askOnce({ handle }, {}, { catchesErrors }))
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
        error instanceof ReplayImpossible ? error.blocker : String(error),
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

  test('P4: a replayed request that is still away from home can read, and gets already-replayed on a write', async () => {
    const headers = signedSource('GET', '/thing?a=1')
    const settings = { query: '?a=1' }
    expect((await askOnce({ handle: showingWrite(away) }, { headers }, settings)).text).toBe('"already-replayed"')
    expect((await askOnce({ handle: async () => ({ json: 'read' }) }, { headers }, settings)).text).toBe('"read"')
    const sent = await askOnce({ handle: async () => ({ json: await write(away) }) }, { headers }, settings)
    const { 'retry-after': retryAfter, 'cache-control': cacheControl } = sent.headers
    expect([sent.status, retryAfter, cacheControl]).toEqual([503, '1', 'no-store'])
  })

  test.each([
    ['malformed', 'region=nrt,state'],
    ['without state', 'instance=1;region=nrt;t=1'],
    ['of somebody else', `instance=1;region=nrt;t=1;state=v1.abc.write.${'A'.repeat(43)}`],
    ['of another path', signedSource('GET', '/other')['fly-replay-src'] ?? ''],
    ['of another method', signedSource('POST', '/thing')['fly-replay-src'] ?? ''],
  ])('P7: a fly-replay-src that is %s counts as absent', async (_, value) => {
    const handle = async (): Promise<Outcome> => ({ json: await write(away) })
    expectReplay(await askOnce({ handle }, { headers: { 'fly-replay-src': value } }))
  })

  const foreign = `state=hw2.abc.write.${'A'.repeat(22)}.${'B'.repeat(43)}`
  test.each([
    ['that none of our secrets has signed', foreign],
    ['of another version', 'instance=1;region=nrt;t=1;state=hw9.whatever'],
    ['of another time', signedSource('GET', '/thing', Date.now() - 61_000)['fly-replay-src'] ?? ''],
    ['in two headers', `region=nrt;t=1, instance=1;${foreign}`],
  ])('P4: a state of our form %s costs its sender a 503 at most', async (_, value) => {
    const headers = { 'fly-replay-src': value }
    const writing = await askOnce({ handle: async () => ({ json: await write(away) }) }, { headers })
    expect([writing.status, writing.headers['fly-replay']]).toEqual([503, undefined])
    expect((await askOnce({ handle: async () => ({ json: 'read' }) }, { headers })).text).toBe('"read"')
    const atHome = await askOnce({ handle: async () => ({ json: await write(home) }) }, { headers }, { topology: home })
    expect(atHome.text).toBe('"written"')
  })

  test('P4: a body over the limit gets 413 on a write; a read of it is answered', async () => {
    const body = TWO_MEGABYTES
    const settings = { parsesBody: 'after' } as const
    const writing = { method: 'POST', handle: async () => ({ json: await write(away) }) } as const
    const refused = await askOnce(writing, { body }, settings)
    const { 'fly-replay': replay, 'cache-control': cacheControl } = refused.headers
    expect([refused.status, replay, cacheControl]).toEqual([413, undefined, 'no-store'])
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
    const settings = { options: { retryAfterSeconds: 7, earlyReplay: true } }
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

  test('P4: after forbidReplay() a write gets the typed error, and a 500 unless the app catches it', async () => {
    const declared = (then: () => Promise<Outcome>) => async (): Promise<Outcome> => {
      forbidReplay()
      return then()
    }
    expect((await askOnce({ handle: declared(showingWrite(away)) })).text).toBe('"forbidden"')
    expect((await askOnce({ handle: declared(async () => ({ json: await write(away) })) })).status).toBe(500)
  })

  test.each([100, 2_000_000])(
    'a connection stays usable after a replay of a body of %i bytes that nobody read',
    async (size) => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 })
      try {
        const posting = { method: 'POST', body: JSON.stringify('x'.repeat(size)), agent } as const
        const handle = async (): Promise<Outcome> => ({ json: await write(away) })
        const options = { bodyLimitBytes: 10_000_000, earlyReplay: size === 100 }
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

  test('R7: replays, and what made them impossible, are published', async () => {
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
    expect(events.map(({ reason, blocker }) => [reason, blocker])).toEqual([
      ['refused', undefined],
      ['write', 'already-replayed'],
    ])
  })
}

/** A handler that writes, catches the error, and shows its blocker. */
const showingWrite = (topology: Topology) => async (): Promise<Outcome> => {
  try {
    return { json: await write(topology) }
  } catch (error) {
    if (!(error instanceof ReplayImpossible)) throw error
    return { json: error.blocker }
  }
}

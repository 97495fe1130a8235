import { ConnectionLost, currentScope, needsPrimary, PrimaryUnavailable, replayOn } from '@headwater/core'
import { describe, expect, test } from 'vitest'
import type { HeadwaterOptions } from '../options.ts'
import type { HttpAdapter, Outcome } from './app-under-test.ts'
import { type AskSettings, askThrough } from './ask.ts'
import { away, expectReplay, home, TWO_MEGABYTES, write } from './data-layer.ts'
import { Primary } from './primary.ts'
import type { Sent } from './send.ts'
import { stateIn } from './token-text.ts'

/** What a standby answers to a client that is not ours. */
const refusedByStandby = () =>
  Object.assign(new Error('cannot execute INSERT in a read-only transaction'), { code: '25006', severity: 'ERROR' })

/** With this on a request, a write in it is refused with 503. */
const FAILED = { 'fly-replay-failed': 'instance=1;region=ams;reason=no_candidate' }

/** A refusal reaches the client, whatever is left of its error. */
export function testRefusals(adapter: HttpAdapter): void {
  const { ask, askOnce } = askThrough(adapter)

  /** Sends a request in which a write is refused with 503. */
  const refused = (handle: () => Promise<Outcome>, options: Partial<HeadwaterOptions> = {}, more: AskSettings = {}) =>
    askOnce({ handle }, { headers: FAILED }, { ...more, options: { retryAfterSeconds: 7, ...options } })

  /** What a wrapper does that keeps nothing of an error. */
  async function forgetful(): Promise<Outcome> {
    await write(away).catch(() => undefined)
    throw new Error('the query failed')
  }
  /** What GraphQL does: the error is in the body. */
  async function graphql(): Promise<Outcome> {
    await write(away).catch(() => undefined)
    return {
      json: { data: null, errors: ['failed'] },
      headers: { etag: '"e"', 'x-own': '1', 'cache-control': 'public' },
    }
  }
  const ownPage = async (status: number): Promise<Outcome> => {
    await write(away).catch(() => undefined)
    return { status, json: 'sorry', headers: { 'x-own': '1', 'retry-after': '30' } }
  }

  const isRefusal = (sent: Sent): void => {
    const { 'retry-after': retryAfter, 'cache-control': cacheControl } = sent.headers
    expect([sent.status, retryAfter, cacheControl]).toEqual([503, '7', 'no-store'])
    expect(sent.headers['fly-replay']).toBeUndefined()
  }

  test('P10: a refusal of which a wrapper has left nothing reaches the client with its status', async () => {
    isRefusal(await refused(forgetful))
    // Without a refusal, a failure is the app's.
    const failing = async (): Promise<Outcome> => {
      throw new Error('its own')
    }
    expect((await refused(failing)).status).toBe(500)
  })

  test('P10: a primary that cannot be reached is a 503 through such a wrapper too', async () => {
    const handle = async (): Promise<Outcome> => {
      currentScope()?.refuse(new PrimaryUnavailable(new Error('connect ECONNREFUSED')))
      throw new Error('the query failed')
    }
    isRefusal(await askOnce({ handle }, {}, { topology: home, options: { retryAfterSeconds: 7 } }))
  })

  test('X6, P10: a connection that was lost with all that was done is a 503 through such a wrapper too', async () => {
    const primary = new Primary()
    const losing = (isRetryable: boolean, hasCommitted: boolean) => async (): Promise<Outcome> => {
      if (hasCommitted) await primary.write()
      currentScope()?.refuse(new ConnectionLost(new Error('Connection terminated unexpectedly'), isRetryable))
      throw new Error('the query failed')
    }
    const settings = { topology: home, options: { retryAfterSeconds: 7 } }
    isRefusal(await askOnce({ handle: losing(true, false) }, {}, settings))
    // Who does all of it again would do twice what was committed.
    expect((await askOnce({ handle: losing(false, false) }, {}, settings)).status).toBe(500)
    expect((await askOnce({ handle: losing(true, true) }, {}, settings)).status).toBe(500)
  })

  test('P10: an error page keeps its body and headers, and gets the status', async () => {
    const sent = await refused(() => ownPage(500))
    expect([sent.status, sent.text, sent.headers['x-own'], sent.headers['retry-after']]).toEqual([
      503,
      '"sorry"',
      '1',
      '7',
    ])
    // A 503 of the app's own says itself when to come back.
    const own = await refused(() => ownPage(503))
    expect([own.status, own.headers['retry-after'], own.headers['cache-control']]).toEqual([503, '30', 'no-store'])
  })

  test('P10: what the app answers on purpose stays, below 500', async () => {
    for (const status of [200, 202, 404, 422]) {
      const sent = await refused(() => ownPage(status))
      expect([sent.status, sent.text, sent.headers['retry-after']]).toEqual([status, '"sorry"', '30'])
    }
    expect((await refused(forgetful, {}, { catchesErrors: true })).status).toBe(418)
    const streamed = await refused(async () => {
      await write(away).catch(() => undefined)
      return {
        async *chunks() {
          yield 'one '
          yield 'two'
        },
      }
    })
    expect([streamed.status, streamed.text]).toEqual([200, 'one two'])
  })

  test('P10: refusals: always, where errors hide in a 200 (GraphQL); the body stays', async () => {
    const sent = await refused(graphql, { refusals: ({ url }) => (url === '/thing' ? 'always' : undefined) })
    isRefusal(sent)
    expect([sent.text, sent.headers['x-own']]).toEqual(['{"data":null,"errors":["failed"]}', '1'])
    expect((await refused(graphql)).status).toBe(200)
    expect((await refused(graphql, { refusals: ({ url }) => (url === '/other' ? 'always' : undefined) })).status).toBe(
      200,
    )
    // A replay is none: it stands.
    expectReplay(await askOnce({ handle: graphql }, {}, { options: { refusals: 'never' } }))
  })

  test('P10: refusals: never leaves an answer alone', async () => {
    const sent = await refused(() => ownPage(500), { refusals: 'never' })
    expect([sent.status, sent.headers['retry-after']]).toEqual([500, '30'])
  })

  test('P10: nobody is told to try again once a write was sent after the refusal', async () => {
    const handle = async (): Promise<Outcome> => {
      await write(away).catch(() => undefined)
      // The data layer does this before it sends one.
      currentScope()?.forgetRefusal()
      throw new Error('its own')
    }
    expect((await refused(handle)).status).toBe(500)
  })

  test('P10, F1: the token of what was written before the refusal is on the answer', async () => {
    const primary = new Primary()
    const handle = async (): Promise<Outcome> => {
      await primary.write()
      currentScope()?.refuse(new PrimaryUnavailable(new Error('connect ECONNREFUSED')))
      throw new Error('the query failed')
    }
    const sent = await askOnce({ handle }, {}, { topology: home, options: { retryAfterSeconds: 7 } })
    expect([sent.status, sent.headers['retry-after'], stateIn(sent)]).toEqual([503, '7', primary.state])
  })

  describe('an error of another client', () => {
    const handle = async (): Promise<Outcome> => {
      throw new Error('the ORM says no', { cause: refusedByStandby() })
    }

    test('P2: is replayed where the app says so with replayOn, and nowhere else', async () => {
      expectReplay(await askOnce({ handle }, {}, { options: { replayOn: needsPrimary } }))
      expect((await askOnce({ handle })).status).toBe(500)
      expect((await askOnce({ handle }, {}, { options: { replayOn: () => false } })).status).toBe(500)
      const matched = { options: { replayOn: (error: unknown) => String(error).includes('ORM') } }
      expectReplay(await askOnce({ handle }, {}, matched))
    })

    test('P2: is replayed where the app met it and called replayOn()', async () => {
      const catching = () =>
        handle().catch((error: unknown) => {
          replayOn(error)
          return { json: 'swallowed' }
        })
      expectReplay(await askOnce({ handle: catching }, {}, { catchesErrors: true }))
    })

    test('P4: is a refusal where no replay is possible', async () => {
      isRefusal(await refused(handle, { replayOn: needsPrimary }))
    })
  })

  describe('a body over the limit', () => {
    const body = TWO_MEGABYTES
    const handle = async (): Promise<Outcome> => {
      const kind = currentScope()?.kind
      return { json: kind === 'job' ? 'direct' : await write(away) }
    }
    const upload = { method: 'POST', handle } as const

    test('P4: gets 413 with the request header that leads to the primary’s region', async () => {
      const requests = [{ body }, { body, chunked: true }]
      for (const sent of await ask(upload, requests, { parsesBody: 'after', options: { earlyReplay: true } })) {
        const { 'fly-prefer-region': region, 'cache-control': cacheControl } = sent.headers
        expect([sent.status, region, cacheControl]).toEqual([413, 'ams', 'no-store'])
      }
    })

    test('P6: with tooLarge: direct runs as outside a request', async () => {
      const settings = { parsesBody: 'after', options: { earlyReplay: true, tooLarge: 'direct' } } as const
      const answers = await ask(upload, [{ body }, { body, chunked: true }, { body: '{}', chunked: true }], settings)
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 409])
    })
  })
}

import { currentScope, OptionsInvalid } from '@headwater/core'
import { createTopology } from '@headwater/core/internal'
import { expect, test } from 'vitest'
import type { HeadwaterOptions } from '../options.ts'
import type { HttpAdapter, Outcome } from './app-under-test.ts'
import { askThrough } from './ask.ts'
import { away, expectReplay, home, signedSource, write } from './data-layer.ts'
import { Primary } from './primary.ts'
import { cookieOf, stateIn, tokenOf } from './token-text.ts'

const EARLY = { options: { earlyReplay: true } } as const
/** An app that is told neither where it runs nor where the primary is, as on a developer's machine. */
const UNKNOWN = createTopology({ region: undefined, primaryRegion: undefined, hasReplica: false })

/**
 * What the tests of fly-ruby 0.5.1 hold an app to, over HTTP. Where it goes by a clock, we go by the position. Its other tests are about its
 * options object, Redis, sqlite and the database's address, which `@headwater/pg` finds.
 *
 * Source: github.com/superfly/fly-ruby, test/regional_database_test.rb and test/rails_test.rb.
 */
export function testAsFlyRuby(adapter: HttpAdapter): void {
  const { ask, askOnce } = askThrough(adapter)
  const read = async (): Promise<Outcome> => ({ json: 'read' })

  /** Reads as a data layer does whose replica lacks what the client has seen: at home at the primary, elsewhere not at all. */
  const readNewest = (primary: Primary, isAtHome: boolean) => async (): Promise<Outcome> => {
    const scope = currentScope()
    if (!isAtHome && scope?.session.seen !== undefined) throw scope.askForReplay(away, 'behind')
    if (isAtHome) scope?.session.readAtPrimary(primary)
    return { json: 'read' }
  }

  test('P5, fly-ruby test_get_request_wont_replay_or_set_cookies: a GET that reads is answered here, without a cookie', async () => {
    const sent = await askOnce({ handle: read }, {}, EARLY)
    expect([sent.status, sent.headers['fly-replay'], sent.headers['set-cookie']]).toEqual([200, undefined, undefined])
  })

  test.each(['POST', 'PUT', 'PATCH', 'DELETE'])(
    'P5, fly-ruby test_post_request_will_replay_on_secondary_region, test_post_gets_replayed: %s is replayed, and the state says that its method is why',
    async (method) => {
      let runs = 0
      const handle = async (): Promise<Outcome> => ({ json: ++runs })
      const sent = await askOnce({ handle }, { method, body: '{}' }, EARLY)
      expectReplay(sent)
      expect([runs, sent.headers['fly-replay']]).toEqual([0, expect.stringContaining('.route-prior.')])
    },
  )

  test('F1, fly-ruby test_replayed_request_will_send_next_get_request_to_primary: a write that was replayed gives a token, and the GET after it goes to the primary while the replica is behind', async () => {
    const primary = new Primary()
    const writing = { method: 'POST', handle: async () => ({ json: await primary.write() }) } as const
    const source = signedSource('POST', '/thing')
    const written = await askOnce(writing, { body: '{}', headers: source }, { ...EARLY, topology: home })
    expect([written.status, stateIn(written)]).toEqual([200, primary.state])
    const [cookie = ''] = (written.headers['set-cookie'] ?? []).map((one) => one.split(';')[0] ?? '')
    const next = await askOnce({ handle: readNewest(primary, false) }, { headers: { cookie } }, EARLY)
    expectReplay(next)
    expect(next.headers['fly-replay']).toContain('.behind.')
    // Its own writes are all that a client waits for: one without a token reads here.
    expect((await askOnce({ handle: readNewest(primary, false) }, {}, EARLY)).status).toBe(200)
  })

  test('F5, fly-ruby test_threshold_replayed_request_will_not_reset_threshold_cookie: a GET that was replayed for its token sets no new one', async () => {
    const primary = new Primary()
    const cookie = cookieOf(tokenOf(primary.lsn))
    const request = { headers: { ...signedSource('GET', '/thing'), cookie } }
    const handle = readNewest(primary, true)
    const same = await askOnce({ handle }, request, { topology: home })
    expect([same.status, same.headers['set-cookie']]).toEqual([200, undefined])
    // Others wrote meanwhile. What was shown must not vanish, unless the app wants own writes only.
    primary.lsn += 50n
    expect(stateIn(await askOnce({ handle }, request, { topology: home }))).toEqual(primary.state)
    const options: Partial<HeadwaterOptions> = { token: { trackReads: 'never' } }
    const never = await askOnce({ handle }, request, { topology: home, options })
    expect([never.status, never.headers['set-cookie']]).toEqual([200, undefined])
  })

  test('R7, fly-ruby test_debug_headers_are_appended_to_responses: with serverTiming each answer names the region, a replay too', async () => {
    const options: Partial<HeadwaterOptions> = { serverTiming: true }
    const writing = async (): Promise<Outcome> => ({ json: await write(away) })
    for (const handle of [read, writing]) {
      const { headers } = await askOnce({ handle }, {}, { options })
      expect(headers['server-timing']).toMatch(/^headwater;desc="nrt"/)
    }
  })

  test('P2, fly-ruby test_database_write_exception_gets_replayed: a write that the database refused in a GET is replayed, and the state says so', async () => {
    const bare = async (): Promise<Outcome> => ({ json: await write(away, 'refused') })
    const wrapped = (): Promise<Outcome> =>
      bare().catch((cause: unknown) => {
        throw new Error('the ORM says no', { cause })
      })
    for (const handle of [bare, wrapped]) {
      const sent = await askOnce({ handle }, {}, EARLY)
      expectReplay(sent)
      expect(sent.headers['fly-replay']).toContain('.refused.')
    }
  })

  test('P5, fly-ruby test_middleware_inserted_with_required_env_vars: the environment’s secret is enough, and the middleware is in front of all work', async () => {
    const { HEADWATER_SECRET } = process.env
    process.env['HEADWATER_SECRET'] = 'the secret of the environment'
    try {
      let runs = 0
      const handle = async (): Promise<Outcome> => ({ json: ++runs })
      const settings = { options: { earlyReplay: true, secret: undefined }, parsesBody: 'after' } as const
      const [sent] = await ask({ method: 'POST', handle }, { body: 'no JSON at all' }, settings)
      if (sent === undefined) throw new Error('no answer')
      expectReplay(sent)
      expect(runs).toBe(0)
    } finally {
      if (HEADWATER_SECRET === undefined) delete process.env['HEADWATER_SECRET']
      else process.env['HEADWATER_SECRET'] = HEADWATER_SECRET
    }
  })

  test('P4, fly-ruby test_middleware_skipped_without_required_env_vars: where nothing says where the primary is, nothing is replayed; without a secret the app does not start', async () => {
    const primary = new Primary()
    const handle = async (): Promise<Outcome> => ({ json: await primary.write() })
    const settings = { ...EARLY, topology: UNKNOWN }
    const sent = await askOnce({ method: 'POST', handle }, { body: '{}' }, settings)
    expect([sent.status, sent.headers['fly-replay']]).toEqual([200, undefined])
    const nameless = askOnce({ handle }, {}, { options: { secret: '' } })
    await expect(nameless).rejects.toThrow(OptionsInvalid)
  })

  test('P5: at home nothing is replayed, and OPTIONS is nowhere', async () => {
    const primary = new Primary()
    const handle = async (): Promise<Outcome> => ({ json: await primary.write() })
    const atHome = await askOnce({ method: 'POST', handle }, { body: '{}' }, { ...EARLY, topology: home })
    const options = await askOnce({ handle: read }, { method: 'OPTIONS' }, EARLY)
    expect([atHome.status, atHome.headers['fly-replay'], options.headers['fly-replay']]).toEqual([
      200,
      undefined,
      undefined,
    ])
  })
}

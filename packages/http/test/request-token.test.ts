import { NO_NODE, SEEN_UNKNOWN, type Seen, signToken, toLsn, verifyToken } from '@headwater/core'
import { describe, expect, test } from 'vitest'
import { RequestToken, TOKEN_HEADER, type TokenOutcome } from '../src/request-token.ts'
import type { ResponseHead } from '../src/response-head.ts'
import { resolveTokenCarriers, type TokenCarrierOptions } from '../src/token-options.ts'

const SECRETS = ['long enough to be a secret']
const NOW = 1_790_000_000_000

const seen = (lsn: bigint, node = NO_NODE): Seen => ({ cluster: 7n, timeline: 1, lsn: toLsn(lsn), node })
const tokenOf = (state: Seen, issuedAt = NOW, life = 60_000, secrets = SECRETS): string =>
  signToken({ ...state, issuedAt, expires: issuedAt + life }, secrets)
const stateOf = (text: string | undefined, now = NOW): Seen | undefined => {
  const token = verifyToken(text, SECRETS, now)
  return token && { cluster: token.cluster, timeline: token.timeline, lsn: token.lsn, node: token.node }
}
const cookieValueOf = (cookie: string | undefined): string | undefined => /^headwater=([^;]*);/.exec(cookie ?? '')?.[1]

function arrive(
  headers: Record<string, string>,
  options: TokenCarrierOptions = {},
  facts: { isSecure?: boolean } = {},
): RequestToken {
  const carriers = resolveTokenCarriers(options)
  if (carriers === undefined) throw new Error('nothing carries tokens')
  const header = (name: string): string | undefined => headers[name]
  return new RequestToken(carriers, SECRETS, { method: 'GET', url: '/', header, isSecure: false, ...facts }, NOW)
}

const cookieOf = (token: string): Record<string, string> => ({ cookie: `headwater=${token}` })
const headerOf = (token: string): Record<string, string> => ({ [TOKEN_HEADER]: token })
const outcome = (state: Seen | undefined, more: Partial<TokenOutcome> = {}): TokenOutcome => ({
  seen: state,
  isEverywhere: false,
  now: NOW,
  ...more,
})

/** A head as plain data. */
function headWith(
  headers: Record<string, string> = {},
): ResponseHead & { headers: Record<string, string>; cookies: string[] } {
  const all = { ...headers }
  const cookies: string[] = []
  return {
    headers: all,
    cookies,
    get: (name) => all[name],
    set: (name, value) => {
      all[name] = value
    },
    addCookie: (cookie) => {
      if (!cookies.includes(cookie)) cookies.push(cookie)
    },
  }
}

describe('what a request carries', () => {
  test('F1: by cookie, by header, by both: the later counts', () => {
    expect(arrive({}).floor).toBeUndefined()
    expect(arrive(cookieOf(tokenOf(seen(5n)))).floor).toMatchObject(seen(5n))
    expect(arrive(headerOf(tokenOf(seen(6n)))).floor).toMatchObject(seen(6n))
    for (const [one, other] of [
      [5n, 6n],
      [6n, 5n],
    ] as const) {
      const both = { ...cookieOf(tokenOf(seen(one))), ...headerOf(tokenOf(seen(other))) }
      expect(arrive(both).floor).toEqual(seen(6n))
    }
  })

  const good = tokenOf(seen(5n))
  test.each([
    ['forged', tokenOf(seen(5n), NOW, 60_000, ['another secret, as long'])],
    ['changed', `${good.slice(0, 20)}${good[20] === 'A' ? 'B' : 'A'}${good.slice(21)}`],
    ['expired', tokenOf(seen(5n), NOW - 60_000)],
    ['from the future', tokenOf(seen(5n), NOW + 60_001)],
    ['truncated', good.slice(0, -1)],
    ['quoted', `"${good}"`],
    ['twice in a header', `${good}, ${good}`],
    ['empty', ''],
    ['huge', 'A'.repeat(8000)],
  ])('F3: one that is %s counts as absent', (_, text) => {
    for (const headers of [cookieOf(text), headerOf(text)]) {
      const token = arrive(headers)
      expect([token.floor, token.trail]).toEqual([undefined, { floor: undefined, isTracked: false, isWanted: true }])
      expect(token.answer(outcome(undefined))).toEqual({ cookie: undefined, header: undefined })
    }
  })

  test('F3: a cookie that comes twice counts as absent; the header is taken all the same', () => {
    const headers = { cookie: `headwater=${good}; headwater=${good}`, ...headerOf(tokenOf(seen(4n))) }
    expect(arrive(headers).floor).toMatchObject(seen(4n))
  })

  test('F1: carriers that are switched off are not read and not answered', () => {
    const both = { ...cookieOf(tokenOf(seen(5n))), ...headerOf(tokenOf(seen(6n))) }
    const byHeader = arrive(both, { cookie: false })
    expect([byHeader.floor, byHeader.answer(outcome(seen(9n))).cookie]).toMatchObject([seen(6n), undefined])
    const byCookie = arrive(both, { header: false })
    expect([byCookie.floor, byCookie.answer(outcome(seen(9n))).header]).toMatchObject([seen(5n), undefined])
    const renamed = arrive({ cookie: `mine=${tokenOf(seen(5n))}` }, { cookie: { name: 'mine', path: '/app' } })
    expect(renamed.answer(outcome(seen(9n))).cookie).toMatch(/^mine=[\w-]{90}; Path=\/app; Max-Age=60; /)
  })

  test('F5: who is tracked: a client with a token, or everybody', () => {
    expect(arrive({}).trail.isTracked).toBe(false)
    expect(arrive(cookieOf(good)).trail.isTracked).toBe(true)
    expect(arrive({}, { trackReads: 'always' }).trail.isTracked).toBe(true)
  })
})

describe('what the answer sets', () => {
  test('F1: what was seen anew, in both carriers, as one token', () => {
    const { cookie, header } = arrive({}).answer(outcome(seen(9n)))
    expect(stateOf(header)).toEqual(seen(9n))
    expect(cookie).toBe(`headwater=${header}; Path=/; Max-Age=60; HttpOnly; SameSite=Lax`)
    expect(verifyToken(header, SECRETS, NOW + 59_999)).toBeDefined()
    expect(verifyToken(header, SECRETS, NOW + 60_000)).toBeUndefined()
  })

  test('F1: it lives as long as the app says', () => {
    const { cookie, header } = arrive({}, { timeToLive: 1500 }).answer(outcome(seen(9n)))
    expect(cookie).toContain('; Max-Age=2;')
    expect(verifyToken(header, SECRETS, NOW + 1500)).toBeUndefined()
  })

  test('F1: the cookie is Secure when the request is, here or at the proxy', () => {
    const cookie = (headers: Record<string, string>, isSecure = false): string =>
      arrive(headers, {}, { isSecure }).answer(outcome(seen(9n))).cookie ?? ''
    expect(cookie({}, true)).toMatch(/; Secure$/)
    expect(cookie({ 'x-forwarded-proto': 'https' })).toMatch(/; Secure$/)
    expect(cookie({ 'x-forwarded-proto': 'HTTPS, http' })).toMatch(/; Secure$/)
    for (const proto of ['http', 'http, https', 'httpsx']) {
      expect(cookie({ 'x-forwarded-proto': proto })).not.toContain('Secure')
    }
  })

  test('F1: nothing when nothing was seen, and no cookie when nothing changed', () => {
    expect(arrive({}).answer(outcome(undefined))).toEqual({ cookie: undefined, header: undefined })
    expect(arrive(cookieOf(tokenOf(seen(5n)))).answer(outcome(seen(5n)))).toEqual({
      cookie: undefined,
      header: undefined,
    })
  })

  test('F1: a client that asks by header is answered by header, the same text while nothing changed', () => {
    const text = tokenOf(seen(5n), NOW - 30_001)
    expect(arrive(headerOf(text)).answer(outcome(seen(5n)))).toEqual({ cookie: undefined, header: text })
    expect(stateOf(arrive(headerOf(text)).answer(outcome(seen(6n))).header)).toEqual(seen(6n))
  })

  test('F1: the carrier that is behind gets what the other one knew', () => {
    const both = { ...cookieOf(tokenOf(seen(5n))), ...headerOf(tokenOf(seen(6n))) }
    const { cookie, header } = arrive(both).answer(outcome(seen(6n)))
    expect([stateOf(cookieValueOf(cookie)), header]).toEqual([seen(6n), both[TOKEN_HEADER]])
  })

  test('F5: the mark of another replica is a change', () => {
    const { cookie } = arrive(cookieOf(tokenOf(seen(5n)))).answer(outcome(seen(5n, 3)))
    expect(stateOf(cookieValueOf(cookie))).toEqual(seen(5n, 3))
  })

  test('F2: what nobody knows is a token that keeps reads at the primary', () => {
    const { cookie } = arrive({}).answer(outcome(SEEN_UNKNOWN))
    expect(stateOf(cookieValueOf(cookie))).toEqual(SEEN_UNKNOWN)
  })

  test('F5: when everybody is tracked, a token is renewed past half of its life, else not', () => {
    const young = tokenOf(seen(5n), NOW - 30_000)
    const old = tokenOf(seen(5n), NOW - 30_001)
    const always = { trackReads: 'always' } as const
    expect(arrive(cookieOf(young), always).answer(outcome(seen(5n))).cookie).toBeUndefined()
    const renewed = cookieValueOf(arrive(cookieOf(old), always).answer(outcome(seen(5n))).cookie)
    expect(verifyToken(renewed, SECRETS, NOW + 59_999)).toBeDefined()
    expect(arrive(cookieOf(old)).answer(outcome(seen(5n))).cookie).toBeUndefined()
    const { cookie, header } = arrive(headerOf(old), always).answer(outcome(seen(5n)))
    expect([cookie, header === old, stateOf(header)]).toEqual([undefined, false, seen(5n)])
  })

  test('F1: the cookie is taken away once every replica has passed it, and not set anew', () => {
    const everywhere = { isEverywhere: true }
    const carried = cookieOf(tokenOf(seen(5n)))
    const gone = 'headwater=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax'
    expect(arrive(carried).answer(outcome(seen(5n), everywhere)).cookie).toBe(gone)
    expect(arrive(carried).answer(outcome(seen(6n), everywhere)).cookie).toBe(gone)
    expect(arrive({}).answer(outcome(seen(6n), everywhere)).cookie).toBeUndefined()
    const always = arrive(carried, { trackReads: 'always' }).answer(outcome(seen(6n), everywhere))
    expect(stateOf(cookieValueOf(always.cookie))).toEqual(seen(6n))
  })
})

describe('caches', () => {
  /** The head after an answer was told on it, twice: doing so again changes nothing. */
  function told(
    token: RequestToken,
    state: Seen | undefined,
    hasWritten: boolean,
    headers = {},
  ): ReturnType<typeof headWith> {
    const head = headWith(headers)
    const answer = token.answer(outcome(state))
    token.tell(head, answer, hasWritten)
    const once = structuredClone([head.headers, head.cookies])
    token.tell(head, answer, hasWritten)
    expect([head.headers, head.cookies]).toEqual(once)
    return head
  }

  test('F1: a response that sets a token is for one client', () => {
    const plain = told(arrive({}), seen(9n), true)
    expect([plain.headers['cache-control'], plain.headers['vary'], plain.cookies.length]).toEqual([
      'private',
      undefined,
      1,
    ])
    const shared = told(arrive({}), seen(9n), true, { 'cache-control': 'public, s-maxage=9, max-age=60' })
    expect([shared.headers['cache-control'], shared.cookies.length]).toEqual(['private, max-age=60', 1])
  })

  test('F1: a response that sets none is left alone', () => {
    const headers = { 'cache-control': 'public, max-age=60', vary: 'Accept' }
    expect(told(arrive({}), undefined, false, headers).headers).toEqual(headers)
    expect(told(arrive({}), undefined, false).headers).toEqual({})
  })

  test('F5: a read that the app offers to shared caches stays so, and tracks nothing', () => {
    for (const cacheControl of ['public, max-age=60', 's-maxage=5']) {
      const headers = { 'cache-control': cacheControl }
      const carried = { ...cookieOf(tokenOf(seen(5n))), ...headerOf(tokenOf(seen(5n))) }
      const head = told(arrive(carried), seen(5n, 3), false, headers)
      expect([head.headers, head.cookies]).toEqual([headers, []])
    }
  })

  test('F1: what came with a token varies by its carrier', () => {
    const byCookie = told(arrive(cookieOf(tokenOf(seen(5n)))), seen(5n), false, { vary: 'Accept' })
    expect([byCookie.headers, byCookie.cookies]).toEqual([{ vary: 'Accept, Cookie' }, []])
    const byHeader = told(arrive(headerOf(tokenOf(seen(5n)))), seen(5n), false)
    expect(byHeader.headers).toMatchObject({ vary: TOKEN_HEADER, 'cache-control': 'private' })
    const both = { ...cookieOf(tokenOf(seen(5n))), ...headerOf(tokenOf(seen(5n))) }
    expect(told(arrive(both), seen(5n), false, { vary: '*' }).headers['vary']).toBe('*')
    expect(told(arrive(both), seen(5n), false).headers['vary']).toBe('headwater-token, Cookie')
  })
})

import {
  NO_NODE,
  type ReadPosition,
  signToken,
  tokenName,
  toLsn,
  UNKNOWN_POSITION,
  verifyToken,
} from '@headwater/core/internal'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ResponseHead } from '../src/response/response-head.ts'
import { RequestToken, TOKEN_HEADER, type TokenAnswer, type TokenOutcome } from '../src/token/request-token.ts'
import { resolveTokenCarriers, type TokenCarrierOptions } from '../src/token/token-options.ts'

const SECRETS = ['long enough to be a secret']
const NOW = 1_790_000_000_000

const seen = (lsn: bigint, node = NO_NODE): ReadPosition => ({ cluster: 7n, timeline: 1, lsn: toLsn(lsn), node })
const tokenOf = (state: ReadPosition, issuedAt = NOW, life = 60_000, secrets = SECRETS): string =>
  signToken({ ...state, issuedAt, expires: issuedAt + life }, secrets)
const stateOf = (text: string | undefined, now = NOW): ReadPosition | undefined => {
  const token = verifyToken(text, SECRETS, now)
  return token && { cluster: token.cluster, timeline: token.timeline, lsn: token.lsn, node: token.node }
}
/** The name of the cookie for a state that was seen at a time. */
const nameOf = (state: ReadPosition, issuedAt = NOW): string =>
  `headwater.${tokenName({ ...state, issuedAt, expires: 0 }, SECRETS)}`
/** The cookies that an answer sets, as name and value. */
function settingOf({ cookies }: TokenAnswer): { readonly name: string; readonly value: string } | undefined {
  const set = cookies.filter((cookie) => !cookie.includes('Max-Age=0'))
  expect(set.length).toBeLessThan(2)
  const [, name, value] = /^([^=]*)=([^;]*); Path=\/; Max-Age=60; HttpOnly; SameSite=Lax$/.exec(set[0] ?? '') ?? []
  return name === undefined || value === undefined ? undefined : { name, value }
}
const cookieValueOf = (answer: TokenAnswer): string | undefined => settingOf(answer)?.value
/** The names of the cookies that an answer deletes. */
const takenBy = ({ cookies }: TokenAnswer): readonly (string | undefined)[] =>
  cookies.flatMap((cookie) => {
    const match = /^([^=]*)=; Path=\/; Max-Age=0; HttpOnly; SameSite=Lax$/.exec(cookie)
    return match ? [match[1]] : []
  })

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

/** Puts a token into a cookie of its name, and anything else into a cookie of any name. */
function pairOf(text: string): string {
  const token = verifyToken(text, SECRETS, NOW)
  return `${token === undefined ? 'headwater.AAAAAAAA' : `headwater.${tokenName(token, SECRETS)}`}=${text}`
}
const cookieOf = (...tokens: string[]): Record<string, string> => ({ cookie: tokens.map(pairOf).join('; ') })
const headerOf = (...tokens: string[]): Record<string, string> => ({ [TOKEN_HEADER]: tokens.join(', ') })
const outcome = (state: ReadPosition | undefined, more: Partial<TokenOutcome> = {}): TokenOutcome => ({
  seen: state,
  hasSeenMore: true,
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
    status: 200,
    setStatus: () => {},
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
  test('F1: by cookie, by header or by both: the later token counts', () => {
    expect(arrive({}).minPosition).toBeUndefined()
    expect(arrive(cookieOf(tokenOf(seen(5n)))).minPosition).toMatchObject(seen(5n))
    expect(arrive(headerOf(tokenOf(seen(6n)))).minPosition).toMatchObject(seen(6n))
    for (const [one, other] of [
      [5n, 6n],
      [6n, 5n],
    ] as const) {
      const both = { ...cookieOf(tokenOf(seen(one))), ...headerOf(tokenOf(seen(other))) }
      expect(arrive(both).minPosition).toEqual(seen(6n))
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
    ['empty', ''],
    ['huge', 'A'.repeat(8000)],
  ])('F3: one that is %s counts as absent', (_, text) => {
    for (const headers of [cookieOf(text), headerOf(text)]) {
      const token = arrive(headers)
      expect([token.minPosition, token.sessionOf(false)]).toEqual([
        undefined,
        { minPosition: undefined, isTracked: false, isForWritesOnly: false, isWanted: true, isVisiting: false },
      ])
      const answer = token.answer(outcome(undefined))
      expect([settingOf(answer), answer.header]).toEqual([undefined, undefined])
    }
  })

  test('F1: several tokens by either carrier: all count, also under one name, except those that do not verify', () => {
    const [five, six] = [tokenOf(seen(5n)), tokenOf(seen(6n))]
    expect(arrive(cookieOf(six, five, 'forged')).minPosition).toEqual(seen(6n))
    expect(arrive({ cookie: `headwater.AAAAAAAA=${six}; headwater.AAAAAAAA=${five}` }).minPosition).toEqual(seen(6n))
    expect(arrive(headerOf(five, 'forged', six, '')).minPosition).toEqual(seen(6n))
    expect(arrive(headerOf(five, tokenOf(seen(4n, 3)))).minPosition).toEqual(seen(5n, 3))
    expect(arrive({ cookie: `headwater=${six}; ${pairOf(five)}` }).minPosition).toMatchObject(seen(5n))
  })

  test('F3: of more than 256 tokens the last ones count, which the browser received last', () => {
    const older = tokenOf(seen(999n))
    const others = Array.from({ length: 255 }, (_, at) => tokenOf(seen(BigInt(at))))
    for (const carrier of [cookieOf, headerOf]) {
      expect(arrive(carrier(older, ...others)).minPosition).toEqual(seen(999n))
      expect(arrive(carrier(older, ...others, tokenOf(seen(255n)))).minPosition).toEqual(seen(255n))
    }
  })

  test('F1: a carrier that is switched off is neither read nor answered', () => {
    const both = { ...cookieOf(tokenOf(seen(5n))), ...headerOf(tokenOf(seen(6n))) }
    const byHeader = arrive(both, { cookie: false })
    expect([byHeader.minPosition, byHeader.answer(outcome(seen(9n))).cookies]).toMatchObject([seen(6n), []])
    const byCookie = arrive(both, { header: false })
    expect([byCookie.minPosition, byCookie.answer(outcome(seen(9n))).header]).toMatchObject([seen(5n), undefined])
    const renamed = arrive({ cookie: `mine.AAAAAAAA=${good}` }, { cookie: { name: 'mine', path: '/app' } })
    const [set, taken] = renamed.answer(outcome(seen(9n))).cookies
    expect(set).toMatch(/^mine\.[\w-]{8}=[\w-]{68}; Path=\/app; Max-Age=60; /)
    expect(taken).toMatch(/^mine\.AAAAAAAA=; Path=\/app; Max-Age=0; /)
  })

  test('F5: tracked are clients with a token, or everybody', () => {
    expect(arrive({}).sessionOf(false).isTracked).toBe(false)
    expect(arrive(cookieOf(good)).sessionOf(false).isTracked).toBe(true)
    expect(arrive({}, { trackReads: 'always' }).sessionOf(false).isTracked).toBe(true)
  })
})

describe('P7: what a client adds', () => {
  const real = tokenOf(seen(9n))
  const name = (at: number): string => `headwater.B${String(at).padStart(7, '0')}`
  const forged = (at: number): string => tokenOf(seen(BigInt(at)), NOW, 60_000, ['another secret, as long'])
  const kinds: Readonly<Record<string, (at: number) => string>> = {
    'ill-formed': () => 'x',
    forged,
    expired: (at) => tokenOf(seen(BigInt(at)), NOW - 60_000 - at),
    empty: () => '',
    '80 bytes long': () => 'A'.repeat(80),
    'of the version before': () => 'A'.repeat(90),
  }

  test.each(Object.entries(kinds))(
    'P7: 200 cookies or texts that are %s push out no token, wherever it stands',
    (_, make) => {
      const added = Array.from({ length: 200 }, (_, at) => make(at))
      for (const at of [0, 100, 200]) {
        const pairs = added.map((text, index) => `${name(index)}=${text}`)
        expect(arrive({ cookie: pairs.toSpliced(at, 0, pairOf(real)).join('; ') }).minPosition).toMatchObject(seen(9n))
        expect(arrive(headerOf(...added.toSpliced(at, 0, real))).minPosition).toMatchObject(seen(9n))
      }
    },
  )

  test('P7: any number of copies of one token count as that one', () => {
    const copies = Array.from({ length: 3000 }, () => forged(1))
    expect(arrive(headerOf(real, ...copies)).minPosition).toMatchObject(seen(9n))
    expect(arrive({ cookie: [pairOf(real), ...copies.map(pairOf)].join('; ') }).minPosition).toMatchObject(seen(9n))
  })

  test('P7: cookies that are none of our tokens are taken away, 32 with each answer', () => {
    const all = Array.from({ length: 40 }, (_, at) => `${name(at)}=x`)
    const answer = arrive({ cookie: [pairOf(real), ...all].join('; ') }).answer(outcome(seen(9n)))
    expect([settingOf(answer), takenBy(answer)]).toEqual([undefined, Array.from({ length: 32 }, (_, at) => name(at))])
    const idle = arrive({ cookie: all.slice(32).join('; ') }).answer(outcome(undefined))
    expect(takenBy(idle)).toEqual(Array.from({ length: 8 }, (_, at) => name(32 + at)))
  })

  test('P7: a name under which a token came as well is not taken away, and neither is the one that is set', () => {
    const [own, expired] = [nameOf(seen(9n)), nameOf(seen(5n))]
    const cookie = `${own}=${real}; ${own}=x; ${expired}=${tokenOf(seen(5n), NOW - 60_000)}; ${expired}=x`
    expect(arrive({ cookie }).answer(outcome(seen(9n))).cookies).toEqual([])
    const answer = arrive({ cookie: `${own}=x` }).answer(outcome(seen(9n)))
    expect([settingOf(answer)?.name, takenBy(answer)]).toEqual([own, []])
  })

  test('P7: eight cookies that none of our secrets has sealed may stay, as in a change of secrets; more may not', () => {
    const jar = (count: number) => Array.from({ length: count }, (_, at) => `${name(at)}=${forged(at)}`).join('; ')
    expect(takenBy(arrive({ cookie: jar(8) }).answer(outcome(undefined)))).toEqual([])
    expect(takenBy(arrive({ cookie: jar(9) }).answer(outcome(undefined)))).toHaveLength(9)
  })

  test('P7: what is unverified is said, once per request', () => {
    expect(arrive({ cookie: `${name(1)}=${forged(1)}; ${name(2)}=${forged(2)}` }).unverifiedIn).toBe('cookie')
    expect(arrive(headerOf(forged(1))).unverifiedIn).toBe('header token')
    for (const headers of [
      {},
      cookieOf(real),
      { cookie: `${name(1)}=x` },
      headerOf(real, tokenOf(seen(1n), NOW - 60_000)),
    ]) {
      expect(arrive(headers).unverifiedIn).toBeUndefined()
    }
  })

  test('P7: whatever is added, in any order: the tokens count, and no answer takes one away that it does not cover', () => {
    const piece = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 100 }).map((text) => text.replaceAll(/[;,=]/g, '')),
      fc.nat(300).map((at) => `${name(at)}=${forged(at)}`),
      fc.nat(300).map((at) => `${name(at)}=x`),
      fc.constantFrom(`${nameOf(seen(9n))}=x`, `HEADWATER.AAAAAAAA=${real}`, `headwater.=${real}`, 'headwater', ' = '),
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), fc.array(piece, { maxLength: 60 }), (before, behind) => {
        const token = arrive({ cookie: [...before, pairOf(real), ...behind].join('; ') })
        expect(token.minPosition).toMatchObject(seen(9n))
        const answer = token.answer(outcome(seen(9n)))
        expect([settingOf(answer), takenBy(answer).includes(nameOf(seen(9n)))]).toEqual([undefined, false])
        expect(answer.cookies.length).toBeLessThanOrEqual(32)
        for (const cookie of answer.cookies) expect(cookie).toMatch(/^headwater\.[\w-]{8}=; Path=\/; Max-Age=0; /)
      }),
    )
  })

  test('P7: two Cookie headers that a proxy folded with a comma are read', () => {
    expect(arrive({ cookie: `a=b, ${pairOf(real)}, c=d` }).minPosition).toMatchObject(seen(9n))
  })
})

describe('what the answer sets', () => {
  test('F1: what was newly seen goes out as one token, in both carriers', () => {
    const { cookies, header } = arrive({}).answer(outcome(seen(9n)))
    expect(stateOf(header)).toEqual(seen(9n))
    expect(cookies).toEqual([`${nameOf(seen(9n))}=${header}; Path=/; Max-Age=60; HttpOnly; SameSite=Lax`])
    expect(verifyToken(header, SECRETS, NOW + 59_999)).toBeDefined()
    expect(verifyToken(header, SECRETS, NOW + 60_000)).toBeUndefined()
  })

  test('F1: a token is valid for as long as the app says', () => {
    const { cookies, header } = arrive({}, { timeToLiveMillis: 1500 }).answer(outcome(seen(9n)))
    expect(cookies[0]).toContain('; Max-Age=2;')
    expect(verifyToken(header, SECRETS, NOW + 1500)).toBeUndefined()
  })

  test('F1: the cookie is Secure when the request is, here or at the proxy', () => {
    const cookie = (headers: Record<string, string>, isSecure = false): string =>
      arrive(headers, {}, { isSecure }).answer(outcome(seen(9n))).cookies[0] ?? ''
    expect(cookie({}, true)).toMatch(/; Secure$/)
    expect(cookie({ 'x-forwarded-proto': 'https' })).toMatch(/; Secure$/)
    expect(cookie({ 'x-forwarded-proto': 'HTTPS, http' })).toMatch(/; Secure$/)
    for (const proto of ['http', 'http, https', 'httpsx']) {
      expect(cookie({ 'x-forwarded-proto': proto })).not.toContain('Secure')
    }
  })

  test('F1: no token when nothing was seen, and no cookie when nothing changed', () => {
    expect(arrive({}).answer(outcome(undefined))).toEqual({ cookies: [], header: undefined })
    const carried = cookieOf(tokenOf(seen(5n)))
    expect(arrive(carried).answer(outcome(seen(5n)))).toEqual({ cookies: [], header: undefined })
  })

  test('F1: a new cookie replaces those that the request carried, and no others', () => {
    const [five, six] = [tokenOf(seen(5n)), tokenOf(seen(6n))]
    const others = `; own=1; headwater.forged-9=x; headwater=${five}`
    const answer = arrive({ cookie: `${cookieOf(five, six)['cookie']}${others}` }).answer(outcome(seen(9n)))
    expect(settingOf(answer)?.name).toBe(nameOf(seen(9n)))
    expect(takenBy(answer)).toEqual([nameOf(seen(5n)), nameOf(seen(6n)), 'headwater.forged-9'])
    // In this order the browser is never without one.
    expect(answer.cookies[0]).not.toContain('Max-Age=0')
    const twice = arrive({ cookie: `headwater.AAAAAAAA=${six}; headwater.AAAAAAAA=${five}` })
    expect(takenBy(twice.answer(outcome(seen(9n))))).toEqual(['headwater.AAAAAAAA'])
  })

  test('F1: of several carried tokens, the one that says it all stays', () => {
    const [five, six] = [tokenOf(seen(5n)), tokenOf(seen(6n))]
    const answer = arrive(cookieOf(six, five)).answer(outcome(seen(6n)))
    expect([settingOf(answer), takenBy(answer)]).toEqual([undefined, [nameOf(seen(5n))]])
    expect(arrive(headerOf(six, five)).answer(outcome(seen(6n)))).toEqual({ cookies: [], header: six })
    // When no carried token says it all, the merged one replaces all of them.
    const merger = arrive(cookieOf(six, tokenOf(seen(5n, 3)))).answer(outcome(seen(6n, 3)))
    expect(stateOf(cookieValueOf(merger))).toEqual(seen(6n, 3))
    expect(takenBy(merger)).toEqual([nameOf(seen(6n)), nameOf(seen(5n, 3))])
  })

  test('F1: a token that lives longer is not dropped for one that says more; the latter is renewed first', () => {
    const [shorter, longer] = [tokenOf(seen(6n), NOW - 9000), tokenOf(seen(5n), NOW - 3000)]
    const answer = arrive(cookieOf(shorter, longer)).answer(outcome(seen(6n)))
    expect(settingOf(answer)?.name).toBe(nameOf(seen(6n)))
    expect(verifyToken(cookieValueOf(answer), SECRETS, NOW + 59_999)).toBeDefined()
    expect(takenBy(answer)).toEqual([nameOf(seen(5n))])
  })

  test('F1: a client that sends the header is answered by header, with the same text while nothing changes', () => {
    const text = tokenOf(seen(5n), NOW - 30_001)
    expect(arrive(headerOf(text)).answer(outcome(seen(5n)))).toEqual({ cookies: [], header: text })
    expect(stateOf(arrive(headerOf(text)).answer(outcome(seen(6n))).header)).toEqual(seen(6n))
  })

  test('F1: the carrier that is behind gets what the other one said', () => {
    const both = { ...cookieOf(tokenOf(seen(5n))), ...headerOf(tokenOf(seen(6n))) }
    const answer = arrive(both).answer(outcome(seen(6n)))
    expect([stateOf(cookieValueOf(answer)), takenBy(answer)]).toEqual([seen(6n), [nameOf(seen(5n))]])
    expect(answer.header).toBe(both[TOKEN_HEADER])
  })

  test('F5: the mark of another replica is a change', () => {
    const answer = arrive(cookieOf(tokenOf(seen(5n)))).answer(outcome(seen(5n, 3)))
    expect(stateOf(cookieValueOf(answer))).toEqual(seen(5n, 3))
  })

  test('F2: an unknown position makes a token that keeps reads at the primary', () => {
    expect(stateOf(cookieValueOf(arrive({}).answer(outcome(UNKNOWN_POSITION))))).toEqual(UNKNOWN_POSITION)
  })

  test('F5: when everybody is tracked, a token is renewed past half of its life; otherwise it is not', () => {
    const young = tokenOf(seen(5n), NOW - 30_000)
    const old = tokenOf(seen(5n), NOW - 30_001)
    const always = { trackReads: 'always' } as const
    expect(arrive(cookieOf(young), always).answer(outcome(seen(5n))).cookies).toEqual([])
    const renewed = arrive(cookieOf(old), always).answer(outcome(seen(5n)))
    expect(verifyToken(cookieValueOf(renewed), SECRETS, NOW + 59_999)).toBeDefined()
    expect([settingOf(renewed)?.name, takenBy(renewed)]).toEqual([nameOf(seen(5n)), []])
    expect(arrive(cookieOf(old)).answer(outcome(seen(5n))).cookies).toEqual([])
    const { cookies, header } = arrive(headerOf(old), always).answer(outcome(seen(5n)))
    expect([cookies, header === old, stateOf(header)]).toEqual([[], false, seen(5n)])
  })

  test('F1: cookies are deleted once every replica has passed them, and no new one is set', () => {
    const everywhere = { isEverywhere: true }
    const carried = cookieOf(tokenOf(seen(5n)), tokenOf(seen(4n)))
    const gone = [nameOf(seen(5n)), nameOf(seen(4n))]
    for (const state of [seen(5n), seen(6n)]) {
      const answer = arrive(carried).answer(outcome(state, everywhere))
      expect([settingOf(answer), takenBy(answer)]).toEqual([undefined, gone])
    }
    expect(arrive({}).answer(outcome(seen(6n), everywhere)).cookies).toEqual([])
    const always = arrive(carried, { trackReads: 'always' }).answer(outcome(seen(6n), everywhere))
    expect([stateOf(cookieValueOf(always)), takenBy(always)]).toEqual([seen(6n), gone])
  })
})

describe('a mark, which has no position', () => {
  // The moment begins at NOW.
  const [before, later] = [NOW - 1, NOW + 99]

  test('F5: reads within 100 ms share one mark; the next read leaves a new one', () => {
    const same = arrive(cookieOf(tokenOf(seen(5n, 3)))).answer(outcome(seen(5n, 3), { now: later }))
    expect(same.cookies).toEqual([])
    const next = arrive(cookieOf(tokenOf(seen(5n, 3)))).answer(outcome(seen(5n, 3), { now: later + 1 }))
    expect(settingOf(next)?.name).toBe(nameOf(seen(5n, 3), later + 1))
    expect(takenBy(next)).toEqual([nameOf(seen(5n, 3))])
    const readAnew = { now: later + 1 }
    expect(arrive(headerOf(tokenOf(seen(5n, 3)))).answer(outcome(seen(5n, 3), readAnew)).header).not.toBe(
      tokenOf(seen(5n, 3)),
    )
  })

  test('F5: a request that has read nothing leaves no mark', () => {
    const idle = { hasSeenMore: false, now: NOW + 10_000 }
    const text = tokenOf(seen(5n, 3))
    expect(arrive(cookieOf(text)).answer(outcome(seen(5n, 3), idle)).cookies).toEqual([])
    expect(arrive(headerOf(text)).answer(outcome(seen(5n, 3), idle)).header).toBe(text)
    expect(arrive(cookieOf(tokenOf(UNKNOWN_POSITION))).answer(outcome(UNKNOWN_POSITION, idle)).cookies).toEqual([])
    expect(
      arrive(cookieOf(tokenOf(UNKNOWN_POSITION))).answer(outcome(UNKNOWN_POSITION, readLater)).cookies,
    ).toHaveLength(2)
  })
  const readLater = { now: NOW + 100 }

  test('F5: a read at the primary drops a mark older than 200 ms: its moment, and the skew of two clocks', () => {
    const mark = seen(5n, 3)
    const over = tokenOf(mark, NOW - 101)
    const freed = arrive(cookieOf(over)).answer(outcome(seen(9n)))
    expect([stateOf(cookieValueOf(freed)), takenBy(freed)]).toEqual([seen(9n), [nameOf(mark, NOW - 101)]])
    expect(stateOf(arrive(headerOf(over)).answer(outcome(seen(9n))).header)).toEqual(seen(9n))
    for (const issuedAt of [NOW, before, NOW - 100]) {
      const text = tokenOf(mark, issuedAt)
      // The arrival of the request counts: the primary may have been asked right then.
      const late = outcome(seen(9n), { now: NOW + 5000 })
      const cookies = arrive(cookieOf(text, tokenOf(seen(4n)))).answer(late)
      expect([stateOf(cookieValueOf(cookies)), takenBy(cookies)]).toEqual([seen(9n), [nameOf(seen(4n))]])
      const [position, stays, ...others] = (arrive(headerOf(text, tokenOf(seen(4n)))).answer(late).header ?? '').split(
        ', ',
      )
      expect([stateOf(position), stays, others]).toEqual([seen(9n), text, []])
    }
  })

  test('F2: an unknown position belongs to one answer alone; a read at the primary drops it at once', () => {
    const carried = cookieOf(tokenOf(UNKNOWN_POSITION))
    const another = arrive(carried).answer(outcome(UNKNOWN_POSITION, { now: NOW + 1 }))
    expect(settingOf(another)?.name).toBe(nameOf(UNKNOWN_POSITION, NOW + 1))
    expect(takenBy(another)).toEqual([nameOf(UNKNOWN_POSITION)])
    const freed = arrive(carried).answer(outcome(seen(9n)))
    expect([stateOf(cookieValueOf(freed)), takenBy(freed)]).toEqual([seen(9n), [nameOf(UNKNOWN_POSITION)]])
    const nothing = outcome(UNKNOWN_POSITION, { hasSeenMore: false, now: NOW + 1 })
    expect(arrive(carried).answer(nothing).cookies).toEqual([])
  })
})

describe('caches', () => {
  /** The head after the answer was written to it, twice: doing so again changes nothing. */
  function told(
    token: RequestToken,
    state: ReadPosition | undefined,
    hasWritten: boolean,
    headers = {},
  ): ReturnType<typeof headWith> {
    const head = headWith(headers)
    const answer = token.answer(outcome(state))
    token.writeTo(head, answer, hasWritten)
    const once = structuredClone([head.headers, head.cookies])
    token.writeTo(head, answer, hasWritten)
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

  test('F1: a response that sets no token is left alone', () => {
    const headers = { 'cache-control': 'public, max-age=60', vary: 'Accept' }
    expect(told(arrive({}), undefined, false, headers).headers).toEqual(headers)
    expect(told(arrive({}), undefined, false).headers).toEqual({})
  })

  test('F5: a read that the app offers to shared caches stays public, and is not tracked', () => {
    for (const cacheControl of ['public, max-age=60', 's-maxage=5']) {
      const headers = { 'cache-control': cacheControl }
      const carried = { ...cookieOf(tokenOf(seen(5n))), ...headerOf(tokenOf(seen(5n))) }
      const head = told(arrive(carried), seen(5n, 3), false, headers)
      expect([head.headers, head.cookies]).toEqual([headers, []])
    }
  })

  test('F1: an answer to a request with a token varies by its carrier', () => {
    const byCookie = told(arrive(cookieOf(tokenOf(seen(5n)))), seen(5n), false, { vary: 'Accept' })
    expect([byCookie.headers, byCookie.cookies]).toEqual([{ vary: 'Accept, Cookie' }, []])
    const byHeader = told(arrive(headerOf(tokenOf(seen(5n)))), seen(5n), false)
    expect(byHeader.headers).toMatchObject({ vary: TOKEN_HEADER, 'cache-control': 'private' })
    const both = { ...cookieOf(tokenOf(seen(5n))), ...headerOf(tokenOf(seen(5n))) }
    expect(told(arrive(both), seen(5n), false, { vary: '*' }).headers['vary']).toBe('*')
    expect(told(arrive(both), seen(5n), false).headers['vary']).toBe('headwater-token, Cookie')
  })
})

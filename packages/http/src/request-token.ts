import {
  isGoodAt,
  isMomentOver,
  isPosition,
  isSameSeen,
  MOST_TOKENS,
  mergeAll,
  mergeSeen,
  nameOfToken,
  parseTokens,
  type Seen,
  signToken,
  type Token,
  type TrailOptions,
  verifyToken,
} from '@headwater/core'
import { isOfferedToSharedCaches, withoutSharedCaches, withVary } from './cache-control.ts'
import { formatCookie, readCookies } from './cookie.ts'
import type { RequestFacts } from './request-facts.ts'
import type { ResponseHead } from './response-head.ts'
import type { TokenCarriers } from './token-options.ts'

/** The header that carries tokens, parted by commas: any number in a request, mostly one in its answer. */
export const TOKEN_HEADER = 'headwater-token'

/** What one request has come to, as far as its token goes. */
export interface TokenOutcome {
  /** What its client has seen by now; `undefined`: nothing that counts. */
  readonly seen: Seen | undefined
  /** Whether this request itself has seen or written something that counts. */
  readonly hasSeenMore: boolean
  /** Whether every replica has all of it, so that the token is of no use any more. */
  readonly isEverywhere: boolean
  /** The wall clock, in ms. */
  readonly now: number
}

/** What the head of the answer says of the token. */
export interface TokenAnswer {
  /** Each `Set-Cookie`. */
  readonly cookies: readonly string[]
  /** The header's value; `undefined`: none. */
  readonly header: string | undefined
}

/** A token that a request came with. */
interface Carried {
  readonly token: Token
  /** What its client knows it by: the name of the cookie, the text in the header. */
  readonly key: string
}

/**
 * The tokens of one request: what it came with, and what its answer sets.
 *
 * A browser may have several requests under way, and their answers come in any order. So no answer replaces a cookie that
 * its request has not sent: each state has a cookie of its own, named after it, and an answer takes away only what it has
 * taken in. Then what a browser keeps always covers every answer that it has got: a cookie goes only with an answer that has
 * seen all that its name stands for, whoever set it and however often, and that answer's own cookie is there by then, or
 * was, and went by the same rule. A position stands for the same for ever. A mark does not, so it outlives its moment.
 *
 * A mark and a position may each stand for the other: two answers must not give up one each and rely on the other one. So
 * where a mark is among several, each answer sets its own token anew.
 */
export class RequestToken {
  readonly #carriers: TokenCarriers
  readonly #secrets: readonly string[]
  readonly #isSecure: boolean
  readonly #cookies: readonly Carried[]
  readonly #headers: readonly Carried[]
  /** In ms of the wall clock: what the primary says in answer to this request is later. */
  readonly #arrivedAt: number
  /** What its client has seen before: all that came, by either carrier (F3: what does not verify is absent). */
  readonly floor: Seen | undefined

  constructor(carriers: TokenCarriers, secrets: readonly string[], facts: RequestFacts, now: number) {
    this.#carriers = carriers
    this.#secrets = secrets
    this.#isSecure = isSecure(facts)
    this.#arrivedAt = now
    const { cookie, hasHeader } = carriers
    const verified = (key: string, text: string): readonly Carried[] => {
      const token = verifyToken(text, secrets, now)
      return token === undefined ? [] : [{ token, key }]
    }
    // Browsers list the older ones first (RFC 6265, section 5.4).
    const cookies = cookie === undefined ? [] : readCookies(facts.header('cookie'), cookie.name).slice(-MOST_TOKENS)
    this.#cookies = cookies.flatMap(({ name, value }) => verified(name, value))
    const texts = parseTokens(hasHeader ? facts.header(TOKEN_HEADER) : undefined)
    this.#headers = texts.flatMap((text) => verified(text, text))
    this.floor = mergeAll([...this.#cookies, ...this.#headers].map(({ token }) => token))
  }

  /** What the trail of this request begins with. */
  get trail(): TrailOptions {
    const { floor } = this
    return { floor, isTracked: this.#carriers.isTrackingAll || floor !== undefined, isWanted: true }
  }

  /** What the answer has to say: nothing that the client knows already. Reads no clock; signs at most once. */
  answer({ seen, hasSeenMore, isEverywhere, now }: TokenOutcome): TokenAnswer {
    if (seen === undefined) return { cookies: [], header: undefined }
    const { hasHeader, timeToLive, isTrackingAll } = this.#carriers
    const token: Token = { ...seen, issuedAt: now, expires: now + timeToLive }
    let signed: string | undefined
    const sign = (): string => {
      signed ??= signToken(token, this.#secrets)
      return signed
    }
    const known = (own: readonly Carried[], other: readonly Carried[]): Carried | undefined => {
      // A client that uses one carrier is not made to use the other for what it knows already.
      const one = knownOf(own.length > 0 ? own : other, token, hasSeenMore)
      const isToRenew = isTrackingAll && own.length > 0 && one !== undefined && one.token.expires - now < timeToLive / 2
      return isToRenew ? undefined : one
    }
    const inHeader = known(this.#headers, this.#cookies)
    // One who asked with a header can always take what the answer says.
    const isAnswered = hasHeader && (inHeader === undefined || this.#headers.length > 0)
    const header = isAnswered ? this.#headerOf(inHeader ?? { token, key: sign() }) : undefined
    if (isEverywhere && !isTrackingAll) return { cookies: this.#takeAwayBut(() => false), header }
    const inCookie = known(this.#cookies, this.#headers)
    return { cookies: inCookie === undefined ? this.#setCookie(token, sign) : this.#keepCookie(inCookie), header }
  }

  /** Puts the answer on the head, and keeps shared caches from giving it to others. Doing so twice changes nothing. */
  tell(head: ResponseHead, answer: TokenAnswer, hasWritten: boolean): void {
    const cacheControl = head.get('cache-control')
    // Tracking reads is not worth a cache of the app's.
    if (!hasWritten && isOfferedToSharedCaches(cacheControl)) return
    for (const cookie of answer.cookies) head.addCookie(cookie)
    if (answer.header !== undefined) head.set(TOKEN_HEADER, answer.header)
    if (answer.cookies.length > 0 || answer.header !== undefined) {
      const guarded = withoutSharedCaches(cacheControl)
      if (guarded !== cacheControl) head.set('cache-control', guarded)
    }
    if (this.#headers.length > 0) addVary(head, TOKEN_HEADER)
    if (this.#cookies.length > 0) addVary(head, 'Cookie')
  }

  /** Whether what came must stay beside the token that the answer leaves its client with. */
  #staysBeside(one: Token, token: Token): boolean {
    if (!isPosition(token)) return !covers(token, one)
    // A position that came from the primary, or all that came. Answers that lean on a mark may still be under way.
    return !isPosition(one) && !isMomentOver(one, this.#arrivedAt)
  }

  #headerOf({ token, key }: Carried): string {
    const others = this.#headers.filter((one) => one.key !== key && this.#staysBeside(one.token, token))
    return [key, ...new Set(others.map((one) => one.key))].join(', ')
  }

  #keepCookie({ token, key }: Carried): readonly string[] {
    return this.#takeAwayBut((one) => one.key === key || this.#staysBeside(one.token, token))
  }

  /** First the new one, then what it replaces: there is no time at which the browser has none. */
  #setCookie(token: Token, sign: () => string): readonly string[] {
    const { cookie, timeToLive } = this.#carriers
    if (cookie === undefined) return []
    const name = `${cookie.name}.${nameOfToken(token)}`
    const maxAge = Math.ceil(timeToLive / 1000)
    const set = formatCookie({ ...cookie, name, value: sign(), maxAge, isSecure: this.#isSecure })
    return [set, ...this.#keepCookie({ token, key: name })]
  }

  #takeAwayBut(stays: (one: Carried) => boolean): readonly string[] {
    const { cookie } = this.#carriers
    if (cookie === undefined) return []
    const kept = new Set(this.#cookies.filter(stays).map(({ key }) => key))
    const names = new Set(this.#cookies.map(({ key }) => key).filter((name) => !kept.has(name)))
    return [...names].map((name) => formatCookie({ ...cookie, name, value: '', maxAge: 0, isSecure: this.#isSecure }))
  }
}

/** The one of these that says all that the token does, for no shorter a time than the others. */
function knownOf(carried: readonly Carried[], token: Token, hasSeenMore: boolean): Carried | undefined {
  // Positions have one order: the last one is never given up for another of these.
  if (carried.length > 1 && !carried.every((one) => isPosition(one.token))) return undefined
  const lastExpires = Math.max(...carried.map((one) => one.token.expires))
  return carried.find(
    ({ token: one }) =>
      isSameSeen(one, token) &&
      one.expires === lastExpires &&
      // Who has read nothing adds nothing to a mark.
      (!hasSeenMore || isGoodAt(one, token.issuedAt)),
  )
}

/** Whether one token stands for all that another does. */
function covers(token: Token, other: Token): boolean {
  const isInTime = isPosition(other) || other.issuedAt <= token.issuedAt || isGoodAt(token, other.issuedAt)
  return isInTime && isSameSeen(mergeSeen(token, other), token)
}

function addVary(head: ResponseHead, field: string): void {
  const vary = head.get('vary')
  const wanted = withVary(vary, field)
  if (wanted !== vary) head.set('vary', wanted)
}

/** As the client sees it: the proxy in front may be the end of TLS. */
function isSecure(facts: RequestFacts): boolean {
  const [first = ''] = (facts.header('x-forwarded-proto') ?? '').split(',', 1)
  return facts.isSecure || first.trim().toLowerCase() === 'https'
}

import {
  isSameSeen,
  mergeSeen,
  type Seen,
  signToken,
  type Token,
  type TrailOptions,
  verifyToken,
} from '@headwater/core'
import { isOfferedToSharedCaches, withoutSharedCaches, withVary } from './cache-control.ts'
import { formatCookie, readCookie } from './cookie.ts'
import type { RequestFacts } from './request-facts.ts'
import type { ResponseHead } from './response-head.ts'
import type { TokenCarriers } from './token-options.ts'

/** The header that carries a token, in both directions. */
export const TOKEN_HEADER = 'headwater-token'

/** What one request has come to, as far as its token goes. */
export interface TokenOutcome {
  /** What its client has seen by now; `undefined`: nothing that counts. */
  readonly seen: Seen | undefined
  /** Whether every replica has all of it, so that the token is of no use any more. */
  readonly isEverywhere: boolean
  /** The wall clock, in ms. */
  readonly now: number
}

/** What the head of the answer says of the token. */
export interface TokenAnswer {
  /** The `Set-Cookie`; `undefined`: none. */
  readonly cookie: string | undefined
  /** The header's value; `undefined`: none. */
  readonly header: string | undefined
}

/** The token of one request: what it came with, and what its answer sets. */
export class RequestToken {
  readonly #carriers: TokenCarriers
  readonly #secrets: readonly string[]
  readonly #isSecure: boolean
  readonly #cookie: Token | undefined
  readonly #header: Token | undefined
  readonly #headerText: string | undefined
  /** What its client has seen before: by either carrier, the later of both (F3: what does not verify is absent). */
  readonly floor: Seen | undefined

  constructor(carriers: TokenCarriers, secrets: readonly string[], facts: RequestFacts, now: number) {
    this.#carriers = carriers
    this.#secrets = secrets
    this.#isSecure = isSecure(facts)
    const { cookie, hasHeader } = carriers
    this.#cookie = cookie && verifyToken(readCookie(facts.header('cookie'), cookie.name), secrets, now)
    this.#headerText = hasHeader ? facts.header(TOKEN_HEADER) : undefined
    this.#header = verifyToken(this.#headerText, secrets, now)
    this.floor =
      this.#cookie !== undefined && this.#header !== undefined
        ? mergeSeen(this.#cookie, this.#header)
        : (this.#cookie ?? this.#header)
  }

  /** What the trail of this request begins with. */
  get trail(): TrailOptions {
    const { floor } = this
    return { floor, isTracked: this.#carriers.isTrackingAll || floor !== undefined, isWanted: true }
  }

  /** What the answer has to say: nothing that the client knows already. Reads no clock; signs at most once. */
  answer({ seen, isEverywhere, now }: TokenOutcome): TokenAnswer {
    if (seen === undefined) return { cookie: undefined, header: undefined }
    const { hasHeader, timeToLive, isTrackingAll } = this.#carriers
    let signed: string | undefined
    const sign = (): string => {
      signed ??= signToken({ ...seen, issuedAt: now, expires: now + timeToLive }, this.#secrets)
      return signed
    }
    const isNews = (carried: Token | undefined): boolean => {
      // A client that uses one carrier is not made to use the other for what it knows already.
      const known = carried ?? this.floor
      if (known === undefined || !isSameSeen(seen, known)) return true
      return isTrackingAll && carried !== undefined && isOld(carried, now)
    }
    let cookie: string | undefined
    if (isEverywhere && !isTrackingAll) cookie = this.#cookie && this.#setCookie('', 0)
    else if (isNews(this.#cookie)) cookie = this.#setCookie(sign(), Math.ceil(timeToLive / 1000))
    // One who asked with a header can always take what the answer says.
    const unchanged = this.#header && this.#headerText
    return { cookie, header: hasHeader && isNews(this.#header) ? sign() : unchanged }
  }

  /** Puts the answer on the head, and keeps shared caches from giving it to others. Doing so twice changes nothing. */
  tell(head: ResponseHead, answer: TokenAnswer, hasWritten: boolean): void {
    const cacheControl = head.get('cache-control')
    // Tracking reads is not worth a cache of the app's.
    if (!hasWritten && isOfferedToSharedCaches(cacheControl)) return
    if (answer.cookie !== undefined) head.addCookie(answer.cookie)
    if (answer.header !== undefined) head.set(TOKEN_HEADER, answer.header)
    if (answer.cookie !== undefined || answer.header !== undefined) {
      const guarded = withoutSharedCaches(cacheControl)
      if (guarded !== cacheControl) head.set('cache-control', guarded)
    }
    if (this.#header !== undefined) addVary(head, TOKEN_HEADER)
    if (this.#cookie !== undefined) addVary(head, 'Cookie')
  }

  #setCookie(value: string, maxAge: number): string | undefined {
    const { cookie } = this.#carriers
    return cookie && formatCookie({ ...cookie, value, maxAge, isSecure: this.#isSecure })
  }
}

function isOld({ issuedAt, expires }: Token, now: number): boolean {
  return now - issuedAt > (expires - issuedAt) / 2
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

import {
  type ClientSessionOptions,
  isMarkExpired,
  isPosition,
  isReusableAt,
  isSamePosition,
  mergePositions,
  NEVER_REACHED,
  NO_NODE,
  parseTokens,
  type ReadPosition,
  signToken,
  type Token,
  tokenName,
} from '@headwater/core/internal'
import type { RequestFacts } from '../request/request-facts.ts'
import { isOfferedToSharedCaches, withoutSharedCaches, withVary } from '../response/cache-control.ts'
import type { ResponseHead } from '../response/response-head.ts'
import { type Carried, type CarriedText, readCarried } from './carried-tokens.ts'
import { formatCookie, readCookies } from './cookie.ts'
import { type PositionHistory, seenBefore } from './seen-before.ts'
import type { TokenCarriers } from './token-options.ts'

/** The header that carries tokens, separated by commas: any number in a request, usually one in its answer. */
export const TOKEN_HEADER = 'headwater-token'

/** What one request has seen, when its token is made. */
export interface TokenOutcome {
  /** What the client has seen by now; `undefined`: nothing that counts. */
  readonly seen: ReadPosition | undefined
  /** Whether this request itself has read or written something that counts. */
  readonly hasSeenMore: boolean
  /** Whether every replica has all of it, so that the token is no longer needed. */
  readonly isEverywhere: boolean
  /** The wall clock, in milliseconds. */
  readonly now: number
}

/** What the head of the answer says about the token. */
export interface TokenAnswer {
  /** One entry per `Set-Cookie`. */
  readonly cookies: readonly string[]
  /** The header's value; `undefined`: none. */
  readonly header: string | undefined
}

/** What the app's store is to keep. */
export interface StoredAnswer {
  readonly token: string
  /** What the store has, and need not keep beside it. */
  readonly covered: readonly string[]
}

/** Nothing to say: what most answers say. */
const NOTHING: TokenAnswer = Object.freeze({ cookies: Object.freeze([]), header: undefined })
const NO_COOKIES: readonly never[] = Object.freeze([])

const isAny = (): boolean => true
const tokenOf = ({ token }: Carried): Token => token

/** How many cookies one answer takes away at most: each costs some 80 bytes of its head. The next answer takes more. */
const MOST_DELETIONS = 32

/**
 * The tokens of one request: what it carried, and what its answer sets.
 *
 * A browser may have several requests in flight, and their answers arrive in any order. So each state has a cookie of its
 * own, named after the state, and an answer deletes only cookies that its request carried. This is an observed-remove set,
 * stored in the cookie jar: what a browser keeps covers every answer that it has received. A cookie is deleted only by an
 * answer that has seen all that the cookie's name stands for; that answer set a cookie of its own first, which is there or
 * was deleted by the same rule. A position means the same for ever. A mark does not, so it stays until its moment is over.
 *
 * A mark and a position can each stand for the other. Two answers must not each delete one and rely on the other one. So
 * when a request carries several tokens and one is a mark, its answer always sets a token of its own.
 */
export class RequestToken {
  readonly #carriers: TokenCarriers
  readonly #secrets: readonly string[]
  readonly #facts: RequestFacts
  readonly #cookies: readonly Carried[]
  readonly #headers: readonly Carried[]
  /** What the app's store had for the user, once it was asked. */
  #stored: readonly Carried[] = []
  #storedInVain: readonly string[] = []
  /** Cookies that look like ours and are not: taken away, so that they cannot pile up. */
  readonly #junk: readonly string[]
  /** The wall clock in milliseconds: positions that the primary reports for this request are later. */
  readonly #arrivedAt: number
  /** What the client has seen before: all that either carrier brought (F3: a token that does not verify is ignored). */
  readonly minPosition: ReadPosition | undefined
  /** Where something came that none of our secrets has sealed. */
  readonly unverifiedIn: 'cookie' | 'header token' | undefined
  /** When the latest token was made, in ms of the wall clock there, also if it is from the future and does not count. */
  readonly latestIssuedAt: number | undefined

  constructor(
    carriers: TokenCarriers,
    secrets: readonly string[],
    facts: RequestFacts,
    now: number,
    history: PositionHistory = {},
  ) {
    this.#carriers = carriers
    this.#secrets = secrets
    this.#facts = facts
    this.#arrivedAt = now
    const { cookie, hasHeader } = carriers
    const cookies = cookie === undefined ? NO_COOKIES : readCookies(facts.header('cookie'), cookie.name)
    const inCookies = readCarried(cookies, secrets, now)
    const inHeader = readCarried(asCarried(hasHeader ? facts.header(TOKEN_HEADER) : undefined), secrets, now)
    this.#cookies = inCookies.tokens
    this.#headers = inHeader.tokens
    this.#junk = inCookies.junk
    this.unverifiedIn = inCookies.hasUnverified ? 'cookie' : inHeader.hasUnverified ? 'header token' : undefined
    this.latestIssuedAt = inHeader.latestIssuedAt ?? inCookies.latestIssuedAt
    const carried = this.#headers.length === 0 ? this.#cookies : [...this.#cookies, ...this.#headers]
    this.minPosition = carried.length === 0 ? undefined : seenBefore(carried.map(tokenOf), now, history)
  }

  /** What the session of this request begins with. `isVisiting`: whether it was replayed to the primary. */
  sessionOf(isVisiting: boolean): ClientSessionOptions {
    const { minPosition } = this
    const { isTrackingAll, isForWritesOnly } = this.#carriers
    const isTracked = isTrackingAll || minPosition !== undefined
    return { minPosition, isTracked, isForWritesOnly, isWanted: true, isVisiting }
  }

  /** Takes what the app's store had for the user; returns what the user has seen by that. */
  takeStored(list: string, history: PositionHistory = {}): { seen: ReadPosition | undefined; hasUnverified: boolean } {
    const texts = asCarried(list)
    const { tokens, hasUnverified } = readCarried(texts, this.#secrets, this.#arrivedAt)
    this.#stored = tokens
    // What nobody here has sealed may be an instance's that has a newer secret.
    const valid = new Set(tokens.map(({ key }) => key))
    this.#storedInVain = hasUnverified ? [] : texts.map(({ key }) => key).filter((key) => !valid.has(key))
    return { seen: seenBefore(tokens.map(tokenOf), this.#arrivedAt, history), hasUnverified }
  }

  /** Makes the answer: only what the client does not know yet. Reads no clock; signs at most once. */
  answer({ seen, hasSeenMore, isEverywhere, now }: TokenOutcome): TokenAnswer {
    if (seen === undefined)
      return this.#junk.length === 0 ? NOTHING : { cookies: this.#deleteExcept(isAny), header: undefined }
    if (!hasSeenMore && !isEverywhere && this.#isAllThatCameIn(seen)) return NOTHING
    const { hasHeader, timeToLiveMillis, isTrackingAll } = this.#carriers
    const token: Token = { ...seen, issuedAt: now, expires: now + timeToLiveMillis }
    let signed: string | undefined
    const sign = (): string => {
      signed ??= signToken(token, this.#secrets)
      return signed
    }
    const known = (own: readonly Carried[], other: readonly Carried[]): Carried | undefined => {
      // A client that uses one carrier need not use the other one for what it knows already.
      const first = [own, other, this.#stored].find((carried) => carried.length > 0) ?? []
      const one = knownOf(first, token, hasSeenMore)
      const isToRenew =
        isTrackingAll && own.length > 0 && one !== undefined && one.token.expires - now < timeToLiveMillis / 2
      return isToRenew ? undefined : one
    }
    const inHeader = known(this.#headers, this.#cookies)
    // A client that sent the header can read it in the answer, too.
    const isAnswered = hasHeader && (inHeader === undefined || this.#headers.length > 0)
    const header = isAnswered ? this.#headerOf(inHeader ?? { token, key: sign() }) : undefined
    if (isEverywhere && !isTrackingAll) return { cookies: this.#deleteExcept(() => false), header }
    const inCookie = known(this.#cookies, this.#headers)
    return { cookies: inCookie === undefined ? this.#setCookie(token, sign) : this.#keepCookie(inCookie), header }
  }

  /** Whether the client knows exactly that, by the one cookie that it sends. */
  #isAllThatCameIn(seen: ReadPosition): boolean {
    const [only] = this.#cookies
    const isAlone = this.#cookies.length === 1 && this.#headers.length === 0 && this.#junk.length === 0
    return isAlone && only?.token === seen && !this.#carriers.isTrackingAll
  }

  /**
   * What the app's store does not know yet; `undefined`: nothing. Marks of replicas stay with the client that read, unless all reads
   * are tracked: they change with every read, and each change would be saved.
   */
  toStore({ seen, hasSeenMore, isEverywhere, now }: TokenOutcome): StoredAnswer | undefined {
    const { timeToLiveMillis, isTrackingAll } = this.#carriers
    if (seen === undefined || (isEverywhere && !isTrackingAll)) return undefined
    const isWhole = isTrackingAll || seen.lsn === NEVER_REACHED
    if (!isWhole && seen.lsn === 0n) return undefined
    const node = isWhole ? seen.node : NO_NODE
    const token: Token = { ...seen, node, issuedAt: now, expires: now + timeToLiveMillis }
    if (knownOf(this.#stored, token, hasSeenMore) !== undefined) return undefined
    const covered = this.#stored.filter((one) => !this.#staysBeside(one.token, token)).map(({ key }) => key)
    return { token: signToken(token, this.#secrets), covered: [...covered, ...this.#storedInVain] }
  }

  /** Puts the answer on the head, and keeps it out of shared caches. Doing so twice changes nothing. */
  writeTo(head: ResponseHead, answer: TokenAnswer, isOwed: boolean): void {
    const cacheControl = head.get('cache-control')
    // Tracking reads is not worth losing the app's shared cache.
    if (!isOwed && isOfferedToSharedCaches(cacheControl)) return
    for (const cookie of answer.cookies) head.addCookie(cookie)
    if (answer.header !== undefined) head.set(TOKEN_HEADER, answer.header)
    if (answer.cookies.length > 0 || answer.header !== undefined) {
      const guarded = withoutSharedCaches(cacheControl)
      if (guarded !== cacheControl) head.set('cache-control', guarded)
    }
    if (this.#headers.length > 0) addVary(head, TOKEN_HEADER)
    if (this.#cookies.length > 0) addVary(head, 'Cookie')
  }

  /** Whether the client must keep a carried token beside the one of this answer. */
  #staysBeside(one: Token, token: Token): boolean {
    if (!isPosition(token)) return !covers(token, one)
    // A position makes a carried mark redundant, except while an answer that relies on that mark may still be in flight.
    return !isPosition(one) && !isMarkExpired(one, this.#arrivedAt)
  }

  #headerOf({ token, key }: Carried): string {
    const others = this.#headers.filter((one) => one.key !== key && this.#staysBeside(one.token, token))
    return [key, ...new Set(others.map((one) => one.key))].join(', ')
  }

  #keepCookie({ token, key }: Carried, nameSet?: string): readonly string[] {
    return this.#deleteExcept((one) => one.key === key || this.#staysBeside(one.token, token), nameSet)
  }

  /** The new cookie first, then the deletions: the browser is never without one. */
  #setCookie(token: Token, sign: () => string): readonly string[] {
    const { cookie, timeToLiveMillis } = this.#carriers
    if (cookie === undefined) return []
    const name = `${cookie.name}.${tokenName(token, this.#secrets)}`
    const maxAgeSeconds = Math.ceil(timeToLiveMillis / 1000)
    const set = formatCookie({ ...cookie, name, value: sign(), maxAgeSeconds, isSecure: isSecure(this.#facts) })
    return [set, ...this.#keepCookie({ token, key: name }, name)]
  }

  /** Deletes carried tokens and junk, but not the cookie that this answer sets. */
  #deleteExcept(isKept: (one: Carried) => boolean, nameSet?: string): readonly string[] {
    const { cookie } = this.#carriers
    if (cookie === undefined || (this.#cookies.length === 0 && this.#junk.length === 0)) return []
    if (this.#junk.length === 0 && this.#cookies.every(isKept)) return NOTHING.cookies
    const kept = new Set<string>()
    const names = new Set<string>()
    for (const one of this.#cookies) (isKept(one) ? kept : names).add(one.key)
    for (const name of kept) names.delete(name)
    for (const name of this.#junk) if (name !== nameSet) names.add(name)
    const isSecureHere = isSecure(this.#facts)
    const gone: string[] = []
    for (const name of names) {
      if (gone.length === MOST_DELETIONS) break
      gone.push(formatCookie({ name, value: '', path: cookie.path, maxAgeSeconds: 0, isSecure: isSecureHere }))
    }
    return gone
  }
}

/** The tokens of a list with commas, by their own text. */
function asCarried(list: string | undefined): readonly CarriedText[] {
  return list === undefined ? NO_COOKIES : parseTokens(list).map((text) => ({ key: text, text }))
}

/** Finds the carried token that says all that `token` does, and lives as long as any of the others. */
function knownOf(carried: readonly Carried[], token: Token, hasSeenMore: boolean): Carried | undefined {
  // Positions have one order: the latest is never deleted in favour of another one of them. A mark has none.
  if (carried.length > 1 && !carried.every((one) => isPosition(one.token))) return undefined
  const lastExpires = Math.max(...carried.map((one) => one.token.expires))
  return carried.find(
    ({ token: one }) =>
      isSamePosition(one, token) &&
      one.expires === lastExpires &&
      // A request that has read nothing adds nothing to a mark.
      (!hasSeenMore || isReusableAt(one, token.issuedAt)),
  )
}

/** Whether `token` says all that `other` does. */
function covers(token: Token, other: Token): boolean {
  const isInTime = isPosition(other) || other.issuedAt <= token.issuedAt || isReusableAt(token, other.issuedAt)
  return isInTime && isSamePosition(mergePositions(token, other), token)
}

function addVary(head: ResponseHead, field: string): void {
  const vary = head.get('vary')
  const wanted = withVary(vary, field)
  if (wanted !== vary) head.set('vary', wanted)
}

/** As the client sees it: TLS may end at the proxy in front. */
function isSecure(facts: RequestFacts): boolean {
  const [first = ''] = (facts.header('x-forwarded-proto') ?? '').split(',', 1)
  return facts.isSecure || first.trim().toLowerCase() === 'https'
}

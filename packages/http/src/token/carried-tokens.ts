import {
  type InvalidToken,
  isTokenLike,
  MAX_TOKENS,
  readToken,
  type Token,
  timeOfToken,
} from '@headwater/core/internal'

/** A token that a request carried. */
export interface Carried {
  readonly token: Token
  /** How the client refers to it: the name of the cookie, or the text in the header. */
  readonly key: string
}

/** What a request says that it carries. */
export interface CarriedText {
  readonly key: string
  readonly text: string
}

/** What a request carried in one way, once it was verified. */
export interface CarriedTokens {
  readonly tokens: readonly Carried[]
  /** The keys of what is certainly none of our tokens. No key of a token is among them. */
  readonly junk: readonly string[]
  readonly hasUnverified: boolean
  /** When the latest of ours was made, in ms of the wall clock there, also if it is from the future and does not count. */
  readonly latestIssuedAt: number | undefined
}

/** So many that none of our secrets has sealed may stay: an instance that has a newer secret may have. */
const MOST_UNVERIFIED = 8

const NONE: CarriedTokens = Object.freeze({ tokens: [], junk: [], hasUnverified: false, latestIssuedAt: undefined })

/**
 * Verifies what a request carried, in its order, before anything is counted: nothing that a client adds pushes a token out.
 *
 * Each text is verified once. Of more than 256 that have the form of a token the last 256 are: Node's default of 16 KB of headers
 * has room for fewer.
 */
export function readCarried(carried: readonly CarriedText[], secrets: readonly string[], now: number): CarriedTokens {
  if (carried.length === 0) return NONE
  return readValid(carried, secrets, now) ?? readAny(carried, secrets, now)
}

/** The same where all of it counts, as in nearly every request; else `undefined`. */
function readValid(
  carried: readonly CarriedText[],
  secrets: readonly string[],
  now: number,
): CarriedTokens | undefined {
  // Of secrets that can be changed no token is kept, so one that comes twice would not be seen to be the same.
  if (carried.length > MAX_TOKENS || !Object.isFrozen(secrets)) return undefined
  const tokens: Carried[] = []
  let latestIssuedAt = 0
  for (const { key, text } of carried) {
    const token = readToken(text, secrets, now)
    if (typeof token !== 'object' || isAmong(tokens, token)) return undefined
    if (token.issuedAt > latestIssuedAt) latestIssuedAt = token.issuedAt
    tokens.push({ token, key })
  }
  return { tokens, junk: NONE.junk, hasUnverified: false, latestIssuedAt }
}

function isAmong(tokens: readonly Carried[], token: Token): boolean {
  for (const one of tokens) if (one.token === token) return true
  return false
}

function readAny(carried: readonly CarriedText[], secrets: readonly string[], now: number): CarriedTokens {
  const texts = new Set(carried.map(({ text }) => text).filter(isTokenLike))
  const readings = new Map([...texts].slice(-MAX_TOKENS).map((text) => [text, readToken(text, secrets, now)]))
  const tokens = new Map<string, Carried>()
  const [illFormed, unverified, others] = [new Set<string>(), new Set<string>(), new Set<string>()]
  for (const { key, text } of carried) {
    const reading = readings.get(text)
    if (typeof reading === 'object') tokens.set(`${key}=${text}`, { token: reading, key })
    if (!texts.has(text)) illFormed.add(key)
    else if (reading === 'unverified') unverified.add(key)
    // An answer to another request may have set this name again, to the same state. The browser drops it in time.
    else others.add(key)
  }
  const junk = unverified.size > MOST_UNVERIFIED ? [...illFormed, ...unverified] : [...illFormed]
  return {
    tokens: [...tokens.values()],
    junk: junk.filter((key) => !others.has(key)),
    hasUnverified: unverified.size > 0,
    latestIssuedAt: latestOf(readings, secrets),
  }
}

function latestOf(readings: ReadonlyMap<string, Token | InvalidToken>, secrets: readonly string[]): number | undefined {
  let latest: number | undefined
  for (const [text, reading] of readings) {
    const time =
      typeof reading === 'object' ? reading.issuedAt : reading === 'from-the-future' && timeOfToken(text, secrets)
    if (typeof time === 'number' && time > (latest ?? 0)) latest = time
  }
  return latest
}

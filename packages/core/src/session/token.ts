import { toLsn } from './lsn.ts'
import { perSecret } from './per-secret.ts'
import type { ReadPosition } from './read-position.ts'
import { Sealer, TAG_BYTES } from './sealer.ts'

/** What a client carries so that it sees its own writes (F1). */
export interface Token extends ReadPosition {
  /** When it was made, in ms of the wall clock. */
  readonly issuedAt: number
  /** When it expires, in ms of the wall clock. */
  readonly expires: number
}

/**
 * A text that is no valid token, by what is known of it.
 *
 * - `ill-formed`: no token of this version, whoever made it.
 * - `unverified`: it has the form, and none of our secrets has sealed it: another region's secret, or a forgery.
 * - `expired`: it is ours, and its life is over.
 * - `from-the-future`: it is ours, and was made more than a minute later than now, by the clock of this machine.
 */
export type InvalidToken = 'ill-formed' | 'unverified' | 'expired' | 'from-the-future'

/** In clear, and sealed along as context: it says how to read the rest. */
const VERSION = 2
/** cluster 8, timeline 4, lsn 8, node 4, issuedAt 6, lifetime 4 */
const CONTENT = 34
/** 51 bytes in base64url, of which no character has bits to spare: each token has one spelling. The first byte is 2. */
const FORM = /^A[g-v][A-Za-z0-9_-]{66}$/
/** The clocks of two machines may differ by this much, in ms. */
const CLOCK_SKEW = 60_000
const LONGEST_LIFE = 0xffff_ffff

/** How many tokens of one request are read at most; of more, the last ones. More than fit into Node's 16 KB of headers. */
export const MAX_TOKENS = 256

const seals = perSecret('token', (key) => new Sealer(key, Buffer.of(VERSION)))

/** Whether a text has the form of a token, whoever made it. Verifies nothing. */
export function isTokenLike(text: string): boolean {
  return FORM.test(text)
}

/**
 * The tokens in a list with commas, as a header or a job's payload carries it: each once, without those that have not the form
 * of one; of more than 256, the last 256.
 */
export function parseTokens(list: string | undefined): readonly string[] {
  if (list === undefined || list === '') return []
  const texts = list.split(',').map((text) => text.trim())
  return [...new Set(texts.filter(isTokenLike))].slice(-MAX_TOKENS)
}

/**
 * Seals a token with the first of `secrets` (SIV, under a key of its own): 68 characters of base64url, fit for a cookie or a
 * header. Without the secret nobody can make one, change one, or read anything in it but its version.
 *
 * @throws {RangeError} for a time that does not fit: a life of 0 to 2^32 - 1 ms is expected.
 */
export function signToken(token: Token, secrets: readonly string[]): string {
  const { issuedAt, expires } = token
  const life = expires - issuedAt
  if (!(life >= 0 && life <= LONGEST_LIFE))
    throw new RangeError(`a token cannot live ${life} ms; expected 0 to 2^32 - 1`)
  const content = Buffer.allocUnsafe(CONTENT)
  content.writeBigUInt64BE(token.cluster, 0)
  content.writeUInt32BE(token.timeline, 8)
  content.writeBigUInt64BE(token.lsn, 12)
  content.writeUInt32BE(token.node, 20)
  content.writeUIntBE(Math.floor(issuedAt), 24, 6)
  content.writeUInt32BE(Math.floor(life), 30)
  const [secret = ''] = secrets
  const bytes = Buffer.allocUnsafe(1 + TAG_BYTES + CONTENT)
  bytes[0] = VERSION
  bytes.set(seals(secret).seal(content), 1)
  return bytes.toString('base64url')
}

/** How many tokens are kept, opened, for one set of secrets. */
const MOST_KEPT = 4_096

/** The tokens that were opened, by their text. A client sends the same one with each request, and opening it takes longer than all the rest. */
const kept = new WeakMap<readonly string[], Map<string, Token>>()

/** Reads a token that one of `secrets` has sealed, or says why it is none (F3). Never throws. `now` is the wall clock in ms. */
export function readToken(text: string, secrets: readonly string[], now: number): Token | InvalidToken {
  const known = keptFor(secrets)?.get(text)
  if (known !== undefined) return whatIsWrongIn(known, now) ?? known
  if (!isTokenLike(text)) return 'ill-formed'
  const token = openToken(text, secrets)
  if (token === undefined) return 'unverified'
  const problem = whatIsWrongIn(token, now)
  if (problem !== undefined) return problem
  // Secrets that can be changed could be changed.
  if (Object.isFrozen(secrets)) keep(text, token, secrets)
  return token
}

/** When a token was made that one of `secrets` has sealed, in ms of the wall clock there, whether it counts now or not. */
export function timeOfToken(text: string, secrets: readonly string[]): number | undefined {
  return isTokenLike(text) ? openToken(text, secrets)?.issuedAt : undefined
}

function whatIsWrongIn({ issuedAt, expires }: Token, now: number): 'expired' | 'from-the-future' | undefined {
  if (now >= expires) return 'expired'
  return issuedAt > now + CLOCK_SKEW ? 'from-the-future' : undefined
}

/** What was looked up last: a process has one app, nearly always, and a request up to 32 tokens. */
let last: { readonly secrets: readonly string[]; readonly tokens: Map<string, Token> } | undefined

function keptFor(secrets: readonly string[]): Map<string, Token> | undefined {
  if (last?.secrets === secrets) return last.tokens
  const tokens = kept.get(secrets)
  if (tokens !== undefined) last = { secrets, tokens }
  return tokens
}

function keep(text: string, token: Token, secrets: readonly string[]): void {
  let tokens = keptFor(secrets)
  if (tokens === undefined || tokens.size >= MOST_KEPT) {
    tokens = new Map()
    kept.set(secrets, tokens)
    last = { secrets, tokens }
  }
  tokens.set(text, token)
}

function openToken(text: string, secrets: readonly string[]): Token | undefined {
  const sealed = Buffer.from(text, 'base64url').subarray(1)
  // Every secret is tried, so that the time taken does not show which one fits.
  let content: Buffer | undefined
  for (const secret of secrets) content = seals(secret).open(sealed) ?? content
  if (content === undefined) return undefined
  const issuedAt = content.readUIntBE(24, 6)
  return Object.freeze({
    cluster: content.readBigUInt64BE(0),
    timeline: content.readUInt32BE(8),
    lsn: toLsn(content.readBigUInt64BE(12)),
    node: content.readUInt32BE(20),
    issuedAt,
    expires: issuedAt + content.readUInt32BE(30),
  })
}

/** Reads a token; `undefined` for every text that is no valid one. Never throws. */
export function verifyToken(text: string | undefined, secrets: readonly string[], now: number): Token | undefined {
  const token = text === undefined ? undefined : readToken(text, secrets, now)
  return typeof token === 'object' ? token : undefined
}

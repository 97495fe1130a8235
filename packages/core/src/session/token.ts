import { createHmac, timingSafeEqual } from 'node:crypto'
import { toLsn } from './lsn.ts'
import type { ReadPosition } from './read-position.ts'

/** What a client carries so that it sees its own writes (F1). */
export interface Token extends ReadPosition {
  /** When it was made, in ms of the wall clock. */
  readonly issuedAt: number
  /** When it expires, in ms of the wall clock. */
  readonly expires: number
}

const VERSION = 1
/** version 1, cluster 8, timeline 4, lsn 8, node 4, issuedAt 6, lifetime 4 */
const PAYLOAD = 35
const SIGNATURE = 32
/** 67 bytes in base64url. */
const LENGTH = 90
const FORM = /^[A-Za-z0-9_-]{90}$/
/** The clocks of two machines may differ by this much, in ms. */
const CLOCK_SKEW = 60_000
const LONGEST_LIFE = 0xffff_ffff

/** How many tokens of one request are read at most; of more, the last ones. */
export const MAX_TOKENS = 32

/** The tokens in a list with commas, as a header or a job's payload carries it; of more than 32, the last 32. */
export function parseTokens(list: string | undefined): readonly string[] {
  if (list === undefined) return []
  return list
    .split(',')
    .map((text) => text.trim())
    .filter((text) => text !== '')
    .slice(-MAX_TOKENS)
}

/**
 * Signs a token with the first of `secrets` (HMAC-SHA-256): 90 characters of base64url, fit for a cookie or a header.
 *
 * @throws {RangeError} for a time that does not fit: a life of 0 to 2^32 - 1 ms is expected.
 */
export function signToken(token: Token, secrets: readonly string[]): string {
  const { issuedAt, expires } = token
  const life = expires - issuedAt
  if (!(life >= 0 && life <= LONGEST_LIFE))
    throw new RangeError(`a token cannot live ${life} ms; expected 0 to 2^32 - 1`)
  const bytes = Buffer.alloc(PAYLOAD)
  bytes.writeUInt8(VERSION, 0)
  bytes.writeBigUInt64BE(token.cluster, 1)
  bytes.writeUInt32BE(token.timeline, 9)
  bytes.writeBigUInt64BE(token.lsn, 13)
  bytes.writeUInt32BE(token.node, 21)
  bytes.writeUIntBE(Math.floor(issuedAt), 25, 6)
  bytes.writeUInt32BE(Math.floor(life), 31)
  const [secret = ''] = secrets
  return Buffer.concat([bytes, sign(secret, bytes)]).toString('base64url')
}

/**
 * Reads a token that one of `secrets` has signed; `undefined` for any other text, and for one that has expired or is from
 * the future by more than a minute (F3). Never throws. `now` is the wall clock in ms.
 */
export function verifyToken(text: string | undefined, secrets: readonly string[], now: number): Token | undefined {
  if (text === undefined || text.length !== LENGTH || !FORM.test(text)) return undefined
  const bytes = Buffer.from(text, 'base64url')
  // One spelling only: base64url ignores the last character's spare bits.
  if (bytes.length !== PAYLOAD + SIGNATURE || bytes.toString('base64url') !== text) return undefined
  const payload = bytes.subarray(0, PAYLOAD)
  const given = bytes.subarray(PAYLOAD)
  // Every secret is tried, so that the time taken does not show which one fits.
  let isOurs = false
  for (const secret of secrets) if (timingSafeEqual(given, sign(secret, payload))) isOurs = true
  if (!isOurs || payload.readUInt8(0) !== VERSION) return undefined
  const issuedAt = payload.readUIntBE(25, 6)
  const expires = issuedAt + payload.readUInt32BE(31)
  if (now >= expires || issuedAt > now + CLOCK_SKEW) return undefined
  return {
    cluster: payload.readBigUInt64BE(1),
    timeline: payload.readUInt32BE(9),
    lsn: toLsn(payload.readBigUInt64BE(13)),
    node: payload.readUInt32BE(21),
    issuedAt,
    expires,
  }
}

function sign(secret: string, payload: Buffer): Buffer {
  // The first line keeps these apart from anything else that is signed with the same secret.
  return createHmac('sha256', secret).update('headwater token v1\n').update(payload).digest()
}

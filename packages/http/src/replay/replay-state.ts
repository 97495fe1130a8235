import { createHmac, timingSafeEqual } from 'node:crypto'

/** How long a state is valid. A replay crosses the world once; the clocks of two regions may differ by as much. */
const GOOD_FOR_MILLIS = 60_000

/** `v1.<time>.<reason>.<hmac>`: only RFC 9110 token characters, so it needs no quotes in a header. */
const STATE = /^v1\.([0-9a-z]{1,11})\.([a-z-]{1,32})\.([A-Za-z0-9_-]{43})$/

/** The request that a state belongs to. The state is worthless on any other request. */
export interface ReplayedRequest {
  readonly method: string
  /** Path and query. */
  readonly url: string
}

/** Signs the state that travels with a replay (P7). `now` is the wall clock in milliseconds. The first secret signs. */
export function signState(secrets: readonly string[], request: ReplayedRequest, reason: string, now: number): string {
  const time = Math.floor(now).toString(36)
  const [secret = ''] = secrets
  return `v1.${time}.${reason}.${hmacOf(secret, request, reason, time).toString('base64url')}`
}

/**
 * Returns the reason in a state that is ours (P7): well-formed, and signed with one of `secrets` for this very request
 * at most 60 seconds ago. Returns `undefined` for anything else; never throws.
 */
export function verifyState(
  secrets: readonly string[],
  request: ReplayedRequest,
  state: string | undefined,
  now: number,
): string | undefined {
  const [, time, reason, signature] = (state !== undefined && STATE.exec(state)) || []
  if (time === undefined || reason === undefined || signature === undefined) return undefined
  const given = Buffer.from(signature, 'base64url')
  // Tries every secret, so that the time taken does not tell which one fits.
  let isOurs = false
  for (const secret of secrets) {
    const wanted = hmacOf(secret, request, reason, time)
    // Accepts one spelling only: base64url ignores the last character's spare bits.
    if (timingSafeEqual(given, wanted) && wanted.toString('base64url') === signature) isOurs = true
  }
  if (!isOurs) return undefined
  return Math.abs(now - Number.parseInt(time, 36)) <= GOOD_FOR_MILLIS ? reason : undefined
}

function hmacOf(secret: string, request: ReplayedRequest, reason: string, time: string): Buffer {
  // The first line keeps these apart from anything else that is signed with the same secret.
  const lines = ['headwater replay v1', time, reason, request.method, request.url]
  return createHmac('sha256', secret).update(lines.join('\n')).digest()
}

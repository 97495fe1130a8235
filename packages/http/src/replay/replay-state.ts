import { createHash, createHmac, createSecretKey, timingSafeEqual } from 'node:crypto'
import { perSecret } from '@headwater/core/internal'

/** How long a state is good for. A replay crosses the world once; the clocks of two regions may differ by as much. */
const GOOD_FOR_MILLIS = 60_000

/** Any version of ours: only RFC 9110 token characters, so it needs no quotes in a header. */
const OURS = /^hw\d{1,3}\.[A-Za-z0-9_.-]{1,256}$/

/** `hw2.<time>.<reason>.<request>.<hmac>`; with a timeline `hw3.<time>.<cluster>.<timeline>.<reason>.<request>.<hmac>` */
const STATE =
  /^((?:hw2\.([0-9a-z]{1,11})|hw3\.([0-9a-z]{1,11})\.(\d{1,20})\.(\d{1,10}))\.([a-z-]{1,32})\.([A-Za-z0-9_-]{22}))\.([A-Za-z0-9_-]{43})$/

/** The request that a state belongs to. */
export interface ReplayedRequest {
  readonly method: string
  /** Path and query. */
  readonly url: string
}

/**
 * What the state of a request says about it.
 *
 * - `replayed`: it was replayed once.
 * - `replayed-at-another-time`: so it was, more than 60 s ago or ahead: two clocks differ, or somebody sends it again.
 * - `unverified`: it has the form, and none of our secrets has signed it: another region's secret, another version, or a forgery.
 * - `absent`: there is none, or it belongs to another request.
 */
export type StateReading = 'replayed' | 'replayed-at-another-time' | 'unverified' | 'absent'

/** A timeline of a cluster, whose system identifier is in decimal digits; with 0 none is known. */
export interface KnownTimeline {
  readonly cluster: string | undefined
  readonly timeline: number
}

const UNKNOWN_TIMELINE: KnownTimeline = Object.freeze({ cluster: undefined, timeline: 0 })

// Node copies the bytes of a key for each HMAC; a KeyObject is copied once.
const keyOf = perSecret('replay state', createSecretKey)

/**
 * Signs the state that travels with a replay (P7): when, why, the timeline that is known here, and a hash of the request. It holds no
 * position. `now` is the wall
 * clock in milliseconds. The first secret signs.
 */
export function signState(
  secrets: readonly string[],
  request: ReplayedRequest,
  reason: string,
  now: number,
  { cluster, timeline }: KnownTimeline = UNKNOWN_TIMELINE,
): string {
  const [secret = ''] = secrets
  const time = Math.floor(now).toString(36)
  const head = cluster === undefined || timeline === 0 ? `hw2.${time}` : `hw3.${time}.${cluster}.${timeline}`
  const said = `${head}.${reason}.${hashOf(request)}`
  return `${said}.${hmacOf(secret, said).toString('base64url')}`
}

/** Reads the state that came with a request (P7). Never throws. `now` is the wall clock in milliseconds. */
export function readState(
  secrets: readonly string[],
  request: ReplayedRequest,
  state: string | undefined,
  now: number,
): StateReading {
  if (state === undefined || !OURS.test(state)) return 'absent'
  const match = STATE.exec(state)
  const [said, time, hash, signature] = [match?.[1], match?.[2] ?? match?.[3], match?.[7], match?.[8]]
  if (said === undefined || time === undefined || signature === undefined) return 'unverified'
  const given = Buffer.from(signature, 'base64url')
  // Tries every secret, so that the time taken does not tell which one fits.
  let isOurs = false
  for (const secret of secrets) {
    const wanted = hmacOf(secret, said)
    // Accepts one spelling only: base64url ignores the last character's spare bits.
    if (timingSafeEqual(given, wanted) && wanted.toString('base64url') === signature) isOurs = true
  }
  if (!isOurs) return 'unverified'
  if (hash !== hashOf(request)) return 'absent'
  return Math.abs(now - Number.parseInt(time, 36)) <= GOOD_FOR_MILLIS ? 'replayed' : 'replayed-at-another-time'
}

/** Why a request was replayed, by a state that `readState()` has verified. */
export function reasonIn(state: string | undefined): string | undefined {
  return STATE.exec(state ?? '')?.[6]
}

/** The timeline that was known where the replay was asked for, by a state that `readState()` has verified. */
export function timelineIn(state: string | undefined): KnownTimeline {
  const [, , , , cluster, timeline] = STATE.exec(state ?? '') ?? []
  return cluster === undefined ? UNKNOWN_TIMELINE : { cluster, timeline: Number(timeline) }
}

/** When a state that `readState()` has verified was made, in ms of the wall clock there. */
export function timeIn(state: string | undefined): number | undefined {
  const time = Number.parseInt(state?.split('.')[1] ?? '', 36)
  return Number.isNaN(time) ? undefined : time
}

/** Kept in the state, so that a state of ours for another request is not taken for one that nobody here has signed. */
function hashOf({ method, url }: ReplayedRequest): string {
  return createHash('sha256').update(`${method}\n${url}`).digest().toString('base64url', 0, 16)
}

function hmacOf(secret: string, said: string): Buffer {
  return createHmac('sha256', keyOf(secret)).update(said).digest()
}

import { nodeCrypto } from './node-crypto.ts'
import { perSecret } from './per-secret.ts'

/** The request header with which `headwater doctor` proves that it holds the secret, and the answer header that proves the same. */
export const DOCTOR_HEADER = 'headwater-doctor'

/** How far two clocks may be apart, in ms. */
const GOOD_FOR_MILLIS = 300_000
/** `hw1.<time>.<nonce>.<hmac>` */
const SIGNED = /^(hw1\.([0-9a-z]{1,11})\.[A-Za-z0-9_-]{16,64})\.([A-Za-z0-9_-]{43})$/

const keyOf = perSecret('doctor', (key) => key)

/** Signs a question; `now` is the wall clock in ms, `nonce` 16 to 64 characters of base64url. */
export function signQuestion(secret: string, now: number, nonce: string): string {
  const said = `hw1.${Math.floor(now).toString(36)}.${nonce}`
  return `${said}.${hmacOf(secret, said).toString('base64url')}`
}

/** Whether a question was signed with one of `secrets`, not long ago. `undefined`: it is none of our form. Never throws. */
export function verifyQuestion(
  secrets: readonly string[],
  question: string | undefined,
  now: number,
): boolean | undefined {
  const [, said, time, signature] = SIGNED.exec(question ?? '') ?? []
  if (said === undefined || time === undefined || signature === undefined) return undefined
  const isOurs = isSignedBy(secrets, said, signature)
  return isOurs && Math.abs(now - Number.parseInt(time, 36)) <= GOOD_FOR_MILLIS
}

/** Signs the answer to a question. */
export function signAnswer(secrets: readonly string[], question: string, body: string): string {
  const [secret = ''] = secrets
  return hmacOf(secret, `${question}\n${body}`).toString('base64url')
}

/** Whether an answer to a question was signed with one of `secrets`. */
export function verifyAnswer(secrets: readonly string[], question: string, body: string, signature: string): boolean {
  return isSignedBy(secrets, `${question}\n${body}`, signature)
}

function isSignedBy(secrets: readonly string[], said: string, signature: string): boolean {
  const given = Buffer.from(signature, 'base64url')
  // Every secret is tried, so that the time taken does not tell which one fits.
  let isOurs = false
  for (const secret of secrets) {
    const wanted = hmacOf(secret, said)
    if (given.length === wanted.length && nodeCrypto().timingSafeEqual(given, wanted)) isOurs = true
  }
  return isOurs
}

function hmacOf(secret: string, said: string): Buffer {
  return nodeCrypto().createHmac('sha256', keyOf(secret)).update(said).digest()
}

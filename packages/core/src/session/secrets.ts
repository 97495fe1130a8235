import { OptionsInvalid } from '../errors/options-invalid.ts'

const SHORTEST = 16

/**
 * Checks secrets that an app gave; the first signs, all verify.
 *
 * @throws {OptionsInvalid} when there is none, or one is shorter than 16 characters. The message never shows a secret.
 */
export function parseSecrets(secret: unknown): readonly string[] {
  const secrets: readonly unknown[] = Array.isArray(secret) ? secret : [secret]
  const remedy = 'set HEADWATER_SECRET to the same random value in every region (openssl rand -base64 32)'
  if (secrets.length === 0 || secrets[0] === undefined || secrets[0] === '') {
    throw new OptionsInvalid('secret', `is missing; ${remedy}`)
  }
  return Object.freeze(
    secrets.map((candidate) => {
      if (typeof candidate === 'string' && candidate.length >= SHORTEST) return candidate
      throw new OptionsInvalid('secret', `expected strings of ${SHORTEST} characters or more; ${remedy}`)
    }),
  )
}

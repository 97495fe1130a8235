import { OptionsInvalid } from '../errors/options-invalid.ts'

const GROUP = /^[A-Za-z0-9_-]{1,63}$/

/**
 * Checks the name of a group of replicas.
 *
 * @throws {OptionsInvalid} when it is not 1–63 letters, digits, `_` and `-`.
 */
export function parseGroup(option: string, value: unknown): string {
  if (typeof value === 'string' && GROUP.test(value)) return value
  throw new OptionsInvalid(
    option,
    `${JSON.stringify(value)} is not the name of a group; expected 1 to 63 letters, digits, "_" and "-", such as "reports"`,
  )
}

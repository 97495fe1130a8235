import { OptionsInvalid } from '../errors/options-invalid.ts'

/**
 * How fresh a read must be.
 *
 * - `session` (the default): a client sees its own writes, and never an older state than it has seen (F1, F5).
 * - `bounded`: any replica that is within `maxLag` (F6); tokens are ignored.
 * - `eventual`: any replica; tokens, `maxLag` and the writes of the same scope, or of the process outside any scope (R9), are ignored.
 * - `strong`: the primary.
 *
 * @default 'session'
 */
export type Consistency = 'session' | 'bounded' | 'eventual' | 'strong'

const CONSISTENCIES: Readonly<Record<Consistency, true>> = {
  session: true,
  bounded: true,
  eventual: true,
  strong: true,
}

/**
 * Checks a consistency level that an app gave.
 *
 * @throws {OptionsInvalid} for any other value.
 */
export function parseConsistency(option: string, value: Consistency | undefined): Consistency | undefined {
  if (value === undefined || Object.hasOwn(CONSISTENCIES, value)) return value
  throw new OptionsInvalid(
    option,
    `${JSON.stringify(value)} is not a consistency level; expected "session", "bounded", "eventual" or "strong"`,
  )
}

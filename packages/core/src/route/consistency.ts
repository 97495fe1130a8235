import { OptionsInvalid } from '../errors/options-invalid.ts'

/**
 * How fresh a read must be.
 *
 * - `session` (the default): a client sees its own writes, and never an older state than it has seen (F1, F5).
 * - `bounded`: any replica that is not further behind than `maxLag` (F6); tokens are not asked.
 * - `eventual`: any replica; tokens are not asked, and neither are the writes of the same scope.
 * - `strong`: the primary.
 */
export type Consistency = 'session' | 'bounded' | 'eventual' | 'strong'

const CONSISTENCIES: Readonly<Record<Consistency, true>> = {
  session: true,
  bounded: true,
  eventual: true,
  strong: true,
}

/**
 * Checks a consistency that an app gave.
 *
 * @throws {OptionsInvalid} for another word.
 */
export function parseConsistency(option: string, value: Consistency | undefined): Consistency | undefined {
  if (value === undefined || Object.hasOwn(CONSISTENCIES, value)) return value
  throw new OptionsInvalid(
    option,
    `${JSON.stringify(value)} is no consistency; expected "session", "bounded", "eventual" or "strong"`,
  )
}

import { InvalidReplayError } from './invalid-replay-error.ts'

const shape = /^(\d{1,9})(ms|s|m|h)$/
const millisecondsIn: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/**
 * The milliseconds of a duration such as `10s` or `800ms`. The units `m` and `h` are accepted too; a unit is required.
 * @throws InvalidReplayError on anything else, zero included
 */
export function parseDuration(text: string): number {
  const [, digits, unit] = shape.exec(text) ?? []
  const milliseconds = Number(digits) * (millisecondsIn[unit ?? ''] ?? Number.NaN)
  if (!(milliseconds > 0)) {
    throw new InvalidReplayError(`timeout "${text.slice(0, 40)}" is not a duration; write 10s or 800ms`)
  }
  // Beyond 2^31-1 Node's timers fire at once.
  return Math.min(milliseconds, 2_147_483_647)
}

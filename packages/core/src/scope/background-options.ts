import { OptionsInvalid } from '../errors/options-invalid.ts'

/** Told of background work that failed or was given up. */
export type OnBackgroundError = (error: unknown, work: { readonly name: string | undefined }) => void

/** What holds for all background work of this process; see `configureBackground`. */
export interface BackgroundDefaults {
  /**
   * How many pieces run at the same time, 1 to 1000. Keep it well below the pool's `max`.
   *
   * @default 5, half of pg's own `max`
   */
  readonly concurrency?: number | undefined
  /**
   * How many wait for their turn, 0 to 1000000. One more is given up at once.
   *
   * @default 1000
   */
  readonly queueLimit?: number | undefined
  /**
   * How long each may take, in ms, 1 to 2147483647; then its signal is aborted and nobody waits for it any more.
   *
   * @default 10_000
   */
  readonly timeoutMillis?: number | undefined
  /**
   * Told of work that failed or was given up.
   *
   * @default a process warning, `HEADWATER_BACKGROUND`, once for each outcome
   */
  readonly onError?: OnBackgroundError | undefined
}

/** The defaults with nothing left open but `onError`. */
export interface BackgroundLimits {
  readonly concurrency: number
  readonly queueLimit: number
  readonly timeoutMillis: number
  readonly onError: OnBackgroundError | undefined
}

export const DEFAULT_LIMITS: BackgroundLimits = {
  concurrency: 5,
  queueLimit: 1000,
  timeoutMillis: 10_000,
  onError: undefined,
}

const RANGES: Readonly<Record<'concurrency' | 'queueLimit' | 'timeoutMillis', readonly [min: number, max: number]>> = {
  concurrency: [1, 1000],
  queueLimit: [0, 1_000_000],
  timeoutMillis: [1, 0x7fff_ffff],
}

/** The number, or what stands in its place when none is given. */
export function parseLimit(name: keyof typeof RANGES, value: number | undefined, fallback: number): number {
  if (value === undefined) return fallback
  const [min, max] = RANGES[name]
  if (Number.isInteger(value) && value >= min && value <= max) return value
  throw new OptionsInvalid(name, `${String(value)} is not valid; expected a whole number from ${min} to ${max}`)
}

export function parseOnError(value: OnBackgroundError | undefined): OnBackgroundError | undefined {
  if (value === undefined || typeof value === 'function') return value
  throw new OptionsInvalid('onError', `${typeof value} is not valid; expected a function of the error`)
}

import { type Backoff, pauseMillis } from './backoff.ts'

/** Whether sessions were to be had on one server lately. */
export interface Health {
  /** How many attempts in a row have failed; many that fail at once are one. */
  readonly failures: number
  /** Until when nobody is sent there, by a monotonic clock in ms. It counts while there are failures. */
  readonly ejectedUntilMillis: number
  /** Whether somebody was sent there to find out, and has not come back. */
  readonly isProbed: boolean
  /** The error of the last failure. */
  readonly error: unknown
}

/** What is learned of a server. `probed`: somebody is sent there although it failed. */
export type Evidence =
  | { readonly kind: 'answered' }
  | { readonly kind: 'probed' }
  | { readonly kind: 'failed'; readonly error: unknown }

export const HEALTHY: Health = Object.freeze({ failures: 0, ejectedUntilMillis: 0, isProbed: false, error: undefined })

/** How long a server that gave no session is left alone. */
const BACKOFF: Backoff = { firstMillis: 250, maxMillis: 30_000 }

/** Whether nobody is to be sent there now. */
export function isEjected({ failures, ejectedUntilMillis }: Health, nowMillis: number): boolean {
  return failures > 0 && nowMillis < ejectedUntilMillis
}

/** What is known after `evidence`. Pure: `nowMillis` is a monotonic clock, `chance` a random number from 0 to 1. */
export function nextHealth(health: Health, evidence: Evidence, nowMillis: number, chance: number): Health {
  switch (evidence.kind) {
    case 'answered':
      return HEALTHY
    case 'probed':
      return {
        ...health,
        isProbed: true,
        ejectedUntilMillis: nowMillis + pauseMillis(health.failures, BACKOFF, chance),
      }
    case 'failed': {
      const { error } = evidence
      // Many that ask at once fail together: that is one failure, not a reason to wait for minutes.
      if (isEjected(health, nowMillis) && !health.isProbed) return { ...health, error }
      const failures = health.failures + 1
      const ejectedUntilMillis = nowMillis + pauseMillis(failures, BACKOFF, chance)
      return { failures, ejectedUntilMillis, isProbed: false, error }
    }
  }
}

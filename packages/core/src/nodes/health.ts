import { type Backoff, pauseMillis } from './backoff.ts'

/** Whether one server has accepted sessions lately. */
export interface Health {
  /** How many attempts in a row have failed. Attempts that fail at the same time count as one. */
  readonly failures: number
  /** Until when the server gets no connection, by a monotonic clock in ms. Only meaningful while there are failures. */
  readonly ejectedUntilMillis: number
  /** Whether one attempt is under way that finds out if the server answers again. */
  readonly isProbed: boolean
  /** The error of the last failure. */
  readonly error: unknown
}

/**
 * What is learned about a server. `probed`: one attempt is made although the last one failed. `connection-error`: a connection
 * or a question of ours failed, which does not say that it refuses new sessions.
 */
export type Evidence =
  | { readonly kind: 'answered' }
  | { readonly kind: 'probed' }
  | { readonly kind: 'connection-error'; readonly error: unknown }
  | { readonly kind: 'failed'; readonly error: unknown }

export const HEALTHY: Health = Object.freeze({ failures: 0, ejectedUntilMillis: 0, isProbed: false, error: undefined })

/** How long a replica that refused a session is left alone: others answer in its place. */
export const REPLICA_BACKOFF: Backoff = { firstMillis: 250, maxMillis: 30_000 }
/** The same for the primary, in whose place nobody answers. */
export const PRIMARY_BACKOFF: Backoff = { firstMillis: 250, maxMillis: 2_000 }

/** Whether the server must not get a connection now. */
export function isEjected({ failures, ejectedUntilMillis }: Health, nowMillis: number): boolean {
  return failures > 0 && nowMillis < ejectedUntilMillis
}

/** What is known after `evidence`. Pure: `nowMillis` is a monotonic clock, `chance` a random number from 0 to 1. */
export function nextHealth(
  health: Health,
  evidence: Evidence,
  nowMillis: number,
  chance: number,
  backoff: Backoff = REPLICA_BACKOFF,
): Health {
  switch (evidence.kind) {
    case 'answered':
      return HEALTHY
    case 'connection-error':
      return health
    case 'probed':
      return {
        ...health,
        isProbed: true,
        ejectedUntilMillis: nowMillis + pauseMillis(health.failures, backoff, chance),
      }
    case 'failed': {
      const { error } = evidence
      // Attempts made at the same time fail together: that is one failure, not a reason to wait for minutes.
      if (isEjected(health, nowMillis) && !health.isProbed) return { ...health, error }
      const failures = health.failures + 1
      const ejectedUntilMillis = nowMillis + pauseMillis(failures, backoff, chance)
      return { failures, ejectedUntilMillis, isProbed: false, error }
    }
  }
}

import { OptionsInvalid } from '@headwater/core'
import { parseHeaderPairs } from './header-pairs.ts'
import type { ReplayTarget } from './replay-target.ts'

/** How Fly's proxy is to handle a replay that finds nobody. */
export interface FlyReplayOptions {
  /**
   * How long the proxy may try to connect to the primary region, in ms; default 10,000. Not less than a Machine there
   * takes to start: 5 s proved too short.
   */
  readonly timeout?: number | undefined
  /**
   * Who gets the request when that fails; default `prefer_self`: this instance or another of this app.
   * `force_self`: this instance only. `none`: nobody, the client sees the proxy's 502.
   */
  readonly fallback?: 'prefer_self' | 'force_self' | 'none' | undefined
}

/** Fly sets at least one of these on every request that passes its proxy. */
const FLY_HEADERS = ['fly-request-id', 'fly-client-ip', 'fly-region', 'fly-replay-src', 'fly-forwarded-port'] as const

/**
 * Replays by Fly's proxy: `fly-replay: region=…;state=…`.
 *
 * Source: fly.io/docs/networking/dynamic-request-routing.
 *
 * @throws {OptionsInvalid} for a timeout that is not a positive number of ms, or an unknown fallback.
 */
export function flyReplay(options: FlyReplayOptions = {}): ReplayTarget {
  const timeout = options.timeout ?? 10_000
  const fallback = options.fallback ?? 'prefer_self'
  if (!Number.isInteger(timeout) || timeout < 1 || timeout > 600_000) {
    throw new OptionsInvalid('timeout', `${String(timeout)} is not a time; expected 1 to 600000 (ms)`)
  }
  if (!['prefer_self', 'force_self', 'none'].includes(fallback)) {
    throw new OptionsInvalid(
      'fallback',
      `${JSON.stringify(fallback)} is unknown; expected prefer_self, force_self or none`,
    )
  }
  const tail = `timeout=${timeout % 1000 === 0 ? `${timeout / 1000}s` : `${timeout}ms`}`
  const rest = fallback === 'none' ? tail : `${tail};fallback=${fallback}`
  return Object.freeze<ReplayTarget>({
    name: 'fly-replay',
    answer: ({ region, state }) => ({
      // No document makes the status matter. Without a proxy in front the client sees it: a 409 is never cached or retried.
      status: 409,
      headers: {
        'fly-replay': `region=${region};state=${state};${rest}`,
        'cache-control': 'no-store',
        'content-length': '0',
      },
    }),
    arrival: (header) => ({
      state: parseHeaderPairs(header('fly-replay-src'))?.get('state'),
      // Nothing in this header is signed. Believing it costs only its sender: a write is refused with 503.
      hasFailed: /^[a-z_]{1,64}$/.test(parseHeaderPairs(header('fly-replay-failed'))?.get('reason') ?? ''),
      isBehindProxy: FLY_HEADERS.some((name) => header(name) !== undefined),
    }),
  })
}

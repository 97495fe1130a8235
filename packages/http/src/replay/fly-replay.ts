import { OptionsInvalid } from '@headwater/core'
import { FlyArrival } from './fly-arrival.ts'
import type { AnsweringTarget } from './replay-target.ts'

/** What Fly's proxy does with a replay that no machine takes. */
export interface FlyReplayOptions {
  /**
   * How long the proxy may try to connect to the primary region, in milliseconds, 1 to 600,000. Set it no lower than a
   * stopped Machine there takes to start: 5 s proved too short.
   *
   * @default 10_000
   */
  readonly timeoutMillis?: number | undefined
  /**
   * Who gets the request when that fails. `prefer_self`: this instance, or another one of this app. `force_self`: this
   * instance only. `none`: nobody, and the client sees the proxy's 502.
   *
   * @default 'prefer_self'
   */
  readonly fallback?: 'prefer_self' | 'force_self' | 'none' | undefined
  /**
   * The app that takes replays, where the instances of the primary's region are an app of their own. In another network of your
   * organisation, `fly orgs cross-network-replays enable` has to allow it.
   *
   * @default undefined (the same app)
   */
  readonly app?: string | undefined
}

/** The name of this target. */
export const FLY_REPLAY = 'fly-replay'

/**
 * Replays through Fly's proxy: `fly-replay: region=…;state=…`. This is the default replay target.
 *
 * Source: fly.io/docs/networking/dynamic-request-routing.
 *
 * @example headwater({ pool, replayTarget: flyReplay({ timeoutMillis: 20_000, fallback: 'none' }) })
 * @throws {OptionsInvalid} when the timeout is not a whole number from 1 to 600,000, or the fallback is unknown.
 */
export function flyReplay(options: FlyReplayOptions = {}): AnsweringTarget {
  const timeoutMillis = options.timeoutMillis ?? 10_000
  const fallback = options.fallback ?? 'prefer_self'
  const { app } = options
  if (!Number.isInteger(timeoutMillis) || timeoutMillis < 1 || timeoutMillis > 600_000) {
    throw new OptionsInvalid(
      'timeoutMillis',
      `${String(timeoutMillis)} is not a valid time; expected 1 to 600000 milliseconds, no fraction`,
    )
  }
  if (!['prefer_self', 'force_self', 'none'].includes(fallback)) {
    throw new OptionsInvalid(
      'fallback',
      `${JSON.stringify(fallback)} is unknown; expected prefer_self, force_self or none`,
    )
  }
  if (app !== undefined && !/^[a-z0-9-]{1,63}$/.test(app)) {
    throw new OptionsInvalid(
      'app',
      `${JSON.stringify(app)} is not the name of an app; expected 1 to 63 of a-z, 0-9 and "-"`,
    )
  }
  const { FLY_MACHINE_ID: machine } = process.env
  const timeout = timeoutMillis % 1000 === 0 ? `${timeoutMillis / 1000}s` : `${timeoutMillis}ms`
  const to = app === undefined ? '' : `;app=${app}`
  const rest = fallback === 'none' ? `timeout=${timeout}` : `timeout=${timeout};fallback=${fallback}`
  return Object.freeze<AnsweringTarget>({
    name: FLY_REPLAY,
    answer: ({ regions, state }) => ({
      // Fly documents no status. Without a proxy in front the client sees this one: a 409 is never cached or retried.
      status: 409,
      headers: {
        'fly-replay': `region=${regionsOf(regions)};state=${state}${to};${rest}`,
        'cache-control': 'no-store',
        'content-length': '0',
      },
    }),
    steer: (region) => ({ 'fly-prefer-region': region }),
    arrival: (header) => new FlyArrival(header, machine),
  })
}

/** A list stands in quotes; the first region with a machine that can be reached takes the request. */
function regionsOf(regions: readonly [string, ...string[]]): string {
  if (regions.length === 1) return regions[0]
  const each = [...new Set(regions)]
  return each.length === 1 ? regions[0] : `"${each.join(',')}"`
}

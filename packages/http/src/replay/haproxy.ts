import { OptionsInvalid } from '@headwater/core'
import { proxyReplay } from './proxy-replay.ts'
import type { AnsweringTarget } from './replay-target.ts'

/** How HAProxy is told to replay. */
export interface HaproxyOptions {
  /**
   * `retry`: HAProxy tries the request again with the primary's server (`retry-on 425`). No header can change between its tries, so no
   * state comes back, and what ends a loop is HAProxy's own `retries`. `lua`: a script asks the app next door first; the state comes
   * back, and answers are held whole in HAProxy's memory.
   *
   * @default 'retry'
   */
  readonly by?: 'retry' | 'lua' | undefined
}

/** Too Early (RFC 8470): the one status for "not here" that HAProxy can retry on and apps do not use. */
const TOO_EARLY = 425

/**
 * Replays through HAProxy 2.6 or later. The configurations that belong to it are in `examples/proxies/haproxy`.
 *
 * @example headwater({ pool, replayTarget: haproxy() })
 * @throws {OptionsInvalid} when `by` is unknown.
 */
export function haproxy({ by = 'retry' }: HaproxyOptions = {}): AnsweringTarget {
  if (by === 'lua') return proxyReplay('haproxy', () => ({}))
  if (by === 'retry') return proxyReplay('haproxy', () => ({ status: TOO_EARLY }))
  throw new OptionsInvalid('by', `${JSON.stringify(by)} is unknown; expected retry or lua`)
}

import { proxyReplay } from './proxy-replay.ts'
import type { AnsweringTarget } from './replay-target.ts'

/**
 * Replays through Caddy 2.11 or later, whose `reverse_proxy` can try another upstream by the status of an answer. The configuration is
 * `examples/proxies/caddy/Caddyfile`; we have not run it. As with HAProxy's retry, no state comes back: `lb_retries 1` ends a loop.
 *
 * @example headwater({ pool, replayTarget: caddy() })
 */
export function caddy(): AnsweringTarget {
  return proxyReplay('caddy', () => ({}))
}

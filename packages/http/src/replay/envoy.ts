import { proxyReplay } from './proxy-replay.ts'
import type { AnsweringTarget } from './replay-target.ts'

/**
 * Replays through Envoy, by an internal redirect: a 307 to the same URL, whose headers Envoy copies to the next try, where a route sends
 * what carries a region to that region. The configuration is `examples/proxies/envoy/envoy.yaml`; we have not run it.
 *
 * Source: envoyproxy.io/docs/envoy/latest/intro/arch_overview/http/http_connection_management#internal-redirects: the location has to be
 * absolute, and 307 keeps method and body.
 *
 * @example headwater({ pool, replayTarget: envoy() })
 */
export function envoy(): AnsweringTarget {
  return proxyReplay('envoy', ({ request }) => ({
    status: 307,
    headers: { location: `${request.scheme}://${request.host ?? 'localhost'}${pathOf(request.url)}` },
  }))
}

/** Path and query; a client may have named a whole URL, or `*`. */
export function pathOf(url: string): string {
  if (/^\/(?![/\\])/.test(url)) return url
  return url.startsWith('/') ? `/.${url}` : '/'
}

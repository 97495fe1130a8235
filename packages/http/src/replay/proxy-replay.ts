import type { AnsweringTarget, ReplayAnswer, ReplayOrder } from './replay-target.ts'

/**
 * The words between our app and a proxy that is told by configuration (`examples/proxies`). The proxy has to take `headwater-state`,
 * `headwater-failed` and `headwater-proxy` away from what clients send, and to set the last one itself.
 */
export const PROXY_HEADERS = {
  /** On our answer: where to. */
  region: 'headwater-region',
  /** On our answer, and on the replayed request: the signed state. */
  state: 'headwater-state',
  /** On a request that the proxy gives back, because the other region could not be reached. */
  failed: 'headwater-failed',
  /** On every request: which proxy it has passed. */
  proxy: 'headwater-proxy',
} as const

/** A status that apps and RFC 9110 leave free: an app's own 409 is not taken for a replay. */
export const REPLAY_STATUS = 470

/** A target for a proxy that reads our status and headers. */
export function proxyReplay(name: string, answer: (order: ReplayOrder) => Partial<ReplayAnswer>): AnsweringTarget {
  return Object.freeze<AnsweringTarget>({
    name,
    answer: (order) => {
      const { status = REPLAY_STATUS, headers } = answer(order)
      return {
        status,
        headers: {
          [PROXY_HEADERS.region]: order.region,
          [PROXY_HEADERS.state]: order.state,
          'content-length': '0',
          ...headers,
        },
      }
    },
    arrival: (header) => ({
      state: header(PROXY_HEADERS.state),
      hasFailed: header(PROXY_HEADERS.failed) === '1',
      isBehindProxy: header(PROXY_HEADERS.proxy) !== undefined,
    }),
  })
}

/** What a replay target tells the proxy. */
export interface ReplayOrder {
  /** The region to replay in, checked: `[a-z0-9-]`. */
  readonly region: string
  /** The regions to try when nobody there takes it, in this order; checked too. Default: none. */
  readonly standIns?: readonly string[] | undefined
  /** Signed. It must come back with the replayed request. It holds only the token characters of RFC 9110. */
  readonly state: string
}

/** The whole answer that makes the proxy replay a request. Its body is empty. */
export interface ReplayAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
}

/** What a request says about how it got here. A client can forge all of it, until the state is verified. */
export interface Arrival {
  /** The state of the replay that brought the request here; `undefined` when there is none, or it is malformed. */
  readonly state: string | undefined
  /** Whether a replay of this request failed, and the proxy sent it back. */
  readonly hasFailed: boolean
  /**
   * How long that replay took, in ms, where the proxy says so and names this instance as the one that asked for it. Then it may speak for
   * its region. Default: unknown.
   */
  readonly failedAfterMillis?: number | undefined
  /** Whether the request shows signs of a proxy that replays. */
  readonly isBehindProxy: boolean
}

/**
 * A proxy that replays requests in another region (P9). `flyReplay()` is the one for Fly. Write your own for a reverse
 * proxy that understands another answer (nginx, HAProxy, Envoy).
 *
 * All methods must be pure and must not throw.
 *
 * @example
 * const accelRedirect: ReplayTarget = {
 *   name: 'x-accel',
 *   answer: ({ region, state }) => ({ status: 200, headers: { 'x-accel-redirect': `/replay/${region}/${state}` } }),
 *   arrival: (header) => ({ state: header('x-replayed'), hasFailed: false, isBehindProxy: true }),
 * }
 */
export interface ReplayTarget {
  /** Names the target in warnings. */
  readonly name: string
  /** Makes the answer that says "replay this". */
  readonly answer: (order: ReplayOrder) => ReplayAnswer
  /**
   * The request headers with which a client sends a request to `region` at once, past the limit for replays. They are put on
   * a 413, and named in its error. Default: none.
   */
  readonly steer?: ((region: string) => Readonly<Record<string, string>>) | undefined
  /** Recognizes a replayed request, and one whose replay failed. `header` takes lower-case names. */
  readonly arrival: (header: (name: string) => string | undefined) => Arrival
}

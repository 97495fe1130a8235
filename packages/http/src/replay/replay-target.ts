/** What must be told to whoever replays. */
export interface ReplayOrder {
  /** The region to replay in, checked: `[a-z0-9-]`. */
  readonly region: string
  /** Signed; comes back with the replayed request. RFC 9110 token characters only. */
  readonly state: string
}

/** The whole answer to a request that is to be replayed; its body is empty. */
export interface ReplayAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
}

/** What a request tells about its way here. Everything in it is the client's word until the state is verified. */
export interface Arrival {
  /** The state of the replay that brought it; `undefined` when it was not replayed, or says so in a malformed way. */
  readonly state: string | undefined
  /** Whether its replay failed and it came back. */
  readonly hasFailed: boolean
  /** Whether anything shows that a proxy which replays is in front. */
  readonly isBehindProxy: boolean
}

/**
 * Whoever replays requests in another region (P9). `flyReplay()` is the first; a reverse proxy that understands another
 * answer (nginx, HAProxy, Envoy) is another.
 *
 * Both methods must be pure and must not throw.
 */
export interface ReplayTarget {
  /** For messages. */
  readonly name: string
  /** How to say "replay this". */
  readonly answer: (order: ReplayOrder) => ReplayAnswer
  /** How to tell a replayed request, and one whose replay failed. `header` takes lower-case names. */
  readonly arrival: (header: (name: string) => string | undefined) => Arrival
}

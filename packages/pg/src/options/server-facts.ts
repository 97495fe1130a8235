/** What a server has said of itself: for a `truth`, and for `regionOf`. */
export interface ServerFacts {
  /** Its name in `pool.status()`. */
  readonly name: string
  /** Where it is, by the pool's configuration. */
  readonly host: string | undefined
  readonly port: number | undefined
  /** The address at which it took the connection, by its own word; `undefined` on a Unix socket. */
  readonly address: string | undefined
  readonly addressPort: number | undefined
  /** As configured, or as it says itself. */
  readonly region: string | undefined
  /** The cluster's system identifier, in decimal digits. */
  readonly cluster: string
  readonly timeline: number
  /** When it was started, by its own clock, in seconds since 1970. */
  readonly startedAt: string
}

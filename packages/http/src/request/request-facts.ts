/** What an adapter says about its framework's request. */
export interface RequestFacts {
  /** As the client sent it, in capital letters. */
  readonly method: string
  /** Path and query as the client sent them, without scheme and host, also inside a mounted router. */
  readonly url: string
  /** The value of a header by its lower-case name; `undefined` when it is absent or has several values. */
  readonly header: (name: string) => string | undefined
  /** Whether TLS ends at this server. `x-forwarded-proto` is read elsewhere. */
  readonly isSecure: boolean
  /**
   * The framework's own pattern of the route that will run (`/notes/:slug`), where it knows one before the handler: the name of the route
   * for the record of routes that write (P5). `undefined`, also for a wildcard: that is no route of its own. Default: the path says it.
   */
  readonly pattern?: (() => string | undefined) | undefined
}

/** The length of the body in bytes, as declared; 0 without a body, `unknown` for a chunked one. */
export function bodyLengthOf(facts: RequestFacts): number | 'unknown' {
  if (facts.header('transfer-encoding') !== undefined) return 'unknown'
  const declared = facts.header('content-length')
  if (declared === undefined) return 0
  return /^\d{1,15}$/.test(declared) ? Number(declared) : 'unknown'
}

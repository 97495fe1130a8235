/** What the lifecycle must know of a request; every adapter can say it of its own request type. */
export interface RequestFacts {
  /** As the client sent it, in capitals. */
  readonly method: string
  /** Path and query as the client sent them, without scheme and host. */
  readonly url: string
  /** The value of a header by its lower-case name; `undefined` when absent or not a single value. */
  readonly header: (name: string) => string | undefined
  /** Whether it came over TLS as far as this server. */
  readonly isSecure: boolean
}

/** The body's length as its header tells it: bytes, 0 for none, `unknown` for a chunked body. */
export function bodyLengthOf(facts: RequestFacts): number | 'unknown' {
  if (facts.header('transfer-encoding') !== undefined) return 'unknown'
  const declared = facts.header('content-length')
  if (declared === undefined) return 0
  return /^\d{1,15}$/.test(declared) ? Number(declared) : 'unknown'
}

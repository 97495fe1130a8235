/** What one route of a safe method is remembered by. */
interface RouteRecord {
  /** Share of its answered requests that needed the primary, newer ones weighing more: 0 to 1. */
  writes: number
  /** How many requests in a row were replayed early, without being tried here. */
  earlyInARow: number
  /** When it was last used, by the caller's clock, in ms. */
  usedAt: number
}

/** Defaults of `RouteMemory`. */
const DEFAULTS = { capacity: 1000, retryEvery: 20, forgetAfterMs: 10 * 60_000 } as const

/** How much the newest outcome weighs: three contrary outcomes turn a settled record. */
const WEIGHT = 0.4

/** What IANA's registry of HTTP methods calls safe, as RFC 9110, section 9.2.1, means it. Every other method is not. */
const SAFE_METHODS: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'OPTIONS',
  'TRACE',
  'PROPFIND',
  'QUERY',
  'REPORT',
  'SEARCH',
])

/**
 * Remembers which routes need the primary, so that the request is replayed before any work is done (P5).
 *
 * A safe method reads until its route's record says otherwise; then one request in `retryEvery` (default 20) is tried here
 * all the same, so that a route that stopped writing is found out. An unsafe method is always replayed: what its handler
 * did before the write would be done twice. What ran here all the same (a body of unknown length, a replay that failed)
 * ran here because of what its client sent, and teaches nothing: else a client could have the next one run twice (P7).
 * Holds at most `capacity` routes (default 1,000), and forgets one that was not used for `forgetAfterMs` (default 10 minutes).
 */
export class RouteMemory {
  readonly #records = new Map<string, RouteRecord>()
  readonly #capacity: number
  readonly #retryEvery: number
  readonly #forgetAfterMs: number

  constructor(options: { capacity?: number; retryEvery?: number; forgetAfterMs?: number } = {}) {
    this.#capacity = options.capacity ?? DEFAULTS.capacity
    this.#retryEvery = options.retryEvery ?? DEFAULTS.retryEvery
    this.#forgetAfterMs = options.forgetAfterMs ?? DEFAULTS.forgetAfterMs
  }

  /** How many routes are remembered. */
  get size(): number {
    return this.#records.size
  }

  /** Whether this request should be replayed before any work; `now` is any monotonic clock in ms. */
  shouldReplayEarly(method: string, route: string, now: number): boolean {
    if (!isSafe(method)) return true
    const record = this.#recordOf(method, route, now)
    if (record.writes < 0.5) return false
    record.earlyInARow += 1
    if (record.earlyInARow < this.#retryEvery) return true
    record.earlyInARow = 0
    return false
  }

  /** Notes how a request that ran here ended: whether it needed the primary. Only safe methods have a record. */
  learn(method: string, route: string, hasNeededPrimary: boolean, now: number): void {
    if (!isSafe(method)) return
    const record = this.#recordOf(method, route, now)
    record.writes += WEIGHT * ((hasNeededPrimary ? 1 : 0) - record.writes)
  }

  #recordOf(method: string, route: string, now: number): RouteRecord {
    const key = `${method} ${route}`
    const known = this.#records.get(key)
    // Deleting and setting again keeps the map in order of use.
    if (known !== undefined) this.#records.delete(key)
    const isFresh = known !== undefined && now - known.usedAt <= this.#forgetAfterMs
    const record = isFresh ? known : { writes: 0, earlyInARow: 0, usedAt: now }
    record.usedAt = now
    this.#records.set(key, record)
    if (this.#records.size > this.#capacity) {
      const [oldest] = this.#records.keys()
      if (oldest !== undefined) this.#records.delete(oldest)
    }
    return record
  }
}

function isSafe(method: string): boolean {
  return SAFE_METHODS.has(method)
}

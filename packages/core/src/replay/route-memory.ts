/** What is remembered of one route with a safe method. */
interface RouteRecord {
  /** The share of its requests that needed the primary, 0 to 1; newer requests weigh more. */
  writes: number
  /** How many requests in a row were replayed early, without being tried here. */
  earlyInARow: number
  /** When it was last used, by the caller's clock, in ms. */
  usedAt: number
}

/** Defaults of `RouteMemory`. */
const DEFAULTS = { capacity: 1000, retryEvery: 20, forgetAfterMillis: 10 * 60_000 } as const

/** The weight of the newest outcome: three contrary outcomes reverse a settled record. */
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
 * A safe method runs here until its route's record says that it writes. From then on it is replayed early, except one request in
 * `retryEvery` (default 20), which shows whether the route has stopped writing. An unsafe method is always replayed, because
 * what its handler does before the write would be done twice. An unsafe request that ran here anyway (its body had no known
 * length, its replay failed) did so because of what its client sent, so it teaches nothing: otherwise a client could make
 * another client's request run twice (P7). Holds at most `capacity` routes that needed the primary (default 1,000), and forgets a route that was not
 * used for `forgetAfterMillis` (default 10 minutes).
 */
export class RouteMemory {
  readonly #records = new Map<string, RouteRecord>()
  readonly #capacity: number
  readonly #retryEvery: number
  readonly #forgetAfterMillis: number

  constructor(options: { capacity?: number; retryEvery?: number; forgetAfterMillis?: number } = {}) {
    this.#capacity = options.capacity ?? DEFAULTS.capacity
    this.#retryEvery = options.retryEvery ?? DEFAULTS.retryEvery
    this.#forgetAfterMillis = options.forgetAfterMillis ?? DEFAULTS.forgetAfterMillis
  }

  /** How many routes are remembered. */
  get size(): number {
    return this.#records.size
  }

  /** Whether this request should be replayed before any work; `now` is any monotonic clock in ms. */
  shouldReplayEarly(method: string, route: string, now: number): boolean {
    if (!isSafe(method)) return true
    // Most apps have routes that never write, and then nothing is remembered.
    if (this.#records.size === 0) return false
    const record = this.#known(`${method} ${route}`, now)
    if (record === undefined || record.writes < 0.5) return false
    record.earlyInARow += 1
    if (record.earlyInARow < this.#retryEvery) return true
    record.earlyInARow = 0
    return false
  }

  /**
   * Notes how a request that ran here ended: whether it needed the primary. Only safe methods have a record, and only routes that
   * needed it once: those that only read, however many they are, push nothing out.
   */
  learn(method: string, route: string, hasNeededPrimary: boolean, now: number): void {
    if (!isSafe(method) || (!hasNeededPrimary && this.#records.size === 0)) return
    const key = `${method} ${route}`
    let record = this.#known(key, now)
    if (record === undefined) {
      if (!hasNeededPrimary) return
      record = { writes: 0, earlyInARow: 0, usedAt: now }
      this.#records.set(key, record)
      if (this.#records.size > this.#capacity) {
        const [oldest] = this.#records.keys()
        if (oldest !== undefined) this.#records.delete(oldest)
      }
    }
    record.writes += WEIGHT * ((hasNeededPrimary ? 1 : 0) - record.writes)
  }

  #known(key: string, now: number): RouteRecord | undefined {
    const record = this.#records.get(key)
    if (record === undefined) return undefined
    // Deleting and setting again keeps the map in order of use.
    this.#records.delete(key)
    if (now - record.usedAt > this.#forgetAfterMillis) return undefined
    record.usedAt = now
    this.#records.set(key, record)
    return record
  }
}

function isSafe(method: string): boolean {
  return SAFE_METHODS.has(method)
}

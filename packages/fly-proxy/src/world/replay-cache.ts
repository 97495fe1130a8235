import type { Target } from '../routing/target.ts'

/** Which requests a remembered decision covers besides its path: all, or those with one value of a cookie or header. */
export interface CacheScope {
  readonly type: 'cookie' | 'header'
  readonly name: string
  readonly value: string
}

export interface CacheEntry {
  readonly target: Target
  readonly allowBypass: boolean
  readonly expiresAt: number
}

/**
 * Where earlier replays of a hostname's paths went. Longest prefix wins; holds at most `capacity` decisions and forgets the oldest
 * first.
 */
export class ReplayCache {
  readonly #entries = new Map<string, CacheEntry & { host: string; prefix: string; scope: CacheScope | undefined }>()
  readonly #capacity: number

  constructor(capacity = 10_000) {
    this.#capacity = capacity
  }

  store(host: string, prefix: string, scope: CacheScope | undefined, entry: CacheEntry): void {
    const key = JSON.stringify([host, prefix, scope])
    this.#entries.delete(key)
    this.#entries.set(key, { host, prefix, scope, ...entry })
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#capacity) break
      this.#entries.delete(oldest)
    }
  }

  /** The decision that covers this request, if it has not expired. `valueIn` reads the request's cookie or header. */
  find(
    host: string,
    path: string,
    now: number,
    valueIn: (scope: CacheScope) => string | undefined,
  ): CacheEntry | undefined {
    let best: { prefix: string; entry: CacheEntry } | undefined
    for (const [key, entry] of this.#entries) {
      if (entry.expiresAt <= now) this.#entries.delete(key)
      else if (entry.host === host && covers(entry.prefix, path) && entry.prefix.length >= (best?.prefix.length ?? 0)) {
        if (entry.scope === undefined || valueIn(entry.scope) === entry.scope.value)
          best = { prefix: entry.prefix, entry }
      }
    }
    return best?.entry
  }

  /** Forgets every decision that would cover this request. */
  invalidate(host: string, path: string, valueIn: (scope: CacheScope) => string | undefined): void {
    for (const [key, { host: of, prefix, scope }] of this.#entries) {
      if (of === host && covers(prefix, path) && (scope === undefined || valueIn(scope) === scope.value)) {
        this.#entries.delete(key)
      }
    }
  }
}

/** Whether a path lies under a prefix such as `/p/`; a query does not count, and `/p/` covers `/p` itself. */
export function covers(prefix: string, path: string): boolean {
  const bare = path.split('?')[0] ?? ''
  return bare.startsWith(prefix) || `${bare}/` === prefix
}

/**
 * The host and the path prefix of a cache directive, without its implicit `/*`. Undefined when it does not cover the request
 * that it answers, as Fly demands.
 */
export function parseCachePrefix(
  text: string,
  host: string,
  path: string,
): { host: string; prefix: string } | undefined {
  const slash = text.indexOf('/')
  const named = slash === -1 ? text : text.slice(0, slash)
  const prefix = (slash === -1 ? '/' : text.slice(slash)).replace(/\*$/, '').replace(/(?<!\/)$/, '/')
  if ((named !== '' && named.toLowerCase() !== host) || prefix.includes('*') || !covers(prefix, path)) return undefined
  return { host, prefix }
}

import type { Target } from '../routing/target.ts'

/** Narrows a remembered replay to the requests that have this value of a cookie or header. */
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
 * Remembers where earlier replays of a host's paths went. The longest prefix wins. At most `capacity` entries are kept; the
 * oldest is dropped first.
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

  /** The entry that covers this request, unless it has expired. `valueIn` reads the request's cookie or header. */
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

  /** Drops every entry that covers this request. */
  invalidate(host: string, path: string, valueIn: (scope: CacheScope) => string | undefined): void {
    for (const [key, { host: of, prefix, scope }] of this.#entries) {
      if (of === host && covers(prefix, path) && (scope === undefined || valueIn(scope) === scope.value)) {
        this.#entries.delete(key)
      }
    }
  }
}

/** Whether a path lies under a prefix such as `/p/`. The query is ignored, and `/p/` covers `/p` as well. */
export function covers(prefix: string, path: string): boolean {
  const bare = path.split('?')[0] ?? ''
  return bare.startsWith(prefix) || `${bare}/` === prefix
}

/**
 * The host and the path prefix of a cache directive, without its implicit `/*`. Undefined when it does not cover the request
 * that it answers, which Fly requires.
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

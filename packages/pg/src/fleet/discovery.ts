import { runOutside } from '@headwater/core/internal'
import type { NameResolver, ResolvedDiscovery } from '../options/discover-options.ts'
import { sleep } from './sleep.ts'

/** One server that DNS knows. */
export interface FoundServer {
  readonly host: string
  /** By an SRV record; else the port is the configuration's. */
  readonly port: number | undefined
}

/** A short TTL is no reason to ask all the time. */
const SHORTEST_MILLIS = 1_000
/** The pause after a question that failed. */
const RETRY_MILLIS = 1_000
/** How long the first answer is waited for. */
const FIRST_MILLIS = 2_000
/** A server is let go when this many answers in a row go without it. */
const MOST_MISSES = 2
/** How many servers one name may bring: more is a mistake, or somebody's. */
const MOST_SERVERS = 64

/** The answers of DNS that say that there is nothing. Source: c-ares, by https://nodejs.org/api/dns.html#error-codes. */
const NOTHING: ReadonlySet<unknown> = new Set(['ENOTFOUND', 'ENODATA'])

/** Keeps asking DNS which servers a name has, from the first use to the end. */
export class Discovery {
  readonly #discovery: ResolvedDiscovery
  readonly #onFound: (servers: readonly FoundServer[]) => void
  readonly #onFailure: (error: unknown) => void
  readonly #abort = new AbortController()
  #resolver: NameResolver | undefined
  #run: Promise<void> | undefined
  /** Those that hold, and how many answers in a row went without each: names blink, and some bring a few of many. */
  #missed = new Map<string, { readonly server: FoundServer; readonly times: number }>()

  /** `onFound` is called with all servers after each answer, `onFailure` when there was none: then those of before still hold. */
  constructor(
    discovery: ResolvedDiscovery,
    onFound: (servers: readonly FoundServer[]) => void,
    onFailure: (error: unknown) => void,
  ) {
    this.#discovery = discovery
    this.#onFound = onFound
    this.#onFailure = onFailure
  }

  /** Begins to ask. `first` is called once: after the first answer, or when it takes too long. */
  start(first: () => void): void {
    if (this.#run !== undefined || this.#abort.signal.aborted) return
    let isTold = false
    const tell = (): void => {
      clearTimeout(timer)
      if (!isTold) first()
      isTold = true
    }
    const timer = setTimeout(tell, FIRST_MILLIS)
    this.#run = runOutside(() => this.#askOn(tell))
  }

  async end(): Promise<void> {
    this.#abort.abort()
    this.#resolver?.cancel()
    await this.#run
  }

  async #askOn(first: () => void): Promise<void> {
    const { signal } = this.#abort
    while (!signal.aborted) {
      let pause = RETRY_MILLIS
      try {
        const { servers, ttlMillis } = await this.#ask()
        if (signal.aborted) break
        this.#onFound(this.#keep(servers))
        pause = Math.max(SHORTEST_MILLIS, Math.min(ttlMillis, this.#discovery.refreshMillis))
      } catch (error) {
        if (signal.aborted) break
        this.#onFailure(error)
      }
      first()
      await sleep(pause, signal)
    }
    first()
  }

  #keep(found: readonly FoundServer[]): readonly FoundServer[] {
    const next = new Map(found.map((server) => [`${server.host} ${server.port}`, { server, times: 0 }]))
    for (const [key, { server, times }] of this.#missed) {
      if (!next.has(key) && times + 1 < MOST_MISSES) next.set(key, { server, times: times + 1 })
    }
    this.#missed = new Map([...next].slice(0, MOST_SERVERS))
    return [...this.#missed.values()].map(({ server }) => server)
  }

  async #ask(): Promise<{ readonly servers: readonly FoundServer[]; readonly ttlMillis: number }> {
    const { name, records } = this.#discovery
    this.#resolver ??=
      this.#discovery.resolver ??
      new (process.getBuiltinModule('node:dns/promises').Resolver)({ timeout: 1_000, tries: 2 })
    const resolver = this.#resolver
    if (records === 'SRV') {
      const found = await orNothing(resolver.resolveSrv(name))
      return { servers: found.map(({ name: host, port }) => ({ host, port })), ttlMillis: Number.POSITIVE_INFINITY }
    }
    const [four, six] = await Promise.all([
      records === 'AAAA' ? [] : orNothing(resolver.resolve4(name, { ttl: true })),
      records === 'A' ? [] : orNothing(resolver.resolve6(name, { ttl: true })),
    ])
    const all = [...four, ...six]
    return {
      servers: all.map(({ address }) => ({ host: address, port: undefined })),
      ttlMillis: Math.min(...all.map(({ ttl }) => ttl * 1_000)),
    }
  }
}

/** That a name does not exist, or has no such record, is an answer too. */
async function orNothing<Answer>(asked: Promise<readonly Answer[]>): Promise<readonly Answer[]> {
  try {
    return await asked
  } catch (error) {
    if (NOTHING.has(Object(error).code)) return []
    throw error
  }
}

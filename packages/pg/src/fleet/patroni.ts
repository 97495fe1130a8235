import { OptionsInvalid } from '@headwater/core'
import type { Truth } from '../options/truth-options.ts'

/** Where Patroni's REST API answers. */
export interface PatroniOptions {
  /** The API of one member, or of several: each can be asked for the cluster. Such as `http://10.0.0.1:8008`. */
  readonly url: string | readonly string[]
  /**
   * How long one member may take to answer, in ms; then the next one is asked. 100 to 60000.
   *
   * @default 700
   */
  readonly timeoutMillis?: number | undefined
}

/** How much of an answer is read: a cluster has few members. */
const MOST_BYTES = 1_000_000

/**
 * A `truth` that asks Patroni who holds the leader's lock, by `GET /cluster` of the first member that answers.
 *
 * Source: https://patroni.readthedocs.io/en/latest/rest_api.html#cluster-status-endpoints (the roles `leader` and `standby_leader`; the
 * latter takes no writes).
 *
 * @throws {OptionsInvalid} for a URL that is none, or another time.
 */
export function patroni({ url, timeoutMillis = 700 }: PatroniOptions): Truth {
  const urls = (typeof url === 'string' ? [url] : [...(url ?? [])]).map(clusterUrl)
  if (urls.length === 0) throw new OptionsInvalid('patroni.url', 'names no member; expected "http://…:8008"')
  if (!Number.isInteger(timeoutMillis) || timeoutMillis < 100 || timeoutMillis > 60_000) {
    throw new OptionsInvalid(
      'patroni.timeoutMillis',
      `${String(timeoutMillis)} is not a valid time; expected 100 to 60000 milliseconds, no fraction`,
    )
  }
  return async (_servers, signal) => {
    const failures: unknown[] = []
    for (const member of urls) {
      signal.throwIfAborted()
      try {
        return leaderIn(await ask(member, timeoutMillis, signal))
      } catch (error) {
        failures.push(error)
      }
    }
    throw new AggregateError(failures, `no member of Patroni's cluster answers, of ${urls.length}`)
  }
}

async function ask(member: URL, timeoutMillis: number, signal: AbortSignal): Promise<unknown> {
  const abort = new AbortController()
  const giveUp = (): void => abort.abort()
  const timer = setTimeout(giveUp, timeoutMillis)
  signal.addEventListener('abort', giveUp, { once: true })
  try {
    const response = await fetch(member, { signal: abort.signal, redirect: 'error' })
    if (!response.ok) throw new Error(`Patroni answered ${response.status}`)
    if (Number(response.headers.get('content-length') ?? 0) > MOST_BYTES)
      throw new Error("Patroni's answer is too long")
    return await response.json()
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', giveUp)
  }
}

/** The member with the lock; `undefined` while nobody has it. */
function leaderIn(cluster: unknown): { readonly host: string; readonly port: number } | undefined {
  const members: unknown = Object(cluster).members
  if (!Array.isArray(members)) throw new Error("Patroni's answer has no members")
  const leaders = members.filter((member: unknown) => Object(member).role === 'leader')
  const { host, port } = Object(leaders[0]) as { host?: unknown; port?: unknown }
  if (leaders.length !== 1 || typeof host !== 'string') return undefined
  return { host, port: typeof port === 'number' ? port : 5432 }
}

function clusterUrl(url: string): URL {
  const isHttp = typeof url === 'string' && /^https?:\/\//.test(url) && URL.canParse(url)
  if (!isHttp)
    throw new OptionsInvalid('patroni.url', 'is no http:// or https:// URL; expected such as "http://10.0.0.1:8008"')
  return new URL('/cluster', url)
}

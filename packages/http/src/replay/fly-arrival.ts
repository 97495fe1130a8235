import { parseHeaderPairs } from './header-pairs.ts'
import type { Arrival } from './replay-target.ts'

/** Fly sets at least one of these on every request that passes its proxy. */
const FLY_HEADERS = ['fly-request-id', 'fly-client-ip', 'fly-region', 'fly-replay-src', 'fly-forwarded-port'] as const

/**
 * What a request says about how Fly's proxy brought it here.
 *
 * Few requests are asked everything, and a header is not free to look up. A class, because V8 makes a hidden class for each object
 * whose getters are closures, and through it keeps the whole request beyond its end.
 */
export class FlyArrival implements Arrival {
  readonly state: string | undefined
  readonly hasFailed: boolean
  readonly failedAfterMillis: number | undefined
  /** In an object of its own: V8 keeps what holds a function of its own request in a field until the old ones are collected. */
  readonly #request: { readonly header: (name: string) => string | undefined }

  /** `machine`: this one's id, where it has one. */
  constructor(header: (name: string) => string | undefined, machine: string | undefined) {
    this.#request = { header }
    const failure = parseHeaderPairs(header('fly-replay-failed'))
    const isOwn = machine === undefined || failure?.get('replay_source') === machine
    const took = isOwn ? (failure?.get('elapsed_ms') ?? '') : ''
    this.state = stateIn(header('fly-replay-src'))
    // Nobody signs this header. A client that forges it only gets its own writes refused with 503.
    this.hasFailed = failure !== undefined && /^[a-z_]{1,64}$/.test(failure.get('reason') ?? '')
    this.failedAfterMillis = /^\d{1,7}$/.test(took) ? Number(took) : undefined
  }

  get isCached(): true | undefined {
    return this.#request.header('fly-replay-cache-status') === 'hit' ? true : undefined
  }

  get isBehindProxy(): boolean {
    return FLY_HEADERS.some((name) => this.#request.header(name) !== undefined)
  }
}

/** What does not parse, as two headers folded into one, may still show that the request was replayed: P4 needs no more. */
function stateIn(source: string | undefined): string | undefined {
  if (source === undefined) return undefined
  const pairs = parseHeaderPairs(source)
  return pairs === undefined ? /state="?(hw\d{1,3}\.[\w.-]{1,256})/.exec(source)?.[1] : pairs.get('state')
}

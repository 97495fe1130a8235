import { OptionsInvalid, parseRegion, parseSecrets, type Seen, type Topology } from '@headwater/core'
import { type FlyReplayOptions, flyReplay } from './replay/fly-replay.ts'
import type { ReplayTarget } from './replay/replay-target.ts'
import type { RequestFacts } from './request/request-facts.ts'
import { routeNameOf } from './request/route-name.ts'
import { resolveTokenCarriers, type TokenCarrierOptions, type TokenCarriers } from './token/token-options.ts'

/** The smallest subset of a `RoutedPool`. */
export interface PoolOfApp {
  /** Where this instance stands, asked anew for every request. */
  readonly topology: Topology
  /** Whether every replica of the app is known to have all of this; without it, nobody knows. */
  hasEveryReplica?(seen: Seen): boolean
}

/** What an app says of a request: replay it before any work, or try it here first. */
export type EarlyReplay = 'always' | 'never'

/** What `headwater()` takes, in every framework. */
export interface HeadwaterOptions extends FlyReplayOptions {
  /** A `RoutedPool`. */
  readonly pool: PoolOfApp
  /**
   * Signs tokens and the state of a replay, so that a client cannot forge one; the same in every region, 16 characters or more.
   * Of several, the first signs and all verify: put a new one in front, and take the old one out a minute later.
   * Default: the environment variable HEADWATER_SECRET.
   */
  readonly secret?: string | readonly string[] | undefined
  /** The largest body that the proxy can replay, in bytes; default 1,048,576, the lower of Fly's two documented limits. */
  readonly bodyLimit?: number | undefined
  /**
   * Which requests are replayed before any work (P5). Default `true`: those with an unsafe method (POST, PUT, PATCH, DELETE and
   * what else is not safe by RFC 9110), and those of routes that were seen to write. `false`: none, every write is tried here first.
   *
   * A function says it by request, away from home only: `always`, also a body of unknown length; `never`, such as a POST that
   * mostly reads, which is then replayed when it meets a write; `undefined`, as by default.
   */
  readonly earlyReplay?: boolean | ((request: RequestFacts) => EarlyReplay | undefined) | undefined
  /**
   * Names the route of a request with a safe method, for its record (P5); the method is added. Default: the path with numbers,
   * UUIDs and other variable segments as `:id`. For GraphQL by GET and the like, name the operation.
   */
  readonly route?: ((request: RequestFacts) => string) | undefined
  /** Which requests get no scope at all, as if outside a request: health checks, metrics. Default none. */
  readonly exempt?: ((request: RequestFacts) => boolean) | undefined
  /** What a 503 says in `Retry-After`, in seconds; default 1. */
  readonly retryAfter?: number | undefined
  /** Who replays (P9); default `flyReplay({ timeout, fallback })`. */
  readonly target?: ReplayTarget | undefined
  /**
   * How a client carries what it has seen, so that it reads its own writes (F1): by default a cookie and a header, for a
   * minute. `false`: not at all, and every request starts anew.
   */
  readonly token?: false | TokenCarrierOptions | undefined
}

/** The same, checked and complete. */
export interface ResolvedOptions {
  readonly pool: PoolOfApp
  readonly secrets: readonly string[]
  readonly bodyLimit: number
  /** What the app says of a request; `undefined`: its method and its route's record decide. */
  readonly earlyReplay: (request: RequestFacts) => EarlyReplay | undefined
  readonly route: (request: RequestFacts) => string
  readonly exempt: (request: RequestFacts) => boolean
  readonly retryAfter: number
  readonly target: ReplayTarget
  /** `undefined`: nothing carries tokens. */
  readonly token: TokenCarriers | undefined
}

/**
 * Checks the options once.
 *
 * @throws {OptionsInvalid} that says which option, what was expected and what to do. Never shows a secret.
 */
export function resolveOptions(options: HeadwaterOptions): ResolvedOptions {
  const { HEADWATER_SECRET } = process.env
  return Object.freeze({
    pool: checkPool(options?.pool),
    secrets: parseSecrets(options.secret ?? HEADWATER_SECRET),
    bodyLimit: integer('bodyLimit', options.bodyLimit ?? 1_048_576, 'bytes'),
    earlyReplay: earlyReplayOf(options.earlyReplay ?? true),
    route: checkType('route', options.route ?? ((request: RequestFacts) => routeNameOf(request.url)), 'function'),
    exempt: checkType('exempt', options.exempt ?? (() => false), 'function'),
    retryAfter: integer('retryAfter', options.retryAfter ?? 1, 'seconds'),
    target: targetOf(options),
    token: resolveTokenCarriers(options.token),
  })
}

function checkPool(pool: PoolOfApp | undefined): PoolOfApp {
  const topology = pool?.topology
  if (pool === undefined || topology === null || typeof topology !== 'object') {
    throw new OptionsInvalid('pool', 'expected a RoutedPool (anything with a `topology`); pass the pool of your app')
  }
  if (pool.hasEveryReplica !== undefined) checkType('pool.hasEveryReplica', pool.hasEveryReplica, 'function')
  // Region names go into a header.
  if (topology.region !== undefined) parseRegion('pool.topology.region', topology.region)
  if (topology.primaryRegion !== undefined) parseRegion('pool.topology.primaryRegion', topology.primaryRegion)
  return pool
}

function earlyReplayOf(option: unknown): ResolvedOptions['earlyReplay'] {
  if (option === true) return () => undefined
  if (option === false) return () => 'never'
  if (typeof option !== 'function') {
    throw new OptionsInvalid('earlyReplay', `expected a boolean or a function of the request, got ${typeof option}`)
  }
  return (request) => {
    const said: unknown = option(request)
    if (said === undefined || said === 'always' || said === 'never') return said
    throw new OptionsInvalid(
      'earlyReplay',
      "its function must give 'always', 'never' or undefined, and gave another value",
    )
  }
}

function targetOf(options: HeadwaterOptions): ReplayTarget {
  const { target, timeout, fallback } = options
  if (target === undefined) return flyReplay({ timeout, fallback })
  if (timeout !== undefined || fallback !== undefined) {
    throw new OptionsInvalid(
      'target',
      'excludes `timeout` and `fallback`: give those to the target, flyReplay({ timeout })',
    )
  }
  if (typeof target.answer !== 'function' || typeof target.arrival !== 'function') {
    throw new OptionsInvalid('target', 'expected an object with `answer` and `arrival`, such as flyReplay()')
  }
  return target
}

function integer(option: string, value: unknown, unit: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw new OptionsInvalid(option, `${String(value)} is not a number of ${unit}; expected 0 or more, no fraction`)
}

function checkType<Value>(option: string, value: Value, type: 'boolean' | 'function'): Value {
  if (typeof value === type) return value
  throw new OptionsInvalid(option, `expected a ${type}, got ${typeof value}`)
}

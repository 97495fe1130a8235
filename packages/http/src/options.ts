import { randomBytes } from 'node:crypto'
import { type Logger, OptionsInvalid, type Topology } from '@headwater/core'
import { parseLogger, parseRegion, parseSecrets, type ReadPosition, warn } from '@headwater/core/internal'
import { FLY_REPLAY, type FlyReplayOptions, flyReplay } from './replay/fly-replay.ts'
import type { ReplayTarget } from './replay/replay-target.ts'
import type { RequestFacts } from './request/request-facts.ts'
import { routeNameOf } from './request/route-name.ts'
import { resolveTokenCarriers, type TokenCarrierOptions, type TokenCarriers } from './token/token-options.ts'

/** The smallest subset of a `RoutedPool` that the middleware needs. */
export interface PoolOfApp {
  /** Where this instance runs and where the primary is. Read again for every request. */
  readonly topology: Topology
  /** Who is told of warnings, unless the option `logger` says otherwise. */
  readonly logger?: Logger | false | undefined
  /** Whether every replica of the app is known to have all of `seen`. Without this method, nobody knows. */
  hasEveryReplica?(seen: ReadPosition): boolean
  /**
   * The primary's position, if it is known and the primary was asked at `time` or later, in ms of the wall clock; if not, the pool
   * finds it out for later calls. Without this method, nobody knows.
   */
  positionSince?(time: number): ReadPosition | undefined
  /** Hears of a timeline by the signed state of a replay; `cluster` is in decimal digits. Without this method, nobody does. */
  hear?(known: { readonly cluster: string | undefined; readonly timeline: number }): void
  /**
   * Resolves once a server is known to be the primary, or when none came in time. Without this method a request that was replayed to
   * here does not wait for one before its handler.
   */
  untilPrimaryIsKnown?(): Promise<void>
}

/** What the app says about a request: replay it before any work, or run it here first. */
export type EarlyReplay = 'always' | 'never'

/** Which answers of the app give way to the status of a refusal: its errors (500 and above), all of them, or none. */
export type Refusals = 'errors' | 'always' | 'never'

/**
 * The options of `headwater()`, the same in every framework.
 *
 * @example
 * headwater({
 *   pool,
 *   skip: ({ url }) => url === '/healthz',
 *   earlyReplay: ({ url }) => (url.startsWith('/search') ? 'never' : undefined),
 * })
 */
export interface HeadwaterOptions extends FlyReplayOptions {
  /** Your `RoutedPool`. */
  readonly pool: PoolOfApp
  /**
   * Seals tokens and signs the state of a replay, so that a client can neither make one nor read a token. Use the same secret in every region, with
   * 16 characters or more. With several, the first one is used and all of them are tried. To rotate: put the new secret in
   * front, and remove the old one a minute later.
   *
   * @default process.env.HEADWATER_SECRET; where no region is named (development, unit tests), a random one of this process
   */
  readonly secret?: string | readonly string[] | undefined
  /**
   * The largest body that can be replayed, in bytes. The default is the lower of Fly's two documented limits, 1 MB, read as 10⁶: Fly
   * does not say which megabyte it means.
   *
   * @default 1_000_000
   */
  readonly bodyLimitBytes?: number | undefined
  /**
   * What becomes of a write in a request whose body is larger than that, away from home. `refuse`: it gets 413, with the
   * request headers that lead to the primary's region. `direct`: the request runs as outside a request, so its writes go
   * over the network to the primary (as `writesOutsideRequest` of the pool says).
   *
   * @default 'refuse'
   */
  readonly tooLarge?: 'refuse' | 'direct' | undefined
  /**
   * Which answers of the app get the status of a refusal (P10): 503 with `Retry-After`, or 413, and `no-store`. The body stays the
   * app's. `errors`: those with 500 and above; so an app that catches a refusal and answers it by itself has its say.
   * `always`: all of them, where errors hide in a 200 (GraphQL). `never`: none. A function decides per request; `undefined` is `errors`.
   *
   * @default 'errors'
   */
  readonly refusals?: Refusals | ((request: RequestFacts) => Refusals | undefined) | undefined
  /**
   * Whether an error that the app did not catch means that the request needs the primary: those of clients other than `pool`.
   * `needsPrimary` of `@headwater/core` knows what a standby says. In Express, `replayErrorHandler()` has to be in use.
   *
   * @default undefined (no error does)
   */
  readonly replayOn?: ((error: unknown) => boolean) | undefined
  /**
   * Which requests are replayed before any work (P5).
   *
   * `true`: requests with an unsafe method (POST, PUT, PATCH, DELETE, and every other method that RFC 9110 does not call
   * safe), and requests of routes that wrote before. `false`: none; every write runs here first.
   *
   * A function decides per request, and is asked away from home only. `always` includes bodies of unknown length. `never`
   * runs the request here; if it meets a write, it is replayed then. `undefined` decides as `true` does.
   *
   * @default true
   */
  readonly earlyReplay?: boolean | ((request: RequestFacts) => EarlyReplay | undefined) | undefined
  /**
   * Names the route of a request with a safe method, for the record of routes that write (P5). The method is added. Name
   * the operation where one path serves many, as GraphQL over GET does. The default is the framework's own pattern where it can be
   * found before the handler (Hono, Express, `@koa/router`); elsewhere the path, with `:id` in place of numbers, UUIDs and other variable segments.
   */
  readonly route?: ((request: RequestFacts) => string) | undefined
  /**
   * Which requests run without a scope, as if outside a request: health checks, metrics. The default skips none.
   *
   * @example skip: ({ url }) => url.startsWith('/health')
   */
  readonly skip?: ((request: RequestFacts) => boolean) | undefined
  /**
   * What a 503 says in `Retry-After`, in seconds.
   *
   * @default 1
   */
  readonly retryAfterSeconds?: number | undefined
  /** How a request gets to the primary's region (P9). The default is `flyReplay({ timeoutMillis, fallback })`. */
  readonly replayTarget?: ReplayTarget | undefined
  /**
   * How a client carries what it has seen, so that it reads its own writes (F1). The default is a cookie and a header,
   * valid for a minute. `false`: nothing is carried, and every request starts anew.
   */
  readonly token?: false | TokenCarrierOptions | undefined
  /**
   * Whether each answer says in `Server-Timing` where it was made: this region, each server that its statements went to before the
   * head was sent, with the reason, their number and how long they waited, and whether the request was replayed, and why. For
   * development, and to look into one instance: everybody who asks reads it. It holds no SQL text, no address and no token.
   *
   * @default false
   */
  readonly serverTiming?: boolean | undefined
  /**
   * Who is told of warnings: each kind once (docs/warnings.md). `console`, a logger of pino, or anything with `info` and `warn`;
   * `false`: nobody.
   *
   * @default the pool's
   */
  readonly logger?: Logger | false | undefined
}

/** The options, checked and complete. */
export interface ResolvedOptions {
  readonly pool: PoolOfApp
  readonly secrets: readonly string[]
  readonly bodyLimitBytes: number
  readonly tooLarge: 'refuse' | 'direct'
  readonly refusals: (request: RequestFacts) => Refusals
  /** `undefined`: no error means that the primary is needed. */
  readonly replayOn: ((error: unknown) => boolean) | undefined
  /** What the app says about a request; `undefined`: its method and its route's record decide. */
  readonly earlyReplay: (request: RequestFacts) => EarlyReplay | undefined
  readonly route: (request: RequestFacts) => string
  readonly skip: (request: RequestFacts) => boolean
  readonly retryAfterSeconds: number
  readonly replayTarget: ReplayTarget
  /** `undefined`: nothing carries tokens. */
  readonly token: TokenCarriers | undefined
  readonly serverTiming: boolean
  readonly logger: Logger | false | undefined
}

/**
 * Checks the options, once per app.
 *
 * @throws {OptionsInvalid} naming the option, what was expected and what to do. The message never shows a secret.
 */
export function resolveOptions(options: HeadwaterOptions): ResolvedOptions {
  const pool = checkPool(options?.pool)
  const logger = parseLogger(options.logger) ?? pool.logger
  const resolved: ResolvedOptions = Object.freeze({
    pool,
    secrets: resolveSecrets(options.secret ?? process.env['HEADWATER_SECRET'], pool.topology, logger),
    bodyLimitBytes: checkWhole('bodyLimitBytes', options.bodyLimitBytes ?? FLY_LIMIT_BYTES, 'bytes'),
    tooLarge: checkOneOf('tooLarge', options.tooLarge ?? 'refuse', ['refuse', 'direct']),
    refusals: resolveRefusals(options.refusals),
    replayOn: options.replayOn === undefined ? undefined : checkType('replayOn', options.replayOn, 'function'),
    earlyReplay: resolveEarlyReplay(options.earlyReplay ?? true),
    route: checkType('route', options.route ?? routeOf, 'function'),
    skip: checkType('skip', options.skip ?? (() => false), 'function'),
    retryAfterSeconds: checkWhole('retryAfterSeconds', options.retryAfterSeconds ?? 1, 'seconds'),
    replayTarget: resolveReplayTarget(options),
    token: resolveTokenCarriers(options.token, logger),
    serverTiming: checkType('serverTiming', options.serverTiming ?? false, 'boolean'),
    logger,
  })
  warnOfBodyLimit(resolved)
  return resolved
}

/** Without regions nothing is replayed, and development needs no secret: one of this process will do. */
function resolveSecrets(
  secret: HeadwaterOptions['secret'],
  { region, primaryRegion, hasReplica }: Topology,
  logger: Logger | false | undefined,
): readonly string[] {
  const isMissing = secret === undefined || secret === ''
  if (!isMissing || region !== undefined || primaryRegion !== undefined) return parseSecrets(secret)
  if (hasReplica) warn('HEADWATER_NO_SECRET', {}, { logger })
  return Object.freeze([randomBytes(32).toString('base64')])
}

/** What Fly's proxy can replay. Source: fly.io/docs/networking/dynamic-request-routing, "1 MB"; which MB nobody says, so the lower one. */
const FLY_LIMIT_BYTES = 1_000_000

function warnOfBodyLimit({ replayTarget, bodyLimitBytes, logger }: ResolvedOptions): void {
  if (replayTarget.name !== FLY_REPLAY || bodyLimitBytes <= FLY_LIMIT_BYTES) return
  warn('HEADWATER_BODY_LIMITS', { limit: bodyLimitBytes, proxyLimit: FLY_LIMIT_BYTES }, { logger })
}

/** The pattern of the framework is exact: a path with a slug in it looks like a route of its own. */
function routeOf(request: RequestFacts): string {
  return request.pattern?.() ?? routeNameOf(request.url)
}

function checkPool(pool: PoolOfApp | undefined): PoolOfApp {
  const topology = pool?.topology
  if (pool === undefined || topology === null || typeof topology !== 'object') {
    throw new OptionsInvalid('pool', 'expected a RoutedPool (anything with a `topology`); pass the pool of your app')
  }
  if (pool.hasEveryReplica !== undefined) checkType('pool.hasEveryReplica', pool.hasEveryReplica, 'function')
  if (pool.positionSince !== undefined) checkType('pool.positionSince', pool.positionSince, 'function')
  if (pool.hear !== undefined) checkType('pool.hear', pool.hear, 'function')
  if (pool.untilPrimaryIsKnown !== undefined) {
    checkType('pool.untilPrimaryIsKnown', pool.untilPrimaryIsKnown, 'function')
  }
  // Region names go into a header.
  if (topology.region !== undefined) parseRegion('pool.topology.region', topology.region)
  if (topology.primaryRegion !== undefined) parseRegion('pool.topology.primaryRegion', topology.primaryRegion)
  return pool
}

function resolveEarlyReplay(option: unknown): ResolvedOptions['earlyReplay'] {
  if (option === true) return () => undefined
  if (option === false) return () => 'never'
  if (typeof option !== 'function') {
    throw new OptionsInvalid('earlyReplay', `expected a boolean or a function of the request, got ${typeof option}`)
  }
  return (request) => {
    const said: unknown = option(request)
    if (said === undefined || said === 'always' || said === 'never') return said
    throw new OptionsInvalid('earlyReplay', "its function returned another value than 'always', 'never' or undefined")
  }
}

function resolveRefusals(option: HeadwaterOptions['refusals'] = 'errors'): ResolvedOptions['refusals'] {
  const check = (said: Refusals) => checkOneOf('refusals', said, ['errors', 'always', 'never'])
  if (typeof option === 'function') return (request) => check(option(request) ?? 'errors')
  const always = check(option)
  return () => always
}

function resolveReplayTarget(options: HeadwaterOptions): ReplayTarget {
  const { replayTarget, timeoutMillis, fallback } = options
  if (replayTarget === undefined) return flyReplay({ timeoutMillis, fallback })
  if (timeoutMillis !== undefined || fallback !== undefined) {
    throw new OptionsInvalid(
      'replayTarget',
      'excludes `timeoutMillis` and `fallback`; give those to the target: flyReplay({ timeoutMillis })',
    )
  }
  const { answer, connect, arrival } = replayTarget
  const isOneOfBoth = (typeof answer === 'function') !== (typeof connect === 'function')
  if (!isOneOfBoth || typeof arrival !== 'function') {
    throw new OptionsInvalid(
      'replayTarget',
      'expected an object with `arrival`, and either `answer` or `connect`, such as flyReplay() or forward({ regions })',
    )
  }
  if (replayTarget.steer !== undefined) checkType('replayTarget.steer', replayTarget.steer, 'function')
  return replayTarget
}

function checkWhole(option: string, value: unknown, unit: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw new OptionsInvalid(option, `${String(value)} is not a number of ${unit}; expected 0 or more, no fraction`)
}

function checkOneOf<Value extends string>(option: string, value: Value, allowed: readonly Value[]): Value {
  if (allowed.includes(value)) return value
  throw new OptionsInvalid(option, `${JSON.stringify(value)} is unknown; expected ${allowed.join(', ')}`)
}

function checkType<Value>(option: string, value: Value, type: 'boolean' | 'function'): Value {
  if (typeof value === type) return value
  throw new OptionsInvalid(option, `expected a ${type}, got ${typeof value}`)
}

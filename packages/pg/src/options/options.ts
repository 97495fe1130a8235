import { type Consistency, type Logger, OptionsInvalid } from '@headwater/core'
import { type Access, parseConsistency, parseLogger, type Routing } from '@headwater/core/internal'
import type { PoolConfig } from 'pg'
import { type CatalogOptions, type ResolvedCatalog, resolveCatalog } from './catalog-options.ts'
import type { Environment } from './environment.ts'
import { type FreshnessOptions, type ResolvedFreshness, resolveFreshness } from './freshness-options.ts'
import type { LaneOptions } from './lane-options.ts'
import type { PoolerOptions } from './pooler-options.ts'
import { type PrepareOptions, type ResolvedPrepare, resolvePrepare } from './prepare-options.ts'
import { type ReadOptions, type ResolvedReads, resolveReads } from './read-options.ts'
import { resolveRegion, withHidden } from './resolve-node.ts'
import { hasSeveralServers, type ResolvedServers, resolveServers } from './resolve-servers.ts'
import type { ServersByAddress, ServersByRole } from './server-options.ts'
import { checkTruth, type Truth, type TruthOptions } from './truth-options.ts'

/**
 * Options of `RoutedPool`.
 *
 * Options of pg's own pool (`max`, `ssl`, `password` …) may stand at the top level and then hold for every server. `host`,
 * `port` and `connectionString` at the top level are the primary's.
 */
export interface RoutedPoolOptions extends CommonOptions, ServersByRole {}

/** The same, with servers whose roles are found by asking. */
export interface ServerPoolOptions
  extends Omit<CommonOptions, 'connectionString' | 'host' | 'port'>,
    ServersByAddress {}

/** What holds for both. */
export interface CommonOptions extends PoolConfig, FreshnessOptions, ReadOptions, TruthOptions, PoolerOptions {
  /**
   * The region that this process runs in. Without one the process counts as being in the primary's region.
   *
   * @default FLY_REGION
   */
  readonly region?: string | undefined
  /**
   * When a local replica is read (R8): `automatic` reads it whenever it is safe, `opt-in` only inside `withReplica()`.
   *
   * @default 'automatic'
   */
  readonly routing?: Routing | undefined
  /**
   * How fresh reads are, unless `withConsistency()` or a scope says otherwise. `bounded` needs `maxLag`.
   *
   * @default 'session'
   */
  readonly consistency?: Consistency | undefined
  /**
   * When `pool.connect()` opens a connection. `lazy` leaves it to the client's first statement, which shows where it belongs, so
   * `connect()` never fails. `eager` opens at once and fails as pg does, for health checks and loops that wait for the database: at
   * home at the primary, away at a replica next door or else at the primary, inside `withPrimary()` at the primary.
   *
   * @default 'lazy'
   */
  readonly connect?: 'lazy' | 'eager' | undefined
  /**
   * What to do with a write outside a request when the primary is in another region (P6): `direct` sends it there, `throw` rejects
   * it with `ReplayImpossible`.
   *
   * @default 'direct'
   */
  readonly writesOutsideRequest?: 'direct' | 'throw' | undefined
  /**
   * Who is told: one line when the first connections are made and when the primary changes (in a pool with regions or replicas), and one
   * warning for each kind and server (docs/warnings.md). `console`, a logger of pino, or anything with `info` and `warn`; `false`: nobody.
   *
   * @default the line goes to standard error, warnings to `process.emitWarning`
   */
  readonly logger?: Logger | false | undefined
  /**
   * A server that gives no answer for this time, in ms, is suspect; for twice this time it is down: its connections are closed, and
   * what hangs on them goes elsewhere (X3). 50 to 60000.
   *
   * @default 1_000
   */
  readonly suspectAfterMillis?: number | undefined
  /**
   * How long what needs the primary waits while no server is known to be it, in ms; 0 fails at once (X9).
   *
   * @default 5_000
   */
  readonly promotionWaitMillis?: number | undefined
  /**
   * Whether a leased client finds out the number of each transaction that writes, so that `OutcomeUnknown.resolve()` can ask what became
   * of it (X6). It comes with BEGIN when the first statement is a write; a transaction that reads first asks before its COMMIT,
   * one round trip more. Each connection asks one question at its first transaction.
   *
   * @default false
   */
  readonly trackCommits?: boolean | undefined
  /**
   * Whether texts that come back are prepared by themselves, per connection (S1). Answers are the same. It is off by itself where a pooler
   * shares sessions, for texts of several statements or over 8,192 characters, and for queries that send themselves. A query's own
   * `prepare: false` sends that one as pg does.
   *
   * @default true
   */
  readonly prepare?: boolean | PrepareOptions | undefined
  /**
   * Whether small hot reads of `pool.query` share a few connections of each server, several in one write (S4). Only prepared texts that
   * read and were measured fast; never in a transaction or a lease, never a write, never behind a read that is slow. Answers and errors
   * are the same. It is off by itself where statements are not prepared, and with node-postgres before 8.23: `status()` says so.
   *
   * @default false
   */
  readonly lanes?: boolean | LaneOptions | undefined
  /**
   * Whether to read the database's catalog, in the background from the first statement on, to learn which functions and
   * views only read and which write. Without it a statement that uses one goes to the primary, unless `functions` says what it
   * does.
   *
   * @default true with replicas, else false
   */
  readonly catalog?: boolean | CatalogOptions | undefined
  /**
   * What functions and views do, by name or `schema.name`, spelled as Postgres folds it. It overrides the catalog. `unknown`
   * tries a replica first, and goes to the primary when that refuses.
   *
   * A function that catches the replica's error would lose its write silently: declare it `write`.
   *
   * @default {}
   * @example
   * ```ts
   * new RoutedPool({ functions: { 'audit.touch': 'write' } })
   * ```
   */
  readonly functions?: Readonly<Record<string, Access>> | undefined
}

/** What the pool runs on: checked and complete. */
export interface ResolvedOptions extends ResolvedServers {
  readonly region: string | undefined
  readonly routing: Routing
  readonly consistency: Consistency
  readonly freshness: ResolvedFreshness
  readonly reads: ResolvedReads
  readonly writesOutsideRequest: 'direct' | 'throw'
  /** Whether the app has not said that its writes outside requests may cross. */
  readonly warnsOfDirectWrites: boolean
  readonly logger: Logger | false | undefined
  readonly suspectAfterMillis: number
  readonly promotionWaitMillis: number
  readonly connect: 'lazy' | 'eager'
  readonly trackCommits: boolean
  /** What sessions prepare by themselves; `undefined` for nothing. */
  readonly prepare: ResolvedPrepare | undefined
  readonly catalog: ResolvedCatalog
  readonly truth: Truth | undefined
}

const ROUTINGS: Readonly<Record<Routing, true>> = { automatic: true, 'opt-in': true }

/**
 * Checks the options and fills in the defaults.
 *
 * @throws {OptionsInvalid} naming the option, what was expected, and what to do.
 */
export function resolveOptions(
  options: RoutedPoolOptions | ServerPoolOptions,
  environment: Environment,
): ResolvedOptions {
  const {
    region: ownRegion,
    primary: _primary,
    replicas: _replicas,
    servers: _servers,
    truth,
    routing = 'automatic',
    consistency,
    writesOutsideRequest = 'direct',
    logger,
    suspectAfterMillis = 1_000,
    promotionWaitMillis = 5_000,
    connect = 'lazy',
    trackCommits = false,
    prepare,
    lanes,
    catalog,
    functions,
    maxWaitMillis,
    maxLag,
    allLate,
    lateLimit,
    choice,
    readsElsewhere,
    primaryReads,
    primaryTables,
    onPrimaryUnreachable,
    replicasComplete,
    warnOnStaleReads,
    ...rest
  } = options
  const shared = withHidden(rest, options)
  if (!Object.hasOwn(ROUTINGS, routing)) {
    throw new OptionsInvalid('routing', `${JSON.stringify(routing)} is unknown; expected "automatic" or "opt-in"`)
  }
  if (writesOutsideRequest !== 'direct' && writesOutsideRequest !== 'throw') {
    throw new OptionsInvalid(
      'writesOutsideRequest',
      `${JSON.stringify(writesOutsideRequest)} is unknown; expected "direct" or "throw"`,
    )
  }
  if (connect !== 'lazy' && connect !== 'eager') {
    throw new OptionsInvalid('connect', `${JSON.stringify(connect)} is unknown; expected "lazy" or "eager"`)
  }
  if (typeof trackCommits !== 'boolean') {
    throw new OptionsInvalid('trackCommits', `${JSON.stringify(trackCommits)} is unknown; expected true or false`)
  }
  const region = resolveRegion('region', ownRegion ?? environment['FLY_REGION'])
  const fleet = resolveServers(options, shared, environment, region)
  return Object.freeze({
    region,
    routing,
    consistency: parseConsistency('consistency', consistency) ?? 'session',
    freshness: resolveFreshnessFor(
      {
        maxWaitMillis,
        maxLag,
        allLate,
        lateLimit,
        primaryTables,
        onPrimaryUnreachable,
        replicasComplete,
        warnOnStaleReads,
      },
      consistency,
      environment['NODE_ENV'] === 'development',
    ),
    reads: resolveReads({ choice, readsElsewhere, primaryReads }),
    writesOutsideRequest,
    warnsOfDirectWrites: options.writesOutsideRequest === undefined,
    logger: parseLogger(logger),
    suspectAfterMillis: parseMillis('suspectAfterMillis', suspectAfterMillis, 50, 60_000),
    promotionWaitMillis: parseMillis('promotionWaitMillis', promotionWaitMillis, 0, 600_000),
    connect,
    trackCommits,
    prepare: resolvePrepare(prepare, lanes),
    catalog: resolveCatalog(catalog, functions, hasSeveralServers(fleet)),
    truth: checkTruth(truth),
    ...fleet,
  })
}

function resolveFreshnessFor(
  options: FreshnessOptions,
  consistency: Consistency | undefined,
  isDevelopment: boolean,
): ResolvedFreshness {
  const freshness = resolveFreshness(options, isDevelopment)
  if (consistency === 'bounded' && freshness.maxLag === undefined) {
    throw new OptionsInvalid('consistency', '"bounded" needs a bound; give maxLag too, such as { millis: 5000 }')
  }
  return freshness
}

function parseMillis(option: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value
  throw new OptionsInvalid(
    option,
    `${String(value)} is not a valid time; expected ${least} to ${most} milliseconds, no fraction`,
  )
}

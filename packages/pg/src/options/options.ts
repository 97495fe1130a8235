import { type Consistency, type Logger, OptionsInvalid } from '@headwater/core'
import {
  type Access,
  type EndpointTraits,
  type Finding,
  LOAD_BALANCER,
  ONE_SERVER,
  parseConsistency,
  parseLogger,
  parseRegion,
  type Routing,
} from '@headwater/core/internal'
import type { PoolConfig } from 'pg'
import { type CatalogOptions, type ResolvedCatalog, resolveCatalog } from './catalog-options.ts'
import type { Environment } from './environment.ts'
import { flyReplicaUrl } from './fly-replica-url.ts'
import { type FreshnessOptions, type ResolvedFreshness, resolveFreshness } from './freshness-options.ts'
import { checkLocation, checkScheme, hasLocation } from './location.ts'
import {
  type ReadOptions,
  type ReplicaShare,
  type ResolvedReads,
  type ResolvedShare,
  resolveReads,
  resolveShare,
  resolveStandIns,
  WHOLE_SHARE,
} from './read-options.ts'
import { gapsIn } from './wiring-gaps.ts'

/** One Postgres server: the options of pg's own pool, and the region. */
export interface NodeOptions extends PoolConfig {
  /**
   * The region that the server runs in, such as `ams`.
   *
   * @default the primary: PRIMARY_REGION; a replica: read from every region
   */
  readonly region?: string | undefined
  /**
   * The regions whose instances stand in for those of this server's region while it is the primary, nearest first: a replay names
   * them too, and an instance there that it reaches writes over the network (X8).
   *
   * @default []
   */
  readonly standIns?: readonly string[] | undefined
}

/** One replica. */
export interface ReplicaOptions extends NodeOptions, ReplicaShare {
  /**
   * What the address leads to. `server` is one server. With `load-balancer` (a reader endpoint) each connection may lead to
   * another one, so a read that must be fresh asks its own connection first: one more round trip.
   *
   * @default 'server'
   */
  readonly endpoint?: 'server' | 'load-balancer' | undefined
}

/**
 * Options of `RoutedPool`.
 *
 * Options of pg's own pool (`max`, `ssl`, `password` …) may stand at the top level and then hold for every server. `host`,
 * `port` and `connectionString` at the top level are the primary's.
 */
export interface RoutedPoolOptions extends PoolConfig, FreshnessOptions, ReadOptions {
  /**
   * The region that this process runs in. Without one the process counts as being in the primary's region.
   *
   * @default FLY_REGION
   */
  readonly region?: string | undefined
  /**
   * The server that accepts writes.
   *
   * @default PRIMARY_REGION and DATABASE_URL
   */
  readonly primary?: NodeOptions | undefined
  /**
   * The streaming replicas. The local ones are read: those in this process's region, and those that name no region; those of other
   * regions when no local one can be (`readsElsewhere`). `[]` says that there are none.
   *
   * @default one in this region at DATABASE_REPLICA_URL; where that is not set, on Fly, away from the primary's region, the members of
   * Fly Postgres in this region, if DATABASE_URL leads to one
   */
  readonly replicas?: readonly ReplicaOptions[] | undefined
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
export interface ResolvedOptions {
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
  readonly catalog: ResolvedCatalog
  readonly primary: ResolvedNode
  readonly replicas: readonly ResolvedNode[]
  /** What the pool goes without, and should perhaps not: to warn of. */
  readonly gaps: readonly Finding[]
}

export interface ResolvedNode {
  readonly name: string
  /** What configures it: an option or a variable. */
  readonly origin: string
  readonly region: string | undefined
  readonly config: PoolConfig
  /** What is assumed of its address until it shows otherwise. */
  readonly traits: EndpointTraits
  /** Which reads it gets while it is a replica. */
  readonly share: ResolvedShare
  /** The regions that stand in for its own while it is the primary. */
  readonly standIns: readonly string[]
}

const ROUTINGS: Readonly<Record<Routing, true>> = { automatic: true, 'opt-in': true }

/**
 * Checks the options and fills in the defaults.
 *
 * @throws {OptionsInvalid} naming the option, what was expected, and what to do.
 */
export function resolveOptions(options: RoutedPoolOptions, environment: Environment): ResolvedOptions {
  const {
    region: ownRegion,
    primary,
    replicas,
    routing = 'automatic',
    consistency,
    writesOutsideRequest = 'direct',
    logger,
    suspectAfterMillis = 1_000,
    promotionWaitMillis = 5_000,
    connect = 'lazy',
    trackCommits = false,
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
  const primaryRegion = resolveRegion('primary.region', primary?.region ?? environment['PRIMARY_REGION'])
  const primaryConfig: PoolConfig = { ...shared, ...withHidden(primary ?? {}, primary ?? {}) }
  const isAttached = !hasLocation(primaryConfig) && hasText(environment['DATABASE_URL'])
  if (isAttached) primaryConfig.connectionString = environment['DATABASE_URL']
  const isAway = region !== undefined && primaryRegion !== undefined && region !== primaryRegion
  const given = replicas ?? replicasIn(environment, region, isAway ? primaryConfig.connectionString : undefined)
  const resolvedReplicas = resolveReplicas(given, shared, replicas === undefined ? originIn(environment) : undefined)
  if (region !== undefined && primaryRegion === undefined && resolvedReplicas.length > 0) {
    throw new OptionsInvalid(
      'primary.region',
      `is missing although this process is in ${JSON.stringify(region)} and has replicas; set it, or PRIMARY_REGION, to the region of the server that accepts writes`,
    )
  }
  checkLocation(primaryConfig, environment, region ?? primaryRegion)
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
    catalog: resolveCatalog(catalog, functions, resolvedReplicas.length > 0),
    primary: resolveNode('primary', isAttached ? 'DATABASE_URL' : 'primary', primaryRegion, primaryConfig),
    replicas: Object.freeze(resolvedReplicas),
    gaps: gapsIn({
      region,
      primaryRegion,
      hasReplicas: resolvedReplicas.length > 0,
      isExplicit: replicas !== undefined,
      environment,
    }),
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

/** The replicas that the environment knows of; `awayFrom` is the primary's URL when it is in another region. */
function replicasIn(
  { DATABASE_REPLICA_URL: url, DATABASE_URL: attached, FLY_REGION: flyRegion }: Environment,
  region: string | undefined,
  awayFrom: string | undefined,
): readonly ReplicaOptions[] {
  if (hasText(url)) return [{ region, connectionString: url }]
  if (awayFrom === undefined || awayFrom !== attached || flyRegion === undefined || flyRegion !== region) return []
  const connectionString = flyReplicaUrl(attached, flyRegion)
  // A region may have several members.
  return connectionString === undefined ? [] : [{ region, connectionString, endpoint: 'load-balancer' }]
}

/** Which variable the replica of `replicasIn()` comes from. */
function originIn({ DATABASE_REPLICA_URL: url }: Environment): string {
  return hasText(url) ? 'DATABASE_REPLICA_URL' : 'DATABASE_URL'
}

function hasText(value: string | undefined): value is string {
  return value !== undefined && value !== ''
}

/** `origin` is the variable that they come from; `undefined`: the option `replicas`. */
function resolveReplicas(
  given: readonly ReplicaOptions[],
  shared: PoolConfig,
  origin: string | undefined,
): ResolvedNode[] {
  if (!Array.isArray(given)) throw new OptionsInvalid('replicas', 'expected an array of { region, connectionString }')
  // A replica must not inherit the primary's address.
  const { connectionString: _url, host: _host, port: _port, ...common } = shared
  return given.map((replica: ReplicaOptions, index) => {
    const option = `replicas[${index}]`
    if (typeof replica !== 'object' || replica === null || !hasLocation(replica)) {
      throw new OptionsInvalid(option, 'names no server; give it a connectionString, or a host or port')
    }
    const { endpoint = 'server' } = replica
    if (endpoint !== 'server' && endpoint !== 'load-balancer') {
      throw new OptionsInvalid(
        `${option}.endpoint`,
        `${JSON.stringify(endpoint)} is unknown; expected "server" or "load-balancer"`,
      )
    }
    const config = { ...withHidden(common, shared), ...withHidden(replica, replica) }
    const replicaRegion = resolveRegion(`${option}.region`, replica.region)
    return resolveNode(
      `replica-${index}`,
      origin ?? option,
      replicaRegion,
      config,
      endpoint === 'load-balancer' ? LOAD_BALANCER : ONE_SERVER,
      resolveShare(option, replica),
    )
  })
}

function resolveNode(
  name: string,
  origin: string,
  region: string | undefined,
  config: PoolConfig,
  traits: EndpointTraits = ONE_SERVER,
  share: ResolvedShare = WHOLE_SHARE,
): ResolvedNode {
  const { region: _, endpoint: _e, weight: _w, group: _g, groupOnly: _o, standIns, ...own } = config as ReplicaOptions
  if ((own as { readonly pipeline?: unknown }).pipeline) {
    throw new OptionsInvalid(
      'pipeline',
      `is on for ${name}, and a leased client sends each query when the one before it was answered: it may go to another server. Leave it out, or use pg's own pool for what needs it`,
    )
  }
  checkScheme(isVariable(origin) ? origin : `${origin}.connectionString`, own.connectionString)
  return Object.freeze({
    name,
    origin,
    region,
    config: withHidden(own, config),
    traits,
    share,
    standIns: resolveStandIns(`${name}.standIns`, standIns),
  })
}

function parseMillis(option: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value
  throw new OptionsInvalid(
    option,
    `${String(value)} is not a valid time; expected ${least} to ${most} milliseconds, no fraction`,
  )
}

function resolveRegion(option: string, value: string | undefined): string | undefined {
  return value === undefined || value === '' ? undefined : parseRegion(option, value)
}

function isVariable(origin: string): boolean {
  return origin === origin.toUpperCase()
}

/** Copies options with their password: pg makes it non-enumerable on the options that it hands out, so a spread loses it. */
function withHidden<Config extends object>(copy: Config, original: PoolConfig): Config {
  return original.password === undefined ? { ...copy } : { ...copy, password: original.password }
}

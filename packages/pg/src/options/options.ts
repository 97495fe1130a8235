import { type Consistency, OptionsInvalid } from '@headwater/core'
import { type Access, parseConsistency, parseRegion, type Routing } from '@headwater/core/internal'
import type { PoolConfig } from 'pg'
import { type CatalogOptions, type ResolvedCatalog, resolveCatalog } from './catalog-options.ts'
import { type FreshnessOptions, type ResolvedFreshness, resolveFreshness } from './freshness-options.ts'

/** One Postgres server, in pg's own words plus its region. */
export interface NodeOptions extends PoolConfig {
  /** Where it runs, such as `ams`. */
  readonly region?: string | undefined
}

/** One replica. */
export interface ReplicaOptions extends NodeOptions {
  /**
   * `server`: one server. `balanced`: whatever a balancer hands out (a reader endpoint), where each connection may lead to
   * another server; a read whose client has seen something asks its own connection first, one more query. Default `server`.
   */
  readonly endpoint?: 'server' | 'load-balancer' | undefined
}

/**
 * Options of `RoutedPool`. What pg's own pool takes may stand on top too and then holds for every node; `host`, `port`
 * and `connectionString` on top are the primary's.
 */
export interface RoutedPoolOptions extends PoolConfig, FreshnessOptions {
  /** The region this process runs in. Default: `FLY_REGION`; without it the process is at home. */
  readonly region?: string | undefined
  /** The server that accepts writes. Defaults: `PRIMARY_REGION`, `DATABASE_URL`. */
  readonly primary?: NodeOptions | undefined
  /**
   * The streaming replicas. Only those of this process's own region are read from, and those that name no region.
   * Default: one in this region, from `DATABASE_REPLICA_URL`, when that is set.
   */
  readonly replicas?: readonly ReplicaOptions[] | undefined
  /**
   * How much is left to the router (R8). `automatic` reads from a local replica; `opt-in` does so only inside `withReplica()`.
   *
   * @default 'automatic'
   */
  readonly routing?: Routing | undefined
  /**
   * How fresh reads are; `withConsistency()` and a scope may say otherwise.
   *
   * @default 'session'
   */
  readonly consistency?: Consistency | undefined
  /**
   * What a write does outside a request, away from home (P6): `direct` sends it to the primary over the wide network,
   * `throw` refuses it with `ReplayImpossible`. Default `direct`.
   */
  readonly writesOutsideRequest?: 'direct' | 'throw' | undefined
  /**
   * Whether the catalog of the database is read, in the background at the first statement, so that a function or view
   * that only reads is known as a read, and one that writes as a write. Without it a statement that calls one needs the
   * primary, unless `functions` says what it does. Default: `true` with replicas, else `false`.
   */
  readonly catalog?: boolean | CatalogOptions | undefined
  /**
   * The app's own word on functions and views, by name or `schema.name` as Postgres folds it, such as
   * `{ 'audit.touch': 'write' }`. It beats what the catalog says; `unknown` has a standby tried. Default: none.
   */
  readonly functions?: Readonly<Record<string, Access>> | undefined
}

/** What the pool runs on: checked and complete. */
export interface ResolvedOptions {
  readonly region: string | undefined
  readonly routing: Routing
  readonly consistency: Consistency
  readonly freshness: ResolvedFreshness
  readonly writesOutsideRequest: 'direct' | 'throw'
  readonly catalog: ResolvedCatalog
  readonly primary: ResolvedNode
  readonly replicas: readonly ResolvedNode[]
}

export interface ResolvedNode {
  readonly name: string
  readonly region: string | undefined
  readonly config: PoolConfig
  /** Whether each of its connections may lead to another server. */
  readonly isBalanced: boolean
}

const ROUTINGS: Readonly<Record<Routing, true>> = { automatic: true, 'opt-in': true }

/** The variables that are read; `process.env` in production. */
export type Environment = Readonly<Record<string, string | undefined>>

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
    catalog,
    functions,
    maxWaitMillis,
    maxLag,
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
  const region = resolveRegion('region', ownRegion ?? environment['FLY_REGION'])
  const primaryRegion = resolveRegion('primary.region', primary?.region ?? environment['PRIMARY_REGION'])
  const resolvedReplicas = resolveReplicas(replicas, shared, region, environment)
  if (region !== undefined && primaryRegion === undefined && resolvedReplicas.length > 0) {
    throw new OptionsInvalid(
      'primary.region',
      `is missing although this process is in ${JSON.stringify(region)} and has replicas; set it, or PRIMARY_REGION, to the region of the server that accepts writes`,
    )
  }
  const primaryConfig: PoolConfig = { ...shared, ...withHidden(primary ?? {}, primary ?? {}) }
  if (!hasLocation(primaryConfig) && environment['DATABASE_URL'] !== undefined) {
    primaryConfig.connectionString = environment['DATABASE_URL']
  }
  return Object.freeze({
    region,
    routing,
    consistency: parseConsistency('consistency', consistency) ?? 'session',
    freshness: resolveFreshnessFor(
      { maxWaitMillis, maxLag, primaryTables, onPrimaryUnreachable, replicasComplete, warnOnStaleReads },
      consistency,
      environment['NODE_ENV'] === 'development',
    ),
    writesOutsideRequest,
    catalog: resolveCatalog(catalog, functions, resolvedReplicas.length > 0),
    primary: resolveNode('primary', primaryRegion, primaryConfig),
    replicas: Object.freeze(resolvedReplicas),
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

function resolveReplicas(
  replicas: readonly ReplicaOptions[] | undefined,
  shared: PoolConfig,
  region: string | undefined,
  environment: Environment,
): ResolvedNode[] {
  const url = environment['DATABASE_REPLICA_URL']
  const given = replicas ?? (url === undefined ? [] : [{ region, connectionString: url }])
  if (!Array.isArray(given)) throw new OptionsInvalid('replicas', 'expected an array of { region, connectionString }')
  // Who the primary is must not become where a replica is.
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
    return resolveNode(`replica-${index}`, replicaRegion, config, endpoint === 'load-balancer')
  })
}

function resolveNode(name: string, region: string | undefined, config: PoolConfig, isBalanced = false): ResolvedNode {
  const { region: _region, endpoint: _endpoint, ...own } = config as ReplicaOptions
  return Object.freeze({ name, region, config: withHidden(own, config), isBalanced })
}

function resolveRegion(option: string, value: string | undefined): string | undefined {
  return value === undefined || value === '' ? undefined : parseRegion(option, value)
}

function hasLocation(config: PoolConfig): boolean {
  return config.connectionString !== undefined || config.host !== undefined || config.port !== undefined
}

/** pg makes `password` non-enumerable on the options that it hands out, so a spread loses it. */
function withHidden<Config extends object>(copy: Config, original: PoolConfig): Config {
  return original.password === undefined ? { ...copy } : { ...copy, password: original.password }
}

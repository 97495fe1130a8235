import { OptionsInvalid } from '@headwater/core'
import {
  type EndpointTraits,
  type Finding,
  LOAD_BALANCER,
  MOVING,
  ONE_SERVER,
  parseRegion,
} from '@headwater/core/internal'
import type { PoolConfig } from 'pg'
import { type DiscoveredReplicas, type ResolvedDiscovery, resolveDiscovery } from './discover-options.ts'
import type { Environment } from './environment.ts'
import { flyReplicaUrl } from './fly-replica-url.ts'
import { eachHost } from './host-list.ts'
import { checkLocation, checkScheme, hasLocation } from './location.ts'
import { directIn, type PoolerOptions, type ResolvedPooler, resolvePooler } from './pooler-options.ts'
import { MOVING_SECONDS } from './provider.ts'
import { type ReplicaShare, type ResolvedShare, resolveShare, resolveStandIns } from './read-options.ts'
import {
  checkServers,
  type MovingPrimary,
  type ReplicaOptions,
  type ServersByAddress,
  type ServersByRole,
} from './server-options.ts'
import { gapsIn } from './wiring-gaps.ts'

/** One server, or one address, that the pool has connections to. */
export interface ResolvedNode {
  readonly name: string
  /** What configures it: an option or a variable. */
  readonly origin: string
  readonly region: string | undefined
  /** Whether the server's own word on its region counts. */
  readonly asksRegion: boolean
  readonly regionOf: MovingPrimary['regionOf']
  readonly config: PoolConfig
  /** What is assumed of its address until it shows otherwise. */
  readonly traits: EndpointTraits
  /** Which reads it gets while it is a replica. */
  readonly share: ResolvedShare
  /** The regions that stand in for its own while it is the primary. */
  readonly standIns: readonly string[]
  readonly pooler: ResolvedPooler
}

/** Replicas that DNS knows; `node` is what each of them is made of, but for its address. */
export interface ResolvedDiscoveredNodes {
  readonly discovery: ResolvedDiscovery
  readonly node: ResolvedNode
}

/** The servers of a pool. */
export interface ResolvedServers {
  /** The first guess. */
  readonly primary: ResolvedNode
  readonly replicas: readonly ResolvedNode[]
  readonly discovered: readonly ResolvedDiscoveredNodes[]
  /** Whether the app has said who is the primary. */
  readonly areRolesGiven: boolean
  /** What the pool goes without, and should perhaps not: to warn of. */
  readonly gaps: readonly Finding[]
}

type GivenServers = ServersByRole | ServersByAddress
type Given = Pick<ResolvedServers, 'primary' | 'replicas' | 'discovered' | 'areRolesGiven'>

/** Whether there is, or may be, more than one server. */
export function hasSeveralServers({ replicas, discovered }: Pick<Given, 'replicas' | 'discovered'>): boolean {
  return replicas.length + discovered.length > 0
}

/** Finds the servers in the options and the environment. `shared` holds for all of them. */
export function resolveServers(
  options: GivenServers,
  shared: PoolConfig,
  environment: Environment,
  region: string | undefined,
): ResolvedServers {
  const servers = checkServers(options)
  const given =
    servers === undefined
      ? byRole(options as ServersByRole, shared, environment, region)
      : byAddress(servers, shared, environment)
  const { primary, replicas, discovered } = given
  const isRegionAsked = primary.asksRegion || primary.regionOf !== undefined
  if (region !== undefined && primary.region === undefined && hasSeveralServers(given) && !isRegionAsked) {
    throw new OptionsInvalid(
      'primary.region',
      `is missing although this process is in ${JSON.stringify(region)} and has replicas; set it, or PRIMARY_REGION, to the region of the server that accepts writes`,
    )
  }
  checkLocation(primary.config, environment, region ?? primary.region)
  const isHere = (node: ResolvedNode): boolean => node.region === undefined || node.region === region
  const gaps = gapsIn({
    region,
    primaryRegion: primary.region,
    hasReplicas: replicas.some(isHere) || discovered.length > 0,
    isExplicit: options.replicas !== undefined,
    environment,
  }).filter(({ code }) => !(isRegionAsked && code === 'HEADWATER_NO_PRIMARY_REGION'))
  return { ...given, replicas: Object.freeze(replicas), gaps }
}

function byRole(
  { primary, replicas }: ServersByRole,
  shared: PoolConfig,
  environment: Environment,
  region: string | undefined,
): Given {
  const primaryRegion = resolveRegion('primary.region', primary?.region ?? environment['PRIMARY_REGION'])
  const config: PoolConfig = { ...shared, ...withHidden(primary ?? {}, primary ?? {}) }
  const isAttached = !hasLocation(config) && hasText(environment['DATABASE_URL'])
  if (isAttached) config.connectionString = environment['DATABASE_URL']
  const { endpoint = 'server', regionOf } = (primary ?? {}) as Partial<MovingPrimary>
  if (endpoint !== 'server' && endpoint !== 'moving') {
    throw new OptionsInvalid(
      'primary.endpoint',
      `${JSON.stringify(endpoint)} is unknown; expected "server", or "moving" for an address that follows the primary`,
    )
  }
  const isMoving = endpoint === 'moving'
  if (regionOf !== undefined && (!isMoving || typeof regionOf !== 'function')) {
    throw new OptionsInvalid('primary.regionOf', 'expected a function, and beside it `endpoint: "moving"`')
  }
  const option = isAttached ? 'DATABASE_URL' : 'primary.connectionString'
  const [first, ...others] = eachConfig(option, config, true)
  if (isMoving && others.length > 0) {
    throw new OptionsInvalid(
      option,
      'lists several hosts, and an address that moves is one; leave out `endpoint`, or name one host',
    )
  }
  const traits = isMoving ? MOVING : ONE_SERVER
  const known = { region: primaryRegion, asksRegion: isMoving && regionOf === undefined, regionOf, traits }
  const isAway = region !== undefined && primaryRegion !== undefined && region !== primaryRegion
  const rest = replicas ?? replicasIn(environment, region, isAway ? config.connectionString : undefined)
  const found = resolveReplicas(rest, shared, replicas === undefined ? originIn(environment) : undefined, environment)
  const origin = isAttached ? 'DATABASE_URL' : 'primary'
  return {
    primary: resolveNode('primary', origin, first, known, directIn(environment, first)),
    replicas: [
      ...others.map((other, index) =>
        resolveNode(`primary-${index + 1}`, origin, other, { ...known, regionOf: undefined }),
      ),
      ...found.replicas,
    ],
    discovered: found.discovered,
    // Which of a list is the primary, nobody has said.
    areRolesGiven: others.length === 0,
  }
}

function byAddress(servers: ServersByAddress['servers'], shared: PoolConfig, environment: Environment): Given {
  const nodes = servers.flatMap((server, index) => {
    const option = `servers[${index}]`
    if (typeof server !== 'object' || server === null || !hasLocation(server)) {
      throw new OptionsInvalid(option, 'names no server; give it a connectionString, or a host or port')
    }
    if (server.endpoint !== undefined) {
      throw new OptionsInvalid(`${option}.endpoint`, 'is for a primary or a replica; each of servers is one server')
    }
    const region = resolveRegion(`${option}.region`, server.region)
    const config = { ...withHidden(shared, shared), ...withHidden(server, server) }
    return eachConfig(`${option}.connectionString`, config, true).map((one) => ({ region, config: one, option }))
  })
  const all = nodes.map(({ region, config, option }, index) =>
    resolveNode(`server-${index}`, option, config, { region, asksRegion: region === undefined, traits: ONE_SERVER }),
  )
  const guess = resolveRegion('PRIMARY_REGION', environment['PRIMARY_REGION'])
  const primary = all.find(({ region }) => region !== undefined && region === guess) ?? all[0]
  if (primary === undefined) throw new OptionsInvalid('servers', 'lists no server')
  return { primary, replicas: all.filter((node) => node !== primary), discovered: [], areRolesGiven: false }
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
  given: readonly (ReplicaOptions | DiscoveredReplicas)[],
  shared: PoolConfig,
  origin: string | undefined,
  environment: Environment,
): Pick<Given, 'replicas' | 'discovered'> {
  if (!Array.isArray(given)) throw new OptionsInvalid('replicas', 'expected an array of { region, connectionString }')
  // A replica must not inherit the primary's address.
  const {
    connectionString: _url,
    host: _host,
    port: _port,
    direct: _direct,
    ...common
  } = shared as PoolConfig & PoolerOptions
  const replicas: ResolvedNode[] = []
  const discovered: ResolvedDiscoveredNodes[] = []
  for (const [index, replica] of (given as readonly (ReplicaOptions | DiscoveredReplicas)[]).entries()) {
    const option = `replicas[${index}]`
    const isFound = typeof replica === 'object' && replica !== null && 'discover' in replica
    if (typeof replica !== 'object' || replica === null || !(isFound || hasLocation(replica))) {
      throw new OptionsInvalid(option, 'names no server; give it a connectionString, a host or port, or discover')
    }
    const { endpoint = 'server' } = replica
    if (endpoint !== 'server' && (endpoint !== 'load-balancer' || isFound)) {
      const expected = isFound ? '"server": each address that is found is one' : '"server" or "load-balancer"'
      throw new OptionsInvalid(`${option}.endpoint`, `${JSON.stringify(endpoint)} is unknown; expected ${expected}`)
    }
    const config = { ...withHidden(common, shared), ...withHidden(replica, replica) }
    const region = resolveRegion(`${option}.region`, replica.region)
    const traits = endpoint === 'load-balancer' ? LOAD_BALANCER : ONE_SERVER
    const known = { region, asksRegion: false, traits }
    if (isFound) {
      if (config.host !== undefined || config.connectionString !== undefined) {
        throw new OptionsInvalid(option, 'has discover and an address; expected one of the two')
      }
      const { discover, ...own } = config as PoolConfig & { readonly discover?: unknown }
      const node = resolveNode(`replica-${index}`, option, withHidden(own, config), {
        ...known,
        asksRegion: region === undefined,
      })
      discovered.push({ discovery: resolveDiscovery(`${option}.discover`, discover), node })
      continue
    }
    const urls = eachConfig(`${option}.connectionString`, config, false)
    if (traits === LOAD_BALANCER && urls.length > 1) {
      throw new OptionsInvalid(option, 'lists several hosts, and a load balancer is one; leave out `endpoint`')
    }
    const isFromEnvironment = config.connectionString === environment['DATABASE_REPLICA_URL']
    const direct = isFromEnvironment ? environment['DATABASE_REPLICA_DIRECT_URL'] : undefined
    for (const [place, one] of urls.entries()) {
      const name = place === 0 ? `replica-${index}` : `replica-${index}-${place}`
      replicas.push(resolveNode(name, origin ?? option, one, known, place === 0 ? direct : undefined))
    }
  }
  return { replicas, discovered }
}

/** The configuration once for each host that its connection string lists. */
function eachConfig(option: string, config: PoolConfig, mustWrite: boolean): [PoolConfig, ...PoolConfig[]] {
  const { connectionString } = config
  if (typeof connectionString !== 'string') return [config]
  const [first, ...others] = eachHost(option, connectionString, mustWrite).map((url, place) => {
    const { direct, ...own } = config as PoolConfig & PoolerOptions
    // A direct URL leads past the pooler of one server.
    return { ...withHidden(place === 0 ? { ...own, direct } : own, config), connectionString: url }
  })
  return first === undefined ? [config] : [first, ...others]
}

function resolveNode(
  name: string,
  origin: string,
  config: PoolConfig,
  known: Pick<ResolvedNode, 'region' | 'asksRegion' | 'traits'> & Partial<Pick<ResolvedNode, 'regionOf'>>,
  directUrl?: string,
): ResolvedNode {
  const options = config as Partial<Omit<MovingPrimary, 'endpoint'>> &
    ReplicaShare &
    PoolerOptions & { endpoint?: string }
  const { region: _, regionOf: _r, weight: _w, group: _g, groupOnly: _o, ...rest } = options
  const { endpoint, standIns, provider, pooler, direct, ...given } = rest
  if ((given as { readonly pipeline?: unknown }).pipeline) {
    throw new OptionsInvalid(
      'pipeline',
      `is on for ${name}, and a leased client sends each query when the one before it was answered: it may go to another server. Leave it out, or use pg's own pool for what needs it`,
    )
  }
  checkScheme(isVariable(origin) ? origin : `${origin}.connectionString`, given.connectionString)
  const resolved = resolvePooler(name, { provider, pooler, direct }, withHidden(given, config), directUrl)
  const { isBalanced, maxLifetimeSeconds, idleTimeoutMillis } = resolved.profile
  const own: PoolConfig = { ...given }
  const mayLeadElsewhere = known.traits.isMoving || !known.traits.isOneServer
  const lifetime = maxLifetimeSeconds ?? (mayLeadElsewhere ? MOVING_SECONDS : undefined)
  if (lifetime !== undefined) own.maxLifetimeSeconds ??= lifetime
  if (idleTimeoutMillis !== undefined) own.idleTimeoutMillis ??= idleTimeoutMillis
  const isOneServer = known.traits.isOneServer && !(isBalanced && endpoint === undefined)
  return Object.freeze({
    name,
    origin,
    regionOf: undefined,
    ...known,
    traits: Object.freeze({ ...known.traits, isOneServer, pooling: resolved.pooling }),
    pooler: resolved,
    config: withHidden(own, config),
    share: resolveShare(origin, options),
    standIns: resolveStandIns(`${name}.standIns`, standIns),
  })
}

function isVariable(origin: string): boolean {
  return origin === origin.toUpperCase()
}

export function resolveRegion(option: string, value: string | undefined): string | undefined {
  return value === undefined || value === '' ? undefined : parseRegion(option, value)
}

/** Copies options with their password: pg makes it non-enumerable on the options that it hands out, so a spread loses it. */
export function withHidden<Config extends object>(copy: Config, original: PoolConfig): Config {
  return original.password === undefined ? { ...copy } : { ...copy, password: original.password }
}

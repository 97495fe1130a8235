import { OptionsInvalid } from '@headwater/core'
import { type Finding, LOAD_BALANCER, MOVING, ONE_SERVER } from '@headwater/core/internal'
import type { PoolConfig } from 'pg'
import {
  type DiscoveredReplicas,
  type DiscoveredServers,
  type ResolvedDiscovery,
  resolveDiscovery,
} from './discover-options.ts'
import type { Environment } from './environment.ts'
import { flyReplicaUrl } from './fly-replica-url.ts'
import { checkLocation, hasLocation } from './location.ts'
import { directIn, type PoolerOptions } from './pooler-options.ts'
import { eachConfig, type ResolvedNode, resolveNode, resolveRegion, withHidden } from './resolve-node.ts'
import {
  checkServers,
  type MovingPrimary,
  type ReplicaOptions,
  type ServersByAddress,
  type ServersByRole,
} from './server-options.ts'
import { gapsIn } from './wiring-gaps.ts'

/** Servers that DNS knows; `node` is what each of them is made of, but for its address. */
export interface ResolvedDiscoveredNodes {
  readonly discovery: ResolvedDiscovery
  readonly node: ResolvedNode
}

/** The servers of a pool. */
export interface ResolvedServers {
  /** The first guess. */
  readonly primary: ResolvedNode
  /** Whether that is a server; else all are found by DNS, and it stands for the one that will be elected. */
  readonly hasFirstGuess: boolean
  readonly replicas: readonly ResolvedNode[]
  readonly discovered: readonly ResolvedDiscoveredNodes[]
  /** Whether the app has said who is the primary. */
  readonly areRolesGiven: boolean
  /** What the pool goes without, and should perhaps not: to warn of. */
  readonly gaps: readonly Finding[]
}

type GivenServers = ServersByRole | ServersByAddress
type Given = Pick<ResolvedServers, 'primary' | 'hasFirstGuess' | 'replicas' | 'discovered' | 'areRolesGiven'>

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
  if (given.hasFirstGuess) checkLocation(primary.config, environment, region ?? primary.region)
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
    hasFirstGuess: true,
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
  const listed: ResolvedNode[] = []
  const discovered: ResolvedDiscoveredNodes[] = []
  for (const [index, server] of servers.entries()) {
    const option = `servers[${index}]`
    if (isDiscovered(server)) {
      discovered.push(resolveDiscovered(option, `server-${index}`, server, { ...withHidden(shared, shared) }))
      continue
    }
    if (typeof server !== 'object' || server === null || !hasLocation(server)) {
      throw new OptionsInvalid(option, 'names no server; give it a connectionString, a host or port, or discover')
    }
    if (server.endpoint !== undefined) {
      throw new OptionsInvalid(`${option}.endpoint`, 'is for a primary or a replica; each of servers is one server')
    }
    const region = resolveRegion(`${option}.region`, server.region)
    const config = { ...withHidden(shared, shared), ...withHidden(server, server) }
    for (const one of eachConfig(`${option}.connectionString`, config, true)) {
      const known = { region, asksRegion: region === undefined, traits: ONE_SERVER }
      listed.push(resolveNode(`server-${listed.length}`, option, one, known))
    }
  }
  const guess = resolveRegion('PRIMARY_REGION', environment['PRIMARY_REGION'])
  const isGuessed = ({ region }: ResolvedNode): boolean => region !== undefined && region === guess
  const primary = listed.find(isGuessed) ?? listed[0]
  const found = discovered.find(({ node }) => isGuessed(node)) ?? discovered[0]
  if (primary === undefined && found === undefined) throw new OptionsInvalid('servers', 'lists no server')
  return {
    primary: primary ?? standFor(found as ResolvedDiscoveredNodes),
    hasFirstGuess: primary !== undefined,
    replicas: listed.filter((node) => node !== primary),
    discovered,
    areRolesGiven: false,
  }
}

/** What stands for a primary while no server is known: the name itself, which leads to one of them or to none. */
function standFor({ discovery, node }: ResolvedDiscoveredNodes): ResolvedNode {
  return Object.freeze({ ...node, config: withHidden({ ...node.config, host: discovery.name }, node.config) })
}

function isDiscovered(server: unknown): server is DiscoveredServers {
  return typeof server === 'object' && server !== null && 'discover' in server
}

/** `common` holds for all servers of the pool. */
function resolveDiscovered(
  option: string,
  name: string,
  server: DiscoveredServers,
  common: PoolConfig,
): ResolvedDiscoveredNodes {
  const { endpoint = 'server' } = server
  if (endpoint !== 'server') {
    throw new OptionsInvalid(
      `${option}.endpoint`,
      `${JSON.stringify(endpoint)} is unknown; expected "server": each address that is found is one`,
    )
  }
  // A direct URL leads past the pooler of one server.
  const { direct: _direct, ...inherited } = common as PoolConfig & PoolerOptions
  const config: PoolConfig = { ...withHidden(inherited, common), ...withHidden(server, server) }
  if (config.host !== undefined || config.connectionString !== undefined) {
    throw new OptionsInvalid(option, 'has discover and an address; expected one of the two')
  }
  const { discover, ...own } = config as PoolConfig & { readonly discover?: unknown }
  const region = resolveRegion(`${option}.region`, server.region)
  const known = { region, asksRegion: region === undefined, traits: ONE_SERVER }
  const node = resolveNode(name, option, withHidden(own, config), known)
  return { discovery: resolveDiscovery(`${option}.discover`, discover), node }
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
    if (isDiscovered(replica)) {
      discovered.push(resolveDiscovered(option, `replica-${index}`, replica, withHidden(common, shared)))
      continue
    }
    if (typeof replica !== 'object' || replica === null || !hasLocation(replica)) {
      throw new OptionsInvalid(option, 'names no server; give it a connectionString, a host or port, or discover')
    }
    const { endpoint = 'server' } = replica
    if (endpoint !== 'server' && endpoint !== 'load-balancer') {
      throw new OptionsInvalid(
        `${option}.endpoint`,
        `${JSON.stringify(endpoint)} is unknown; expected "server" or "load-balancer"`,
      )
    }
    const config = { ...withHidden(common, shared), ...withHidden(replica, replica) }
    const region = resolveRegion(`${option}.region`, replica.region)
    const traits = endpoint === 'load-balancer' ? LOAD_BALANCER : ONE_SERVER
    const known = { region, asksRegion: false, traits }
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

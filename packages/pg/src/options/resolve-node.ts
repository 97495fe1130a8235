import { OptionsInvalid } from '@headwater/core'
import { type EndpointTraits, parseRegion } from '@headwater/core/internal'
import type { PoolConfig } from 'pg'
import { eachHost } from './host-list.ts'
import { checkScheme } from './location.ts'
import { type PoolerOptions, type ResolvedPooler, resolvePooler } from './pooler-options.ts'
import { MOVING_SECONDS } from './provider.ts'
import { type ReplicaShare, type ResolvedShare, resolveShare, resolveStandIns } from './read-options.ts'
import type { MovingPrimary } from './server-options.ts'

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

/** The configuration once for each host that its connection string lists. */
export function eachConfig(option: string, config: PoolConfig, mustWrite: boolean): [PoolConfig, ...PoolConfig[]] {
  const { connectionString } = config
  if (typeof connectionString !== 'string') return [config]
  const [first, ...others] = eachHost(option, connectionString, mustWrite).map((url, place) => {
    const { direct, ...own } = config as PoolConfig & PoolerOptions
    // A direct URL leads past the pooler of one server.
    return { ...withHidden(place === 0 ? { ...own, direct } : own, config), connectionString: url }
  })
  return first === undefined ? [config] : [first, ...others]
}

/** Checks the options of one server, and fills in what follows from its provider and its pooler. */
export function resolveNode(
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

/** @throws {OptionsInvalid} for a name that is none; an empty one is as good as none. */
export function resolveRegion(option: string, value: string | undefined): string | undefined {
  return value === undefined || value === '' ? undefined : parseRegion(option, value)
}

/** Copies options with their password: pg makes it non-enumerable on the options that it hands out, so a spread loses it. */
export function withHidden<Config extends object>(copy: Config, original: PoolConfig): Config {
  return original.password === undefined ? { ...copy } : { ...copy, password: original.password }
}

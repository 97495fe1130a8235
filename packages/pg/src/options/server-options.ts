import { OptionsInvalid } from '@headwater/core'
import type { PoolConfig } from 'pg'
import type { DiscoveredReplicas, DiscoveredServers } from './discover-options.ts'
import type { PoolerOptions } from './pooler-options.ts'
import type { ReplicaShare } from './read-options.ts'
import type { ServerFacts } from './server-facts.ts'

/** One Postgres server: the options of pg's own pool, and the region. */
export interface NodeOptions extends PoolConfig, PoolerOptions {
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

/** A primary with an address of its own. Several hosts in its connection string are several servers, the first of them the first guess. */
export interface FixedPrimary extends NodeOptions {
  readonly endpoint?: 'server' | undefined
  readonly regionOf?: undefined
}

/**
 * A primary behind an address that follows it by itself: HAProxy, a virtual IP, a DNS name that is moved, Fly's port 5432. Each new
 * connection asks the server who it is; when another one answers, the connections to the one before are closed.
 */
export interface MovingPrimary extends NodeOptions {
  readonly endpoint: 'moving'
  /**
   * The region before the server has said its own: it is asked for its setting `headwater.region`.
   *
   * @default PRIMARY_REGION
   */
  readonly region?: string | undefined
  /**
   * The region of the server that the address leads to now, where its setting does not say it: called when that is another server.
   *
   * @default what the server's setting `headwater.region` says
   */
  readonly regionOf?: ((server: ServerFacts) => string | undefined | Promise<string | undefined>) | undefined
}

/** What accepts writes. */
export type PrimaryOptions = FixedPrimary | MovingPrimary

/** One server, whose role is what it says itself: the options of pg's own pool, and the region. */
export interface ServerOptions extends NodeOptions, ReplicaShare {
  /**
   * The region that the server runs in, such as `ams`.
   *
   * @default what the server's setting `headwater.region` says; until then it is read from every region
   */
  readonly region?: string | undefined
  readonly endpoint?: undefined
}

/** Servers by their roles; they are asked all the same, so this is the first guess. */
export interface ServersByRole {
  /**
   * The server that accepts writes.
   *
   * @default PRIMARY_REGION and DATABASE_URL
   */
  readonly primary?: PrimaryOptions | undefined
  /**
   * The streaming replicas. The local ones are read: those in this process's region, and those that name no region; those of other
   * regions when no local one can be (`readsElsewhere`). `[]` says that there are none. With `discover` they are found by DNS.
   *
   * @default one in this region at DATABASE_REPLICA_URL; where that is not set, on Fly, away from the primary's region, the members of
   * Fly Postgres in this region, if DATABASE_URL leads to one
   */
  readonly replicas?: readonly (ReplicaOptions | DiscoveredReplicas)[] | undefined
  readonly servers?: undefined
}

/** Servers without roles: which of them is the primary is found by asking. */
export interface ServersByAddress {
  /**
   * All servers, in any order. The first one in PRIMARY_REGION, or else the first, is taken for the primary until they have answered. With
   * `discover` they are found by DNS; where all are, none is taken for the primary before it says so.
   */
  readonly servers: readonly (ServerOptions | DiscoveredServers)[]
  readonly primary?: undefined
  readonly replicas?: undefined
  readonly connectionString?: undefined
  readonly host?: undefined
  readonly port?: undefined
}

/** @throws {OptionsInvalid} when `servers` stands beside what says the same in another way, or lists none. */
export function checkServers(
  options: { readonly servers?: unknown } & object,
): ServersByAddress['servers'] | undefined {
  const { servers } = options
  if (servers === undefined) return undefined
  for (const other of ['primary', 'replicas', 'connectionString', 'host', 'port'] as const) {
    if (Reflect.get(options, other) === undefined) continue
    throw new OptionsInvalid(
      'servers',
      `stands beside ${other}; give either servers, whose roles are asked for, or primary and replicas`,
    )
  }
  if (!Array.isArray(servers) || servers.length === 0) {
    throw new OptionsInvalid('servers', 'lists no server; expected an array of { region, connectionString }')
  }
  return servers as ServersByAddress['servers']
}

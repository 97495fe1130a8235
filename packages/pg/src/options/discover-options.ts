import { OptionsInvalid } from '@headwater/core'
import type { PoolConfig } from 'pg'
import type { ReplicaShare } from './read-options.ts'

/** The part of Node's `dns.promises.Resolver` that is used. */
export interface NameResolver {
  resolve4(name: string, options: { ttl: true }): Promise<readonly { readonly address: string; readonly ttl: number }[]>
  resolve6(name: string, options: { ttl: true }): Promise<readonly { readonly address: string; readonly ttl: number }[]>
  resolveSrv(name: string): Promise<readonly { readonly name: string; readonly port: number }[]>
  /** Gives up what is under way. */
  cancel(): void
}

/** Where servers are found by DNS. */
export interface DiscoverOptions {
  /** The name, such as `nrt.my-db.internal` or `_postgresql._tcp.db.example`. */
  readonly name: string
  /**
   * The kind of records to ask for: addresses, or `SRV`, which has the port too.
   *
   * @default 'SRV' for a name that begins with "_", else 'A+AAAA'
   */
  readonly records?: 'A' | 'AAAA' | 'A+AAAA' | 'SRV' | undefined
  /**
   * How long an answer is used, in ms, at most: one with a shorter TTL is asked for again when that is over, after a second at least. What
   * Node says of SRV records has no TTL. 1000 to 3600000.
   *
   * @default 10_000
   */
  readonly refreshMillis?: number | undefined
  /**
   * Who is asked.
   *
   * @default a `dns.promises.Resolver` of Node, which asks the system's DNS servers and does not read /etc/hosts
   */
  readonly resolver?: NameResolver | undefined
}

/**
 * Servers that are found by DNS and come and go at runtime: each address is a server of its own. All else holds for each of them.
 * `port` is for records without one.
 */
export interface DiscoveredServers extends PoolConfig, ReplicaShare {
  /** The region that they run in. Default: what each server's setting `headwater.region` says. */
  readonly region?: string | undefined
  readonly discover: string | DiscoverOptions
  /** See `ServerOptions`. */
  readonly standIns?: readonly string[] | undefined
  readonly endpoint?: 'server' | undefined
  readonly host?: undefined
  readonly connectionString?: undefined
}

/** Replicas that are found by DNS. */
export type DiscoveredReplicas = DiscoveredServers

export interface ResolvedDiscovery {
  readonly name: string
  readonly records: 'A' | 'AAAA' | 'A+AAAA' | 'SRV'
  readonly refreshMillis: number
  readonly resolver: NameResolver | undefined
}

const RECORDS = ['A', 'AAAA', 'A+AAAA', 'SRV'] as const
const [SHORTEST_MILLIS, LONGEST_MILLIS] = [1_000, 3_600_000]
const NAME = /^[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_.])?$/i

/** @throws {OptionsInvalid} naming what is wrong with it. */
export function resolveDiscovery(option: string, discover: unknown): ResolvedDiscovery {
  const given = typeof discover === 'string' ? { name: discover } : discover
  if (typeof given !== 'object' || given === null || !('name' in given) || typeof given.name !== 'string') {
    throw new OptionsInvalid(option, "names nothing; expected a DNS name, such as 'nrt.my-db.internal', or { name }")
  }
  const {
    name,
    records = name.startsWith('_') ? 'SRV' : 'A+AAAA',
    refreshMillis = 10_000,
    resolver,
  } = given as DiscoverOptions
  if (!NAME.test(name) || process.getBuiltinModule('node:net').isIP(name) !== 0) {
    throw new OptionsInvalid(option, `${JSON.stringify(name)} is no DNS name; give an address as \`host\` instead`)
  }
  if (!RECORDS.includes(records)) {
    throw new OptionsInvalid(
      `${option}.records`,
      `${JSON.stringify(records)} is unknown; expected one of ${RECORDS.join(', ')}`,
    )
  }
  if (!Number.isInteger(refreshMillis) || refreshMillis < SHORTEST_MILLIS || refreshMillis > LONGEST_MILLIS) {
    throw new OptionsInvalid(
      `${option}.refreshMillis`,
      `${String(refreshMillis)} is not a valid time; expected ${SHORTEST_MILLIS} to ${LONGEST_MILLIS} milliseconds, no fraction`,
    )
  }
  return Object.freeze({ name, records, refreshMillis, resolver })
}

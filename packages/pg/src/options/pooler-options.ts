import { OptionsInvalid } from '@headwater/core'
import type { Pooling } from '@headwater/core/internal'
import type { PoolConfig } from 'pg'
import { type Provider, type ProviderProfile, profileOf } from './provider.ts'

/** Who runs a server, what stands in front of it, and the way around that. */
export interface PoolerOptions {
  /**
   * Who runs the server: then `pooler`, `direct`, `endpoint`, `maxLifetimeSeconds` and `idleTimeoutMillis` have the defaults that fit what
   * the provider's documentation says of the address.
   *
   * @default by the host's name
   */
  readonly provider?: Provider | undefined
  /**
   * How what stands in front of the server hands out sessions. `none`: nothing does, or it gives each connection a session of its own.
   * `session`: a pooler that gives one for as long as the connection lasts. `transaction`: a pooler that shares them.
   *
   * @default found out; a pooler that was found and not told counts as `transaction`, the strictest, with a warning
   */
  readonly pooler?: Pooling | undefined
  /**
   * The URL that leads to the same server past its pooler. What needs a session goes there by itself: LISTEN, SET, temporary tables,
   * a session's advisory locks, PREPARE, WITH HOLD, changes of the schema, and the pool's own watch of the server.
   *
   * @default the primary: DATABASE_DIRECT_URL, or the name that a provider gives it (`DIRECT_DATABASE_URL`, `DIRECT_URL`,
   * `DATABASE_URL_UNPOOLED`, `DATABASE_UNPOOLED_URL`, `POSTGRES_URL_NON_POOLING`); the replica at DATABASE_REPLICA_URL:
   * DATABASE_REPLICA_DIRECT_URL; else none
   */
  readonly direct?: string | undefined
}

/** What is known of a server's pooler from the options. */
export interface ResolvedPooler {
  /** What the provider's documentation says of the address. */
  readonly profile: ProviderProfile
  /** What the app says; `undefined`: to be found out. */
  readonly pooling: Pooling | undefined
  /** The settings of a connection past the pooler; `undefined` where there is none. */
  readonly direct: PoolConfig | undefined
}

/** Our own name of the direct URL in the environment. */
const OWN_NAME = 'DATABASE_DIRECT_URL'
/** The names that providers and their guides give it; each stands beside one of `POOLED_NAMES`. */
const DIRECT_NAMES = [
  'DIRECT_DATABASE_URL',
  'DIRECT_URL',
  'DATABASE_URL_UNPOOLED',
  'DATABASE_UNPOOLED_URL',
  'POSTGRES_URL_NON_POOLING',
] as const
const POOLED_NAMES = ['DATABASE_URL', 'POSTGRES_URL'] as const

/** The primary's direct URL in the environment. A provider's name counts only for the database whose pooled URL stands there too. */
export function directIn(
  environment: Readonly<Record<string, string | undefined>>,
  { connectionString }: PoolConfig,
): string | undefined {
  if (environment[OWN_NAME] !== undefined) return environment[OWN_NAME]
  if (connectionString === undefined || !POOLED_NAMES.some((name) => environment[name] === connectionString))
    return undefined
  return DIRECT_NAMES.map((name) => environment[name]).find((url) => url !== undefined && url !== '')
}

const POOLINGS: Readonly<Record<Pooling, true>> = { none: true, session: true, transaction: true }

/**
 * Checks what an app says of a server's pooler. `own` are the settings of its connections; `direct` in the environment counts
 * where the options give none.
 *
 * @throws {OptionsInvalid} naming the option and what was expected.
 */
export function resolvePooler(
  option: string,
  { provider, pooler, direct }: PoolerOptions,
  own: PoolConfig,
  fromEnvironment: string | undefined,
): ResolvedPooler {
  if (pooler !== undefined && !Object.hasOwn(POOLINGS, pooler)) {
    throw new OptionsInvalid(
      `${option}.pooler`,
      `${JSON.stringify(pooler)} is unknown; expected "none", "session" or "transaction"`,
    )
  }
  const profile = profileOf(option, provider, own)
  const pooling = pooler ?? profile.pooling
  // Where each connection has a session of its own there is nothing to go around.
  const url = direct ?? fromEnvironment ?? (pooling === 'none' ? undefined : profile.direct)
  if (url !== undefined && (typeof url !== 'string' || !/^postgres(?:ql)?:\/\/./.test(url))) {
    throw new OptionsInvalid(
      direct === undefined ? OWN_NAME : `${option}.direct`,
      'is no URL of a Postgres server; expected postgres://user:password@host:port/database, or leave it out',
    )
  }
  const isSame = url === undefined || url === own.connectionString
  return { profile, pooling, direct: isSame ? undefined : directConfig(own, url) }
}

/** The same settings with another address: what names a server or a user comes from the URL alone. */
function directConfig(own: PoolConfig, connectionString: string): PoolConfig {
  const { host: _host, port: _port, user: _user, database: _database, password: _password, ...rest } = own
  return { ...rest, connectionString }
}

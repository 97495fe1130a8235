import { OptionsInvalid } from '@headwater/core'

/** How far a replica may be behind to be read from (F6). At least one of the two. */
export interface MaxLag {
  /**
   * What is compared is an upper bound: the age of the newest answer of the primary that the replica has caught up with.
   * So it cannot be shorter than a round trip to the primary, and the pause between two questions, a quarter of it.
   */
  readonly millis?: number | undefined
  /** Bytes of log. */
  readonly bytes?: number | undefined
}

/** What `RoutedPool` may be told about freshness. */
export interface FreshnessOptions {
  /**
   * How long a read may wait for a replica to catch up with what its client has seen, in ms. Default: 50 away from home,
   * where the primary is an ocean away, and 0 at home.
   */
  readonly maxWaitMillis?: number | undefined
  /** Replicas that lag further are not read from, but by `eventual` reads. Default: no limit. */
  readonly maxLag?: MaxLag | undefined
  /**
   * Tables that are always read at the primary, by name or `schema.name` as Postgres folds it.
   *
   * @default []
   */
  readonly primaryTables?: readonly string[] | undefined
  /**
   * What to do with a read when no local replica is fresh enough and the primary's region cannot be reached: `fail` answers
   * 503, `serve-stale` reads an older state.
   *
   * @default 'fail'
   */
  readonly onPrimaryUnreachable?: 'fail' | 'serve-stale' | undefined
  /**
   * Whether `replicas` lists every replica that the app has anywhere. Then all are watched, and a client's token is taken
   * back once they have all of it. Default `false`: tokens run out.
   */
  readonly replicasComplete?: boolean | undefined
  /**
   * Whether a process warning (`HEADWATER_STALE_READ`) tells of a read on a replica that may miss what its own scope, or its
   * client a moment ago, has written. For development. Default: `true` when NODE_ENV is `development`, else `false`.
   */
  readonly warnOnStaleReads?: boolean | undefined
}

/** The same, checked and complete. */
export interface ResolvedFreshness {
  readonly maxWaitMillis: number | undefined
  readonly maxLag: { readonly millis: number; readonly bytes: number } | undefined
  readonly primaryTables: readonly string[]
  readonly onPrimaryUnreachable: 'fail' | 'serve-stale'
  readonly replicasComplete: boolean
  readonly warnOnStaleReads: boolean
}

/**
 * Checks the options and fills in the defaults.
 *
 * @throws {OptionsInvalid} naming the option, what was expected, and what to do.
 */
export function resolveFreshness(options: FreshnessOptions, isDevelopment: boolean): ResolvedFreshness {
  const { maxWaitMillis, maxLag, primaryTables = [], onPrimaryUnreachable = 'fail', replicasComplete = false } = options
  const { warnOnStaleReads = isDevelopment } = options
  if (onPrimaryUnreachable !== 'fail' && onPrimaryUnreachable !== 'serve-stale') {
    throw new OptionsInvalid(
      'onPrimaryUnreachable',
      `${JSON.stringify(onPrimaryUnreachable)} is unknown; expected "fail" or "serve-stale"`,
    )
  }
  for (const [option, value] of Object.entries({ replicasComplete, warnOnStaleReads })) {
    if (typeof value !== 'boolean') throw new OptionsInvalid(option, `expected true or false, got ${typeof value}`)
  }
  if (!Array.isArray(primaryTables) || primaryTables.some((table) => typeof table !== 'string' || table === '')) {
    throw new OptionsInvalid('primaryTables', "expected an array of table names, such as ['sessions']")
  }
  return Object.freeze({
    maxWaitMillis: maxWaitMillis === undefined ? undefined : parseAmount('maxWaitMillis', maxWaitMillis, 0, 'ms'),
    maxLag: maxLag === undefined ? undefined : resolveMaxLag(maxLag),
    primaryTables: Object.freeze([...primaryTables]),
    onPrimaryUnreachable,
    replicasComplete,
    warnOnStaleReads,
  })
}

function resolveMaxLag({ millis, bytes }: MaxLag): { readonly millis: number; readonly bytes: number } {
  if (millis === undefined && bytes === undefined) {
    throw new OptionsInvalid(
      'maxLag',
      'says neither `millis` nor `bytes`; give it at least one, such as { millis: 5000 }',
    )
  }
  return Object.freeze({
    millis: millis === undefined ? Number.POSITIVE_INFINITY : parseAmount('maxLag.millis', millis, 1, 'ms'),
    bytes: bytes === undefined ? Number.POSITIVE_INFINITY : parseAmount('maxLag.bytes', bytes, 0, 'bytes'),
  })
}

function parseAmount(option: string, value: unknown, least: number, unit: string): number {
  if (typeof value === 'number' && Number.isFinite(value) && value >= least) return value
  throw new OptionsInvalid(option, `${String(value)} is not a number of ${unit}; expected ${least} or more`)
}

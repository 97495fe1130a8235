import { OptionsInvalid } from '@headwater/core'
import type { AllLate } from '@headwater/core/internal'

/** How far a replica may lag and still be read (F6). Give at least one of the two. */
export interface MaxLag {
  /**
   * The longest lag, in ms, at least 1.
   *
   * What is measured is an upper bound: the age of the newest position of the primary that the replica has replayed. The
   * primary is asked every quarter of this time (50 ms to 1 s apart), so the bound is at least that plus a round trip to it.
   *
   * @default Infinity
   */
  readonly millis?: number | undefined
  /**
   * The most bytes of WAL that the replica may have left to replay.
   *
   * @default Infinity
   */
  readonly bytes?: number | undefined
}

/** Options of `RoutedPool` about how fresh its reads are. */
export interface FreshnessOptions {
  /**
   * How long a read may wait for a local replica to catch up with what its client has seen, in ms; 0 never waits.
   *
   * @default outside the primary's region 1.25 times as long as the primary takes to answer, 50 to 300; in it 0
   */
  readonly maxWaitMillis?: number | undefined
  /**
   * Replicas that lag more than this are skipped, except by `eventual` reads.
   *
   * @default no limit
   */
  readonly maxLag?: MaxLag | undefined
  /**
   * What becomes of the reads while every local replica lags more than `maxLag`. A process warns of it once each time
   * (`HEADWATER_ALL_LATE`). What a client has seen or written is never answered from an older state, whatever stands here.
   *
   * - `wait`: the primary answers as many at once as `primaryReads` says, and the others wait for that.
   * - `share`: the primary answers as many, and the least late replica the others, if it lags less than `lateLimit`.
   * - `stale`: the least late replica answers all, if it lags less than `lateLimit`.
   *
   * @default 'wait'
   */
  readonly allLate?: AllLate | undefined
  /**
   * How far the least late replica may lag then; a read waits as with `wait` when it lags further.
   *
   * @default with `share` twice `maxLag`, with `stale` no limit
   */
  readonly lateLimit?: MaxLag | undefined
  /**
   * Tables that are always read at the primary, by name or `schema.name`, spelled as Postgres folds it (mostly in lower case).
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
   * Whether `replicas` lists every replica that the app has, in all regions. Then all of them are watched, and a client's token is
   * deleted as soon as they have replayed it. With `false` a token lasts until it expires.
   *
   * @default false
   */
  readonly replicasComplete?: boolean | undefined
  /**
   * Whether to emit a process warning (`HEADWATER_STALE_READ`) when a read on a replica may miss a recent write of its own scope
   * or client. For development.
   *
   * @default true when NODE_ENV is `development`, else false
   */
  readonly warnOnStaleReads?: boolean | undefined
}

/** The same, checked and complete. */
export interface ResolvedFreshness {
  readonly maxWaitMillis: number | undefined
  readonly maxLag: { readonly millis: number; readonly bytes: number } | undefined
  readonly allLate: AllLate
  /** How far a replica may lag and be read when all lag more than `maxLag`. */
  readonly lateLimit: { readonly millis: number; readonly bytes: number }
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
  const { warnOnStaleReads = isDevelopment, allLate = 'wait', lateLimit } = options
  if (!Object.hasOwn(ALL_LATE, allLate)) {
    throw new OptionsInvalid('allLate', `${JSON.stringify(allLate)} is unknown; expected "wait", "share" or "stale"`)
  }
  if (maxLag === undefined && (options.allLate !== undefined || lateLimit !== undefined)) {
    throw new OptionsInvalid('allLate', 'says what to do beyond `maxLag`, and there is none; give `maxLag` too')
  }
  const limit = maxLag === undefined ? NO_LIMIT : resolveMaxLag('maxLag', maxLag)
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
    maxLag: maxLag === undefined ? undefined : limit,
    allLate,
    lateLimit: lateLimit === undefined ? defaultLimit(allLate, limit) : resolveMaxLag('lateLimit', lateLimit),
    primaryTables: Object.freeze([...primaryTables]),
    onPrimaryUnreachable,
    replicasComplete,
    warnOnStaleReads,
  })
}

const ALL_LATE: Readonly<Record<AllLate, true>> = { wait: true, share: true, stale: true }

type Limit = ResolvedFreshness['lateLimit']

const NO_LIMIT: Limit = Object.freeze({ millis: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY })

function defaultLimit(allLate: AllLate, { millis, bytes }: Limit): Limit {
  return allLate === 'stale' ? NO_LIMIT : Object.freeze({ millis: 2 * millis, bytes: 2 * bytes })
}

function resolveMaxLag(option: 'maxLag' | 'lateLimit', { millis, bytes }: MaxLag): Limit {
  if (millis === undefined && bytes === undefined) {
    throw new OptionsInvalid(
      option,
      'says neither `millis` nor `bytes`; give it at least one, such as { millis: 5000 }',
    )
  }
  return Object.freeze({
    millis: millis === undefined ? Number.POSITIVE_INFINITY : parseAmount(`${option}.millis`, millis, 1, 'ms'),
    bytes: bytes === undefined ? Number.POSITIVE_INFINITY : parseAmount(`${option}.bytes`, bytes, 0, 'bytes'),
  })
}

function parseAmount(option: string, value: unknown, least: number, unit: string): number {
  if (typeof value === 'number' && Number.isFinite(value) && value >= least) return value
  throw new OptionsInvalid(option, `${String(value)} is not a number of ${unit}; expected ${least} or more`)
}

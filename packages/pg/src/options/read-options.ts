import { OptionsInvalid } from '@headwater/core'
import { parseGroup, parseRegion, type ReadsElsewhere, type ReplicaChoice } from '@headwater/core/internal'

/** What reads may take of the primary in the place of replicas. */
export interface PrimaryReads {
  /**
   * How much of the primary's connections they may have at once: above 0, to 1, of `max`; at least one connection.
   *
   * @default 0.5
   */
  readonly share?: number | undefined
  /**
   * How long a read waits for its turn, in ms, 0 to 600000; then it rejects with `PrimaryBusy`.
   *
   * @default 5_000
   */
  readonly waitMillis?: number | undefined
}

/** Options of `RoutedPool` about which server a read runs on. */
export interface ReadOptions {
  /**
   * Which of several replicas next door a read gets: `round-robin` each in its turn, `least-busy` the one with the fewest
   * queries of this pool, `latency` the one that answers soonest. A scope stays with the one that it got.
   *
   * @default 'round-robin'
   */
  readonly choice?: ReplicaChoice | undefined
  /**
   * How another region answers reads while no replica next door can, and the primary is farther or does not answer (X10):
   * `network` sends each over the network to the nearest replica, `replay` has the request replayed in its region, `never` leaves
   * them to the primary.
   *
   * @default 'network'
   */
  readonly readsElsewhere?: ReadsElsewhere | undefined
  /** What reads may take of the primary while all replicas next door are gone, or lag too far (X3). */
  readonly primaryReads?: PrimaryReads | undefined
}

/** The same, checked and complete. */
export interface ResolvedReads {
  readonly choice: ReplicaChoice
  readonly readsElsewhere: ReadsElsewhere
  readonly primaryReads: { readonly share: number; readonly waitMillis: number }
}

const CHOICES: Readonly<Record<ReplicaChoice, true>> = { 'round-robin': true, 'least-busy': true, latency: true }
const WAYS: Readonly<Record<ReadsElsewhere, true>> = { network: true, replay: true, never: true }

/**
 * Checks the options and fills in the defaults.
 *
 * @throws {OptionsInvalid} naming the option, what was expected, and what to do.
 */
export function resolveReads({
  choice = 'round-robin',
  readsElsewhere = 'network',
  primaryReads,
}: ReadOptions): ResolvedReads {
  const { share = 0.5, waitMillis = 5_000 } = primaryReads ?? {}
  if (typeof share !== 'number' || !(share > 0 && share <= 1)) {
    throw new OptionsInvalid(
      'primaryReads.share',
      `${String(share)} is not a share; expected a number above 0, up to 1`,
    )
  }
  if (!Number.isInteger(waitMillis) || waitMillis < 0 || waitMillis > 600_000) {
    throw new OptionsInvalid(
      'primaryReads.waitMillis',
      `${String(waitMillis)} is not a valid time; expected 0 to 600000 milliseconds, no fraction`,
    )
  }
  return Object.freeze({
    choice: checkOneOf('choice', choice, CHOICES),
    readsElsewhere: checkOneOf('readsElsewhere', readsElsewhere, WAYS),
    primaryReads: Object.freeze({ share, waitMillis }),
  })
}

/** What the options of one replica say about the reads that it gets. */
export interface ReplicaShare {
  /**
   * How much of the reads it gets, beside the other replicas next door: a whole number, 1 to 100.
   *
   * @default 1
   */
  readonly weight?: number | undefined
  /**
   * A name, which it may share with others. It is read only inside `withReplica(fn, { group })`, from every region.
   *
   * @default none
   */
  readonly group?: string | undefined
  /**
   * Whether it is read by that name alone. With `false` it gets its part of all reads too.
   *
   * @default true
   */
  readonly groupOnly?: boolean | undefined
}

/** The same, checked and complete. */
export interface ResolvedShare {
  readonly weight: number
  readonly group: string | undefined
  /** Whether reads that name no group may run on it. */
  readonly isForAll: boolean
}

export const WHOLE_SHARE: ResolvedShare = Object.freeze({ weight: 1, group: undefined, isForAll: true })

/** @throws {OptionsInvalid} naming the option, what was expected, and what to do. */
export function resolveShare(option: string, { weight = 1, group, groupOnly }: ReplicaShare): ResolvedShare {
  if (!Number.isInteger(weight) || weight < 1 || weight > 100) {
    throw new OptionsInvalid(`${option}.weight`, `${String(weight)} is not a weight; expected a whole number, 1 to 100`)
  }
  if (groupOnly !== undefined && typeof groupOnly !== 'boolean') {
    throw new OptionsInvalid(`${option}.groupOnly`, `expected true or false, got ${typeof groupOnly}`)
  }
  if (group === undefined && groupOnly !== undefined) {
    throw new OptionsInvalid(`${option}.groupOnly`, 'says how a group is read, and there is no `group`; name one')
  }
  const isForAll = group === undefined || groupOnly === false
  return Object.freeze({
    weight,
    group: group === undefined ? undefined : parseGroup(`${option}.group`, group),
    isForAll,
  })
}

/** @throws {OptionsInvalid} when it is no array of region names. */
export function resolveStandIns(option: string, regions: readonly string[] | undefined): readonly string[] {
  if (regions === undefined) return NONE
  if (!Array.isArray(regions)) throw new OptionsInvalid(option, "expected an array of regions, such as ['lhr', 'cdg']")
  return Object.freeze(regions.map((region: unknown) => parseRegion(option, region)))
}

const NONE: readonly string[] = Object.freeze([])

function checkOneOf<Value extends string>(option: string, value: Value, all: Readonly<Record<Value, true>>): Value {
  if (typeof value === 'string' && Object.hasOwn(all, value)) return value
  const expected = Object.keys(all).map((name) => JSON.stringify(name))
  throw new OptionsInvalid(option, `${JSON.stringify(value)} is unknown; expected ${expected.join(', ')}`)
}

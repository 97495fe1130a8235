import { OptionsInvalid } from '../errors/options-invalid.ts'
import type { Elsewhere } from './elsewhere.ts'

/** Where this instance runs and which servers it can use: a frozen snapshot that a decision is taken from. */
export interface Topology {
  /** The region that this instance runs in; `undefined` when the app names none (then it is at home). */
  readonly region: string | undefined
  /** The region of the node that accepts writes. */
  readonly primaryRegion: string | undefined
  /** Whether the two regions are the same, or one of them is unknown. */
  readonly isAtHome: boolean
  /** Whether a local replica is configured and not known to be down. */
  readonly hasReplica: boolean
  /** Where reads go while no local replica can be read (X10). Default: wherever what needs the primary goes. */
  readonly elsewhere?: Elsewhere | undefined
  /** The timeline on which the primary was elected; 0 or `undefined` while it was not. */
  readonly timeline?: number | undefined
  /** Whether no server is known to be the primary now, so that its region is where it was last. Default: false. */
  readonly isPrimarySought?: boolean | undefined
  /** The cluster's system identifier, in decimal digits; `undefined` while none is known. */
  readonly cluster?: string | undefined
  /** The regions whose instances stand in for those of the primary's region, nearest to it first. Default: none. */
  readonly standIns?: readonly string[] | undefined
}

/** Freezes the facts, and adds whether they mean "at home". */
export function createTopology(facts: Omit<Topology, 'isAtHome'>): Topology {
  const { region, primaryRegion } = facts
  return Object.freeze({
    ...facts,
    isAtHome: region === undefined || primaryRegion === undefined || region === primaryRegion,
  })
}

/** Fly's region codes are three letters; clusters elsewhere name theirs freely. No other character may reach a header (P7). */
const REGION = /^[a-z0-9-]{1,63}$/

/**
 * Checks a region name.
 *
 * @throws {OptionsInvalid} when it is not 1–63 characters of `a-z`, `0-9` and `-`.
 */
export function parseRegion(option: string, value: unknown): string {
  if (typeof value === 'string' && REGION.test(value)) return value
  throw new OptionsInvalid(
    option,
    `${JSON.stringify(value)} is not a region name; expected 1 to 63 characters of a-z, 0-9 and "-", such as "ams" (set FLY_REGION and PRIMARY_REGION, or the option)`,
  )
}

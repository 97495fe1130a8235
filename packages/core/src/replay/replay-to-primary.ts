import { findInCauses } from '../errors/find-in-causes.ts'
import { HeadwaterError, nameAndBrand } from '../errors/headwater-error.ts'
import type { ReplayReason } from '../route/reasons.ts'

/** What a replay is made of. */
export interface ReplayDetails {
  readonly region: string
  readonly from: string
  readonly reason: ReplayReason
  /** The regions that may run it when nobody in `region` does, in this order. Default: none. */
  readonly standIns?: readonly string[] | undefined
  /** The cluster's system identifier, in decimal digits. Default: none is known. */
  readonly cluster?: string | undefined
  /** The highest timeline that is known where it is asked for. Default: 0, none. */
  readonly timeline?: number | undefined
  readonly cause?: unknown
}

/**
 * The request must run where the primary is, or, when its reason is `far-replica`, where a replica is; an HTTP adapter turns this
 * error into the replay.
 *
 * Let it pass. It spends its scope (P3): every later query there rejects with the same error, in an object of its own, because
 * libraries write into what they catch (Knex puts its SQL before the message). `cause` is the standby's error when the standby
 * refused the statement (P2).
 */
export class ReplayToPrimary extends HeadwaterError {
  /** The region that runs the request again: the primary's, or with the reason `far-replica` one that has a replica. */
  readonly region: string
  /** The regions that may run it when nobody in `region` does, in this order. */
  readonly standIns: readonly string[]
  /** The cluster's system identifier, in decimal digits, where it is known. */
  readonly cluster: string | undefined
  /** The highest timeline that is known where it is asked for; 0: none. */
  readonly timeline: number
  /** The region that asks for the replay. */
  readonly from: string
  readonly reason: ReplayReason

  constructor(details: ReplayDetails) {
    super(
      'HEADWATER_REPLAY_TO_PRIMARY',
      `this request needs ${details.reason === 'far-replica' ? 'a replica' : 'the primary'} in ${details.region} (${details.reason}) and is replayed there from ${details.from}. ` +
        'Let this error pass: the HTTP adapter turns it into the replay.',
      { retryable: true, cause: details.cause },
    )
    this.region = details.region
    this.standIns = details.standIns ?? []
    this.cluster = details.cluster
    this.timeline = details.timeline ?? 0
    this.from = details.from
    this.reason = details.reason
  }

  static {
    nameAndBrand(this, 'ReplayToPrimary')
  }
}

/**
 * Finds the `ReplayToPrimary` in an error, through the wrappers that ORMs put around it; `undefined` when there is none.
 *
 * @example
 * try {
 *   await db.insert(note).values({ body })
 * } catch (error) {
 *   if (findReplay(error) !== undefined) throw error // the HTTP adapter replays the request
 *   report(error)
 * }
 */
export function findReplay(error: unknown): ReplayToPrimary | undefined {
  return findInCauses(error, (candidate): candidate is ReplayToPrimary => candidate instanceof ReplayToPrimary)
}

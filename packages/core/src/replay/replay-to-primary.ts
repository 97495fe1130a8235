import { findInCauses } from '../errors/find-in-causes.ts'
import { HeadwaterError, nameAndBrand } from '../errors/headwater-error.ts'
import type { ReplayReason } from '../route/reasons.ts'

/**
 * The request must run where the primary lives; an HTTP adapter answers it with a replay.
 *
 * It spends its scope (P3): every later query there rejects with this same object. `cause` is the standby's refusal
 * when one was needed to find out (P2).
 */
export class ReplayToPrimary extends HeadwaterError {
  /** The region to replay in: the primary's. */
  readonly region: string
  /** The region that asks for the replay. */
  readonly from: string
  readonly reason: ReplayReason

  constructor(details: { region: string; from: string; reason: ReplayReason; cause?: unknown }) {
    super(
      'HEADWATER_REPLAY_TO_PRIMARY',
      `this request needs the primary in ${details.region} (${details.reason}) and is replayed there from ${details.from}. ` +
        'Let this error pass: the HTTP adapter turns it into the replay.',
      { retryable: true, cause: details.cause },
    )
    this.region = details.region
    this.from = details.from
    this.reason = details.reason
  }

  static {
    nameAndBrand(this, 'ReplayToPrimary')
  }
}

/** Finds the `ReplayToPrimary` in an error, through the wrappers that ORMs put around it. */
export function findReplay(error: unknown): ReplayToPrimary | undefined {
  return findInCauses(error, (candidate): candidate is ReplayToPrimary => candidate instanceof ReplayToPrimary)
}

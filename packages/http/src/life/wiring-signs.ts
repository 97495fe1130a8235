import type { Logger, ReplayBlocker, Topology } from '@headwater/core'
import { reportUnverified, warn } from '@headwater/core/internal'
import { timeIn } from '../replay/replay-state.ts'

/** Warns of what a refused replay says about the regions. */
export function warnOfRefusal(
  blocker: ReplayBlocker,
  { region, primaryRegion, isAtHome }: Topology,
  logger: Logger | false | undefined,
): void {
  if (region === undefined || primaryRegion === undefined || isAtHome) return
  if (blocker === 'replay-failed') warn('HEADWATER_PRIMARY_REGION_SILENT', { region: primaryRegion }, { logger })
  if (blocker === 'already-replayed') warn('HEADWATER_REGIONS_DISAGREE', { region, primaryRegion }, { logger })
}

/** What is told of the tokens that a request carried. */
export interface CarriedSigns {
  readonly unverifiedIn: 'cookie' | 'header token' | undefined
  readonly latestIssuedAt: number | undefined
}

/** A token that is ahead by more than this has a clock behind it that is wrong: half of what is allowed, in ms. */
const AHEAD_MILLIS = 30_000

/** Warns of tokens that none of our secrets has made, and of ours from the future: `now` is the wall clock in ms. */
export function warnOfTokens(signs: CarriedSigns, now: number, logger: Logger | false | undefined): void {
  const { unverifiedIn, latestIssuedAt } = signs
  if (unverifiedIn !== undefined) reportUnverified(unverifiedIn, logger)
  if (latestIssuedAt === undefined || latestIssuedAt <= now + AHEAD_MILLIS) return
  const seconds = Math.round((latestIssuedAt - now) / 1000)
  const what = 'the clock of another instance, which has made a token of this request,'
  warn('HEADWATER_CLOCKS_APART', { what, seconds }, { about: 'an instance', logger })
}

/** Warns of a signed state that is too old or from the future: `now` is the wall clock in ms. */
export function warnOfClocks(state: string | undefined, now: number, logger: Logger | false | undefined): void {
  const time = timeIn(state)
  if (time === undefined) return
  const seconds = Math.round((time - now) / 1000)
  const what = 'the clock of another instance, which has replayed a request to this one,'
  warn('HEADWATER_CLOCKS_APART', { what, seconds }, { about: 'an instance', logger })
}

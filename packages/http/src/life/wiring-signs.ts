import type { Logger, ReplayBlocker, Topology } from '@headwater/core'
import { warn } from '@headwater/core/internal'
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

/** Warns of a signed state that is too old or from the future: `now` is the wall clock in ms. */
export function warnOfClocks(state: string | undefined, now: number, logger: Logger | false | undefined): void {
  const time = timeIn(state)
  if (time === undefined) return
  const seconds = Math.round((time - now) / 1000)
  const what = 'the clock of another instance, which has replayed a request to this one,'
  warn('HEADWATER_CLOCKS_APART', { what, seconds }, { about: 'an instance', logger })
}

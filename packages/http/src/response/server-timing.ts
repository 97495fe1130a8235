import type { ReplayDetails, TrailEntry } from '@headwater/core/internal'
import type { ResponseHead } from './response-head.ts'

/** Where an answer was made. */
export interface AnswerOrigin {
  readonly region: string | undefined
  /** The servers that its statements were sent to, and why. */
  readonly entries: readonly TrailEntry[]
  /** The replay that is asked for; the reason of the one that brought it here; `failed`: the one that failed. */
  readonly replay: ReplayDetails | string | undefined
}

/**
 * The value of `Server-Timing`: `headwater` is the region, `headwater-query` a server with the reason and the time that was waited
 * for it, in ms, `headwater-replay` the replay. All of it comes from closed lists, names of ours and checked regions.
 *
 * Source of the form: https://www.w3.org/TR/server-timing/, section 2.1.
 */
export function serverTimingOf({ region, entries, replay }: AnswerOrigin): string | undefined {
  const metrics = entries.map(({ server, region: where, decision, count, waited }) => {
    const place = where === undefined ? server : `${server} in ${where}`
    return `headwater-query;desc="${place}: ${decision.reason}, ${count}x";dur=${waited.toFixed(1)}`
  })
  if (region !== undefined) metrics.unshift(`headwater;desc="${region}"`)
  if (replay !== undefined) metrics.push(`headwater-replay;desc="${describe(replay)}"`)
  return metrics.length === 0 ? undefined : metrics.join(', ')
}

/** Adds it to what the app says itself; a head that is written again gets it once. */
export function writeServerTiming(head: ResponseHead, value: string | undefined): void {
  if (value === undefined) return
  const own = head.get('server-timing')
  if (own?.endsWith(value) === true) return
  head.set('server-timing', own === undefined ? value : `${own}, ${value}`)
}

function describe(replay: ReplayDetails | string): string {
  return typeof replay === 'string' ? replay : `to ${replay.region}: ${replay.reason}`
}

/** Where the other side says nothing: below the 5 s of a Node server. */
const UNTOLD_MILLIS = 4_000
/** Below the 60 s after which balancers in between forget a connection without a word. */
const MOST_TOLD_MILLIS = 30_000
/** What a request takes to get there, and be too late for a connection that is just being closed. */
const MARGIN_MILLIS = 1_000
const LEAST_MILLIS = 1

/**
 * How long an idle connection may be kept, in ms, by what the other side said in `Keep-Alive: timeout=…` (seconds), less a second.
 * `mostMillis` is the app's own limit; without one, 30 s, and 4 s where nothing was said.
 */
export function idleMillisAfter(keepAlive: string | undefined, mostMillis: number | undefined): number {
  const seconds = /(?:^|[,\s])timeout=(\d{1,7})(?:$|[,\s])/i.exec(keepAlive ?? '')?.[1]
  if (seconds === undefined) return mostMillis ?? UNTOLD_MILLIS
  const toldMillis = Math.max(LEAST_MILLIS, Number(seconds) * 1_000 - MARGIN_MILLIS)
  return Math.min(toldMillis, mostMillis ?? MOST_TOLD_MILLIS)
}

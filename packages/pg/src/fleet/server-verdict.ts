/** Whether a server can be reached: `unknown` before anything was asked of it. */
export type ServerVerdict = 'unknown' | 'up' | 'suspect' | 'down'

/** What is known of a server's reachability, by a monotonic clock in ms. */
export interface Reachability {
  /** Whether it gave its last session, or answered its last question; `undefined`: it was asked for neither. */
  readonly isReachable: boolean | undefined
  /** Since when that is so. */
  readonly since: number
  /** When the question was sent that is still open; `undefined`: none is. */
  readonly openSince: number | undefined
}

/** The verdict, and since when it holds. A question that stays open for `suspectAfterMillis` makes its server suspect (X3). */
export function verdictOn(
  { isReachable, since, openSince }: Reachability,
  suspectAfterMillis: number,
  now: number,
): { readonly verdict: ServerVerdict; readonly since: number | undefined } {
  if (isReachable === false) return { verdict: 'down', since }
  const suspectSince = openSince === undefined ? Number.POSITIVE_INFINITY : openSince + suspectAfterMillis
  if (suspectSince <= now) return { verdict: 'suspect', since: suspectSince }
  return isReachable === undefined ? { verdict: 'unknown', since: undefined } : { verdict: 'up', since }
}

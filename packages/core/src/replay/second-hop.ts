/** What the signed state of a replay says of it. */
export interface ReplayStamp {
  /** The cluster's system identifier, in decimal digits; `undefined` where none was known. */
  readonly cluster: string | undefined
  /** The highest timeline that was known where it was asked for; 0 where none was. */
  readonly timeline: number
  /** Whether it was asked for to read only, so that its region need not be the primary's (X10). */
  readonly isForRead: boolean
}

/**
 * Whether a request that a replay brought here may be replayed once more (P4): by who knows a later timeline than whoever sent it, or to the primary
 * after it was sent to a replica. So from hop to hop the stamp rises strictly, and no request goes round. Timelines of two clusters do
 * not compare.
 */
export function mayReplayAgain(before: ReplayStamp, next: ReplayStamp): boolean {
  if (before.cluster !== undefined && before.cluster !== next.cluster) return false
  if (next.timeline !== before.timeline) return next.timeline > before.timeline
  return before.isForRead && !next.isForRead
}

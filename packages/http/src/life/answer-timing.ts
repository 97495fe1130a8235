import type { Scope } from '@headwater/core'
import { serverTimingOf } from '../response/server-timing.ts'

/** What an answer says in `Server-Timing` about where it was made; `undefined` where nobody asked for that. */
export function timingOf(scope: Scope, replayedFor: string | undefined): string | undefined {
  const { trail } = scope
  if (trail === undefined) return undefined
  const { topology, replayDetails, blocker } = scope
  const hasFailed = blocker === 'replay-failed'
  return serverTimingOf({
    region: topology?.().region,
    entries: trail.entries,
    replay: replayDetails ?? (hasFailed ? 'failed' : replayedFor),
  })
}

/** What a pool goes without although its options or its environment make one expect it. */
export interface WiringGap {
  readonly code: 'HEADWATER_NO_PRIMARY_REGION' | 'HEADWATER_NO_REPLICA'
  /** What is so, and what to do. */
  readonly message: string
}

/** What the gaps depend on. */
export interface Wiring {
  readonly region: string | undefined
  readonly primaryRegion: string | undefined
  /** Whether there are replicas, or the app has said that there are none. */
  readonly hasReplicas: boolean
}

/** Finds what a process in a named region should know, and would not notice: all works, over the wide network. */
export function gapsIn({ region, primaryRegion, hasReplicas }: Wiring): readonly WiringGap[] {
  if (region === undefined) return []
  if (primaryRegion === undefined) {
    const message =
      `this process is in ${region}, and nothing says where the primary is: so it counts as at home, replays nothing, and sends every query to ` +
      'the primary, however far that is. Set PRIMARY_REGION (`primary_region` in fly.toml), or `primary.region`.'
    return [{ code: 'HEADWATER_NO_PRIMARY_REGION', message }]
  }
  if (region === primaryRegion || hasReplicas) return []
  const message =
    `this process is in ${region}, its primary in ${primaryRegion}, and no replica is known here: every request that reads is replayed there. ` +
    'Set DATABASE_REPLICA_URL, or `replicas`; `replicas: []` says that there are none.'
  return [{ code: 'HEADWATER_NO_REPLICA', message }]
}

const told = new Set<WiringGap['code']>()

/** Warns of each kind once in this process. */
export function warnOfGaps(gaps: readonly WiringGap[]): void {
  for (const { code, message } of gaps) {
    if (told.has(code)) continue
    told.add(code)
    process.emitWarning(`${message} Shown once.`, { type: 'HeadwaterWarning', code })
  }
}

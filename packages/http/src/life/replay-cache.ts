let hasWarned = false

/** Warns, once per process, that a proxy sends requests here by what it remembers: their reads cross as well, and no state comes along. */
export function warnOfReplayCache(): void {
  if (hasWarned) return
  hasWarned = true
  process.emitWarning(
    "a request came to the primary's region by the proxy's replay cache (fly-replay-cache-status: hit): reads of its users come here as well, and nothing shows that they were replayed; take the replay_cache rules out of fly.toml",
    { type: 'HeadwaterWarning', code: 'HEADWATER_REPLAY_CACHED' },
  )
}

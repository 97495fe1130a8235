let hasWarned = false

/** Warns, once per process, that a replay was sent without a sign of a proxy that would act on it. */
export function warnOfMissingProxy(replayTarget: string): void {
  if (hasWarned) return
  hasWarned = true
  process.emitWarning(
    `a request was answered with a ${replayTarget} replay, but no replaying proxy seems to be in front of this app: the client sees a raw 409`,
    { type: 'HeadwaterWarning', code: 'HEADWATER_NO_PROXY' },
  )
}

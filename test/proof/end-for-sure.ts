/** How long what is being closed may take, once there is nothing left to do, in ms. */
const GRACE_MILLIS = 10_000

/**
 * Ends the process although something is still open, and says what it is: a proof always ends. Call it when all is done and closed. That
 * something was left is a failure.
 */
export function endForSure(graceMillis: number = GRACE_MILLIS): void {
  setTimeout(() => {
    const open = process.getActiveResourcesInfo().join(', ')
    console.error(`the proof is over, and ${graceMillis} ms later these are still open: ${open}`)
    process.exit(process.exitCode || 1)
  }, graceMillis).unref()
}

/** A signal that aborts at SIGINT and SIGTERM. What has not closed a minute later is left to the servers' own watchdog. */
export function abortedBySignals(): AbortSignal {
  const controller = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      process.exitCode = signal === 'SIGINT' ? 130 : 143
      controller.abort(new Error(`stopped by ${signal}`))
      endForSure(6 * GRACE_MILLIS)
    })
  }
  return controller.signal
}

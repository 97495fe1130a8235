import { setTimeout as sleep } from 'node:timers/promises'

export interface WaitOptions {
  /** Milliseconds. */
  readonly timeoutMillis: number
  readonly signal?: AbortSignal | undefined
}

/** Asks every few milliseconds until the answer is yes. False when the time is over; rejects when aborted. */
export async function waitUntil(isSo: () => Promise<boolean>, options: WaitOptions): Promise<boolean> {
  const end = performance.now() + options.timeoutMillis
  for (;;) {
    options.signal?.throwIfAborted()
    if (await isSo()) return true
    if (performance.now() >= end) return false
    await sleep(3)
  }
}

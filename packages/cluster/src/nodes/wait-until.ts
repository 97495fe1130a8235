import { setTimeout as sleep } from 'node:timers/promises'

export interface WaitOptions {
  readonly timeoutMillis: number
  readonly signal?: AbortSignal | undefined
}

/** Asks every 3 ms until the answer is true. Resolves to false when the time is up; rejects when aborted. */
export async function waitUntil(isSo: () => Promise<boolean>, options: WaitOptions): Promise<boolean> {
  const end = performance.now() + options.timeoutMillis
  for (;;) {
    options.signal?.throwIfAborted()
    if (await isSo()) return true
    if (performance.now() >= end) return false
    await sleep(3)
  }
}

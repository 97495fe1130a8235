/** Waits for `millis`, or until `signal` is aborted. Keeps no process alive; never rejects. */
export async function sleep(millis: number, signal: AbortSignal): Promise<void> {
  const { setTimeout } = process.getBuiltinModule('node:timers/promises')
  await setTimeout(millis, undefined, { signal, ref: false }).catch(() => undefined)
}

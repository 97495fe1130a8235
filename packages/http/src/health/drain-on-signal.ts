import type { Server } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { OptionsInvalid } from '@headwater/core'
import type { PoolOfApp } from '../options.ts'
import { startDraining } from './draining.ts'

/** Options of `drainOnSignal()`. */
export interface DrainOptions {
  /** The app's `RoutedPool`: it is ended once all requests were answered. */
  readonly pool: PoolOfApp & { end?(): Promise<unknown>; readonly ending?: boolean | undefined }
  /** The app's server: it takes no new connections from `noticeMillis` on. */
  readonly server?: Pick<Server, 'close' | 'closeAllConnections' | 'closeIdleConnections'> | undefined
  /**
   * How long requests are still taken while `/ready` says 503, so that the proxy notices and sends none any more, in ms.
   *
   * @default 1_000
   */
  readonly noticeMillis?: number | undefined
  /**
   * The time from the signal to the end of the process, in ms. Stay below what the platform grants: Fly's `kill_timeout` is 5 s by default,
   * and Kubernetes' `terminationGracePeriodSeconds` 30 s.
   *
   * @default 4_500
   */
  readonly graceMillis?: number | undefined
  /**
   * The signals. Fly sends SIGINT by default, unless `kill_signal` says otherwise; Kubernetes and Docker send SIGTERM.
   *
   * @default ['SIGTERM', 'SIGINT']
   */
  readonly signals?: readonly NodeJS.Signals[] | undefined
}

/**
 * Leaves without losing a request: at the signal `/ready` says 503, so no new request and no replay comes; then the server closes, what runs
 * is answered, the pool ends with its background work, and the process ends by the signal, as it would have without this.
 *
 * Returns a function that takes it back.
 *
 * @example drainOnSignal({ pool, server: app.listen(8080) })
 * @throws {OptionsInvalid} when `noticeMillis` is not below `graceMillis`.
 */
export function drainOnSignal(options: DrainOptions): () => void {
  const { signals = ['SIGTERM', 'SIGINT'], noticeMillis = 1_000, graceMillis = 4_500 } = options
  if (!(noticeMillis >= 0 && noticeMillis < graceMillis && Number.isFinite(graceMillis))) {
    throw new OptionsInvalid('noticeMillis', `${noticeMillis} is not below graceMillis (${graceMillis}); set it lower`)
  }
  const leave = (signal: NodeJS.Signals): void => {
    takeBack()
    void drain(options, noticeMillis, graceMillis).finally(() => {
      // Others that listen to it end the process in their own time.
      if (process.listenerCount(signal) === 0) process.kill(process.pid, signal)
    })
  }
  const takeBack = (): void => {
    for (const signal of signals) process.off(signal, leave)
  }
  for (const signal of signals) process.on(signal, leave)
  return takeBack
}

async function drain({ pool, server }: DrainOptions, noticeMillis: number, graceMillis: number): Promise<void> {
  startDraining(pool)
  const abort = new AbortController()
  const over = sleep(graceMillis, undefined, { signal: abort.signal }).catch(() => undefined)
  const left = sleep(noticeMillis)
    .then(() => closed(server))
    .then(() => (pool.ending === true ? undefined : pool.end?.()))
    .catch(() => undefined)
  await Promise.race([left, over])
  abort.abort()
  server?.closeAllConnections()
}

function closed(server: DrainOptions['server']): Promise<void> {
  if (server === undefined) return Promise.resolve()
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeIdleConnections()
  })
}

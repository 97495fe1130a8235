import type { Position } from '@headwater/core/internal'
import { sendQuestion } from '../driver/send.ts'
import type { Connection, PoolNode } from '../node/pool-node.ts'
import { isPositionRefused, parsePrimarySample, primarySampleText } from './primary-sample.ts'

/** How long a response may be held back for it, in ms. */
const TIMEOUT_MILLIS = 1_000

/** Asks the primary where it is, on a connection of its pool. Rejects when it cannot say, or not within a second. */
export function askPrimary(primary: PoolNode, isCommitAsync: boolean): Promise<Position> {
  if (primary.refusesPosition) return Promise.reject(new Error('[headwater] the primary refuses to say where it is'))
  return new Promise((resolve, reject) => {
    let connection: Connection | undefined
    let isOver = false
    function end(destroy: boolean): boolean {
      if (isOver) return false
      isOver = true
      clearTimeout(timer)
      connection?.release(destroy || undefined)
      return true
    }
    function fail(error: unknown): void {
      if (end(true)) reject(error)
    }
    const timer = setTimeout(
      () => fail(new Error(`[headwater] the primary did not say within ${TIMEOUT_MILLIS} ms where it is`)),
      TIMEOUT_MILLIS,
    )
    primary.connect((_error, connected) => {
      if (connected === undefined || isOver) return connected?.release()
      connection = connected
      const { client } = connected
      const sentAt = performance.now()
      sendQuestion(client, primarySampleText(client, isCommitAsync, sentAt), (error, rows) => {
        if (isPositionRefused(error)) primary.positionRefused(error)
        if (error) return fail(error)
        if (!end(false)) return
        try {
          resolve(parsePrimarySample(client, rows[0] ?? [], sentAt))
        } catch (unreadable) {
          reject(unreadable)
        }
      })
    }, fail)
  })
}

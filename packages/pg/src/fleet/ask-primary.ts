import type { Position } from '@headwater/core/internal'
import { sendQuestion } from '../driver/send.ts'
import type { Connection, PoolNode } from '../node/pool-node.ts'
import { isPositionRefused, parsePrimarySample, primarySampleText } from './primary-sample.ts'

/** How long a response may be held back for the answer. */
const TIMEOUT_MILLIS = 1_000

/** Asks the primary for its position, on a connection of its pool. Rejects when it does not answer within a second, or cannot. */
export function askPrimary(primary: PoolNode, isCommitAsync: boolean): Promise<Position> {
  if (primary.refusesPosition)
    return Promise.reject(new Error('[headwater] the primary refuses to report its position in the WAL'))
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
      () =>
        fail(new Error(`[headwater] the primary did not report its position in the WAL within ${TIMEOUT_MILLIS} ms`)),
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

import type { Position } from '@headwater/core'
import type { PoolNode } from '../pool-node.ts'
import { PRIMARY_SAMPLE, PRIMARY_SAMPLE_ASYNC, primarySampleOf } from './primary-sample.ts'

/** How long a response may be held back for it, in ms. */
const TIMEOUT = 1_000

/** Asks the primary where it is, on a connection of its pool. Rejects when it cannot say, or not within a second. */
export function askPrimary(primary: PoolNode, isCommitAsync: boolean): Promise<Position> {
  return new Promise((resolve, reject) => {
    let give: ((destroy?: boolean) => void) | undefined
    let isOver = false
    function end(destroy: boolean): boolean {
      if (isOver) return false
      isOver = true
      clearTimeout(timer)
      give?.(destroy || undefined)
      return true
    }
    const timer = setTimeout(() => {
      if (end(true)) reject(new Error(`[headwater] the primary did not say within ${TIMEOUT} ms where it is`))
    }, TIMEOUT)
    primary.connect((error, client, release) => {
      if (client === undefined || release === undefined) {
        if (end(false)) reject(error)
        return
      }
      if (isOver) return release()
      give = release
      const sentAt = performance.now()
      const config = { text: isCommitAsync ? PRIMARY_SAMPLE_ASYNC : PRIMARY_SAMPLE, rowMode: 'array', types: AS_TEXT }
      const answered = (failure: unknown, result?: { readonly rows: readonly (readonly unknown[])[] }): void => {
        if (!end(Boolean(failure))) return
        if (failure) return reject(failure)
        try {
          resolve(primarySampleOf(result?.rows[0] ?? [], sentAt))
        } catch (unreadable) {
          reject(unreadable)
        }
      }
      Reflect.apply(client.query, client, [config, answered])
    })
  })
}

/** Every value as Postgres prints it, whatever parsers the app has set. */
const AS_TEXT = { getTypeParser: () => String }

import type pg from 'pg'
import { poolInternalsOf } from './pg-internals.ts'

/**
 * Takes a connection that is free from pg's pool, now: `pool.connect` gives it in a later turn of the event loop, and makes a queue of
 * one for it. `undefined` when there is none, when others wait for one, or when the pool's `connect` is not pg's own: who has put
 * something around it wants to see each call.
 */
export function takeIdle(pool: pg.Pool): pg.PoolClient | undefined {
  const internals = poolInternalsOf(pool)
  const { _idle: idle, _pendingQueue: pending } = internals
  if (idle === undefined || idle.length === 0 || pending === undefined || pending.length > 0) return undefined
  if (internals.ending || internals._acquireClient === undefined || !isPgsOwn(pool.connect)) return undefined
  const item = idle.pop()
  if (item === undefined) return undefined
  const { client, idleListener, timeoutId } = item
  clearTimeout(timeoutId)
  client.ref()
  internals._acquireClient(client, NOBODY_WAITS, idleListener, false)
  return client
}

const NOBODY_WAITS = Object.freeze({ callback: () => undefined })

let lastSeen: unknown
let isLastOwn = false

/** What is put around a function does not have its source. */
function isPgsOwn(connect: unknown): boolean {
  if (connect !== lastSeen) {
    lastSeen = connect
    isLastOwn = Function.prototype.toString.call(connect).includes('_pendingQueue')
  }
  return isLastOwn
}

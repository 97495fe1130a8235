import { setTimeout as sleep } from 'node:timers/promises'
import type { RoutedPool } from '../src/index.ts'

/** So many uses of a text, and it is prepared on a connection that has answered them all. */
export const USES = 7

const PATIENCE_MILLIS = 20_000

/** Waits until a pool prepares what comes back at its primary: it asks the server once whether that keeps statements. */
export async function untilPrepared(pool: RoutedPool): Promise<void> {
  const until = performance.now() + PATIENCE_MILLIS
  while (performance.now() < until) {
    await pool.query('select $1::int as n', [1])
    if (pool.status().servers[0]?.prepared.state === 'on') return
    await sleep(5)
  }
  throw new Error('the pool prepares nothing')
}

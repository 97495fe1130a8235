import type { RoutedPool } from '../src/index.ts'

const PATIENCE_MILLIS = 20_000

/** How many reads have had a share of a connection, on all servers. */
export function servedOf(pool: RoutedPool): number {
  return pool.status().servers.reduce((sum, { lanes }) => sum + lanes.served, 0)
}

/** Waits until reads of a text share connections: it has to come back, be prepared, and be measured fast. */
export async function untilShared(pool: RoutedPool, text: string, values: unknown[]): Promise<void> {
  const until = performance.now() + PATIENCE_MILLIS
  while (performance.now() < until) {
    const before = servedOf(pool)
    await Promise.all([1, 2].map(() => pool.query(text, values)))
    if (servedOf(pool) === before + 2) return
  }
  throw new Error(`the pool shares no connection for ${text}`)
}

import { setTimeout as sleep } from 'node:timers/promises'
import { diagnostics, type RouteEvent, runInScope, Scope, withReplica } from '@headwater/core'
import type { RoutedPool } from '@headwater/pg'

const PATIENCE_MILLIS = 10_000
const PAUSE_MILLIS = 5

/**
 * Waits until a pool goes by the catalog of its database: until it knows that a function of ours reads, of which nobody has
 * told it. The function is asked of a replica, so a connection to one is left idle.
 *
 * @throws when it does not after 10 s.
 */
export async function untilCatalogIsRead(pool: RoutedPool): Promise<void> {
  const scope = new Scope()
  let access: RouteEvent['access'] | undefined
  const hear = (event: unknown): void => {
    const { scope: number, access: heard } = event as RouteEvent
    if (number === scope.number) access = heard
  }
  diagnostics.route.subscribe(hear)
  try {
    for (const end = performance.now() + PATIENCE_MILLIS; access !== 'read'; await sleep(PAUSE_MILLIS)) {
      if (performance.now() > end) throw new Error('the pool has not read the catalog: it is off, or no server answers')
      await runInScope(scope, () => withReplica(() => pool.query('select known_to_the_catalog()'))).catch(
        () => undefined,
      )
    }
  } finally {
    diagnostics.route.unsubscribe(hear)
  }
}

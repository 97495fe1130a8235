import { setTimeout as sleep } from 'node:timers/promises'
import type { RoutedPool } from '@headwater/pg'
import { who } from './who.ts'

const PATIENCE_MILLIS = 10_000
const PAUSE_MILLIS = 2

/**
 * Waits until a replica answers reads outside any scope: after a write there the primary does, until a replica has it (R9).
 *
 * @throws when none does after 10 s.
 */
export async function untilHome(pool: RoutedPool): Promise<void> {
  for (const end = performance.now() + PATIENCE_MILLIS; (await who(pool)) === 'primary'; await sleep(PAUSE_MILLIS)) {
    if (performance.now() > end) throw new Error('reads outside scopes stay at the primary')
  }
}

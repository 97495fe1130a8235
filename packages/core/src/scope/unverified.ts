import { diagnostics, type UnverifiedEvent } from '../diagnostics.ts'
import type { Logger } from '../warnings/logger.ts'
import { warn } from '../warnings/warn.ts'

let count = 0

/**
 * Notes something of our form that none of this process's secrets has made. It counts as absent, so two regions with different
 * secrets would go unnoticed. Published each time; warned of once per process, whatever clients send.
 */
export function reportUnverified(carrier: UnverifiedEvent['carrier'], logger?: Logger | false): void {
  count += 1
  if (diagnostics.unverified.hasSubscribers) {
    diagnostics.unverified.publish({ carrier, count } satisfies UnverifiedEvent)
  }
  warn('HEADWATER_SECRETS_DIFFER', { carrier }, { logger })
}

import { diagnostics, type UnverifiedEvent } from '../diagnostics.ts'

let count = 0

/**
 * Notes something of our form that none of this process's secrets has made. It counts as absent, so two regions with different
 * secrets would go unnoticed. Published each time; warned of once per process, whatever clients send.
 */
export function reportUnverified(carrier: UnverifiedEvent['carrier']): void {
  count += 1
  if (diagnostics.unverified.hasSubscribers) {
    diagnostics.unverified.publish({ carrier, count } satisfies UnverifiedEvent)
  }
  if (count > 1) return
  process.emitWarning(
    `a ${carrier} of Headwater's form was made with none of this process's secrets, and is not believed: give every region and every instance the same HEADWATER_SECRET, and keep an old one in the list for as long as its tokens live. If they all have the same, a client has made it up. This is said once; the channel headwater:unverified counts on`,
    { type: 'HeadwaterWarning', code: 'HEADWATER_SECRETS_DIFFER' },
  )
}

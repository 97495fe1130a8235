import type { Frame, Routing } from '@headwater/core/internal'
import type { Fleet } from '../fleet/fleet.ts'
import type { Connected, PoolNode } from '../node/pool-node.ts'

/**
 * Takes a connection before there is a statement that says where it belongs. At home it leads to the primary; away to a replica
 * next door, or to the primary when none can be had. `withPrimary()` and `withReplica()` are obeyed.
 *
 * An error is pg's own, as wait loops ask for; in a request a primary that is out of service is a `PrimaryUnavailable`.
 */
export function connectEarly(fleet: Fleet, routing: Routing, frame: Frame | undefined, connected: Connected): void {
  if (fleet.firstNews.isAwaited) {
    fleet.begin()
    return fleet.firstNews.wait(() => connectEarly(fleet, routing, frame, connected))
  }
  const isNextDoor =
    frame?.forced === undefined ? routing === 'automatic' && !fleet.topology.isAtHome : frame.forced === 'replica'
  if (isNextDoor) connectToFirst(fleet.local, connected, toPrimary)
  else toPrimary()

  function toPrimary(): void {
    if (frame?.scope?.kind === 'request') fleet.access.connect(connected)
    else fleet.primary.connect(connected, connected)
  }
}

/** Tries each node once, in this order. */
function connectToFirst([node, ...others]: readonly PoolNode[], connected: Connected, none: () => void): void {
  if (node === undefined) none()
  else if (node.tryProbe()) node.connect(connected, () => connectToFirst(others, connected, none))
  else connectToFirst(others, connected, none)
}

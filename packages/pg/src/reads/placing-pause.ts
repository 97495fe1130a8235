import type { Fleet } from '../fleet/fleet.ts'

/** A process that writes and reads all the time asks no more often than this for a replica next door. */
const NEXT_DOOR_MILLIS = 10
/** The same for those of other regions, which are read when the primary is gone: then it is too late to ask. */
const FAR_MILLIS = 1_000

/** How often the primary may be asked how far a replica must be, in ms; `undefined` where no replica is read, now or ever. */
export function placingPauseMillis(fleet: Fleet): number | undefined {
  if (fleet.topology.hasReplica) return NEXT_DOOR_MILLIS
  return fleet.readsElsewhere !== 'never' && fleet.replicasOf(undefined).far.length > 0 ? FAR_MILLIS : undefined
}

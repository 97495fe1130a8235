import { findInCauses } from '../errors/find-in-causes.ts'
import { HeadwaterError } from '../errors/headwater-error.ts'
import { classifyRefusal } from '../errors/refusal.ts'

/**
 * Whether a database's error means that the statement needs the primary (P2), when a standby raised it: 25006 and the other refusals
 * of a standby, and unknown objects (42P01, 42703 …), because a standby may lag behind DDL. Looks through the wrappers of ORMs.
 *
 * For errors of connections that are not this pool's: `RoutedPool` does this by itself, and an error of ours is its last word. Who
 * raised it cannot be seen: inside READ ONLY a primary answers 25006 too.
 *
 * @example app.use(headwater({ pool, replayOn: needsPrimary }))
 */
export function needsPrimary(error: unknown): boolean {
  const refusal = classifyRefusal(error, true)
  return (refusal === 'refused' || refusal === 'unknown-object') && !isOwn(error)
}

function isOwn(error: unknown): boolean {
  const own = findInCauses(error, (candidate): candidate is HeadwaterError => candidate instanceof HeadwaterError)
  return own !== undefined
}

import { currentScope } from './frame.ts'

/**
 * Declares that this request is about to do something that must not happen twice (a charge, a mail): no replay from now on (P4).
 *
 * Call it before the deed, never behind it, and `ensurePrimary()` before it when a write may follow: away from home that write
 * would be refused, with the deed done. Does nothing outside a scope.
 *
 * @throws {ReplayToPrimary} when the scope is spent already: the request runs again elsewhere, and the deed with it.
 */
export function sideEffects(): void {
  const scope = currentScope()
  if (scope?.replay !== undefined) throw scope.replay
  scope?.obstruct('side-effects')
}

/**
 * Makes sure that the rest of this request runs in the primary's region: replays now, before any work, when it does not (P5).
 *
 * Does nothing at home, and nothing outside a request: a job has nobody to replay it.
 *
 * @throws {ReplayToPrimary} away from home.
 * @throws {ReplayImpossible} away from home, when something speaks against the replay.
 */
export function ensurePrimary(): void {
  const scope = currentScope()
  if (scope?.topology === undefined || scope.kind !== 'request') return
  scope.hasNeededPrimary = true
  const topology = scope.topology()
  if (!topology.isAtHome) throw scope.askForReplay(topology, 'ensure-primary')
}

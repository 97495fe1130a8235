import { PrimaryUnavailable } from '../errors/primary-unavailable.ts'
import { currentScope } from './frame.ts'

/**
 * Forbids the replay of this request from now on, because it is about to do something that must not happen twice (P4).
 *
 * Call it before the action (a charge, a mail), never after it. When a write may follow, call `ensurePrimary()` first: away from
 * home that write would be refused, and the action already done. Does nothing outside a scope.
 *
 * @throws {ReplayToPrimary} when the scope is already spent: the request runs again elsewhere, and does the action there.
 *
 * @example
 * ensurePrimary()
 * forbidReplay()
 * await chargeCard(order)
 */
export function forbidReplay(): void {
  const scope = currentScope()
  if (scope?.isSpent === true) throw scope.replay
  scope?.blockReplay('forbidden')
}

/**
 * Makes sure that the rest of this request runs in the primary's region: away from home it replays now, before any work (P5).
 *
 * At home it begins the client's session, if there is none: what is read after it does not vanish in the client's next request (F9).
 * Does nothing outside a request: a job cannot be replayed.
 *
 * @throws {ReplayToPrimary} away from home.
 * @throws {ReplayImpossible} away from home, when a replay cannot work.
 * @throws {PrimaryUnavailable} in a request that was replayed to here, while no server is known to be the primary: the request has
 * waited for one before its handler ran (X9).
 *
 * @example
 * app.get('/unsubscribe', async (c) => {
 *   ensurePrimary() // this GET writes: replay it before any work
 *   return c.json(await unsubscribe(c.req.query('id')))
 * })
 */
export function ensurePrimary(): void {
  const scope = currentScope()
  if (scope?.topology === undefined || scope.kind !== 'request') return
  scope.hasNeededPrimary = true
  const topology = scope.topology()
  // Whoever sent it here may know more: it is not refused for what is out of date here, and may come again.
  if (scope.awaitsPrimary && !topology.isAtHome) throw scope.refuse(new PrimaryUnavailable(undefined))
  // What was written before the primary moved away would be written again.
  if (!topology.isAtHome && !scope.hasWritten) throw scope.askForReplay(topology, 'ensure-primary')
  if (scope.session.isWanted) scope.session.begin()
}

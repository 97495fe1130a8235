import { classifyRefusal } from '../errors/refusal.ts'
import { needsPrimary } from '../replay/needs-primary.ts'
import { currentScope } from './frame.ts'

/**
 * Hands this request over when another client's error means that it needs the primary: a second pool, an ORM's own engine.
 *
 * Does nothing for any other error, outside a request, once the request has written through a pool of ours (it would write twice), and
 * for an unknown object where no replay is possible: there the object does not exist. So throw the error behind it. What the request has done before is done again in the primary's region.
 *
 * @default isWanted: needsPrimary
 * @throws {ReplayToPrimary} with the error as `cause`; also in a scope that is spent already.
 * @throws {ReplayImpossible} when the error means so, and a replay cannot work: at home, or for another reason (P4).
 *
 * @example
 * try {
 *   await otherPool.query('insert into audit …')
 * } catch (error) {
 *   replayOn(error)
 *   throw error
 * }
 */
export function replayOn(error: unknown, isWanted: (error: unknown) => boolean = needsPrimary): void {
  const scope = currentScope()
  if (scope?.topology === undefined || scope.kind !== 'request') return
  if (scope.isSpent) throw scope.replay
  // What it has written here would be written again.
  if (scope.hasWritten || !isWanted(error)) return
  const topology = scope.topology()
  const isUnknownObject = classifyRefusal(error, true) === 'unknown-object'
  if (isUnknownObject && (topology.isAtHome || scope.blocker !== undefined)) return
  throw scope.askForReplay(topology, isUnknownObject ? 'unknown-object' : 'refused', error)
}

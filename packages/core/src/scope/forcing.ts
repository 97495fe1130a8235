import { parseGroup } from '../nodes/group.ts'
import { type Consistency, parseConsistency } from '../route/consistency.ts'
import { outerFrame, runIn } from './frame.ts'

/**
 * Runs `fn` with every statement at the primary, and restores the outer choice after it, also on a throw (R6).
 *
 * Away from home, inside a request, the first statement in it asks for the replay.
 *
 * @example
 * const balance = await withPrimary(() => pool.query('select balance from account where id = $1', [id]))
 */
export function withPrimary<Result>(fn: () => PromiseLike<Result>): Promise<Result>
export function withPrimary<Result>(fn: () => Result): Result
export function withPrimary(fn: () => unknown): unknown {
  return runIn({ ...outerFrame(), forced: 'primary', group: undefined }, fn)
}

/** Options of `withReplica`. */
export interface WithReplicaOptions {
  /**
   * The replicas that the pool's options name so: the nearest of them that can be read.
   *
   * @default those of the `withReplica` around it, else all that are in no group
   */
  readonly group?: string | undefined
}

/**
 * Runs `fn` with every statement on a replica, also after a write (R4 is off inside), and restores the outer choice after it (R6).
 *
 * @throws {WriteOnReplica} from the query, for a statement that must not run on a replica.
 * @throws {OptionsInvalid} at once for a group that is no name, and from the query for one that its pool does not have.
 *
 * @example
 * const report = await withReplica(() => pool.query('select region, sum(total) from sale group by region'), { group: 'reports' })
 */
export function withReplica<Result>(fn: () => PromiseLike<Result>, options?: WithReplicaOptions): Promise<Result>
export function withReplica<Result>(fn: () => Result, options?: WithReplicaOptions): Result
export function withReplica(fn: () => unknown, options: WithReplicaOptions = {}): unknown {
  const outer = outerFrame()
  const group = options.group === undefined ? outer.group : parseGroup('group', options.group)
  return runIn({ ...outer, forced: 'replica', group }, fn)
}

/**
 * Runs `fn` with every read as fresh as `consistency` says, whatever the pool or the scope say; restored after it, also on a throw.
 *
 * @throws {OptionsInvalid} at once, for any other value.
 *
 * @example
 * const tags = await withConsistency('eventual', () => pool.query('select name from tag'))
 */
export function withConsistency<Result>(consistency: Consistency, fn: () => PromiseLike<Result>): Promise<Result>
export function withConsistency<Result>(consistency: Consistency, fn: () => Result): Result
export function withConsistency(consistency: Consistency, fn: () => unknown): unknown {
  return runIn({ ...outerFrame(), consistency: parseConsistency('consistency', consistency) }, fn)
}

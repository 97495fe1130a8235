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
  return runIn({ ...outerFrame(), forced: 'primary' }, fn)
}

/**
 * Runs `fn` with every statement on a replica, also after a write (R4 is off inside), and restores the outer choice after it (R6).
 *
 * @throws {WriteOnReplica} from the query, for a statement that must not run on a replica.
 *
 * @example
 * const report = await withReplica(() => pool.query('select region, sum(total) from sale group by region'))
 */
export function withReplica<Result>(fn: () => PromiseLike<Result>): Promise<Result>
export function withReplica<Result>(fn: () => Result): Result
export function withReplica(fn: () => unknown): unknown {
  return runIn({ ...outerFrame(), forced: 'replica' }, fn)
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

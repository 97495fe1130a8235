import { type Consistency, parseConsistency } from '../route/consistency.ts'
import { outerFrame, runIn } from './frame.ts'

/**
 * Runs `fn` with every statement at the primary (R6); what was forced before is in force again after, also on a throw.
 *
 * Away from home, inside a request, the first statement in it asks for the replay.
 */
export function withPrimary<Result>(fn: () => PromiseLike<Result>): Promise<Result>
export function withPrimary<Result>(fn: () => Result): Result
export function withPrimary(fn: () => unknown): unknown {
  return runIn({ ...outerFrame(), forced: 'primary' }, fn)
}

/**
 * Runs `fn` with every statement on a replica (R6), also after a write (R4 is off inside).
 *
 * @throws {WriteOnReplica} from the query, for a statement that must not run on a replica.
 */
export function withReplica<Result>(fn: () => PromiseLike<Result>): Promise<Result>
export function withReplica<Result>(fn: () => Result): Result
export function withReplica(fn: () => unknown): unknown {
  return runIn({ ...outerFrame(), forced: 'replica' }, fn)
}

/**
 * Runs `fn` with every read as fresh as `consistency` says, whatever the pool or the scope say; restored after, also on a throw.
 *
 * @throws {OptionsInvalid} at once, for another word.
 */
export function withConsistency<Result>(consistency: Consistency, fn: () => PromiseLike<Result>): Promise<Result>
export function withConsistency<Result>(consistency: Consistency, fn: () => Result): Result
export function withConsistency(consistency: Consistency, fn: () => unknown): unknown {
  return runIn({ ...outerFrame(), consistency: parseConsistency('consistency', consistency) }, fn)
}

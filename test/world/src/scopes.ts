import { runInScope, Scope, type ScopeOptions } from '@headwater/core'
import type { RoutedPool } from '@headwater/pg'

/** The scope of a request that could be replayed. */
export function requestScope(pool: RoutedPool, session?: ScopeOptions['session']): Scope {
  return new Scope({ kind: 'request', topology: () => pool.topology, session })
}

/** Runs as a request that could be replayed. */
export function inRequest<Result>(pool: RoutedPool, fn: () => Promise<Result>): Promise<Result> {
  return runInScope(requestScope(pool), fn)
}

/** Runs as a job would: in a scope that nobody can replay. */
export function inJob<Result>(fn: () => Promise<Result>): Promise<Result> {
  return runInScope(new Scope(), fn)
}

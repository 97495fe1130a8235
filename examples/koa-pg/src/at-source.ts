import { runInScope, Scope, withPrimary } from '@headwater/core'

/**
 * Asks the primary itself, over the ocean if need be, without handing the request over.
 *
 * For the one question that the replica next door could not answer yet, such as a session that is a moment old. Inside the
 * request, `withPrimary` would replay all of it, and the route would be remembered as one that needs the primary.
 */
export function atSource<Result>(ask: () => PromiseLike<Result>): Promise<Result> {
  return runInScope(new Scope(), () => withPrimary(ask))
}

import { PrimaryUnavailable, ReplayImpossible } from '@headwater/core'
import { findInCauses } from '@headwater/core/internal'

/**
 * Finds the error of ours that an ORM has wrapped (Drizzle, TypeORM, Sequelize): it knows its status and headers, the wrapper
 * does not. `undefined` when there is none, or when `error` is it.
 */
export function wrappedOwnError(error: unknown): ReplayImpossible | PrimaryUnavailable | undefined {
  if (isOwn(error)) return undefined
  return findInCauses(error, isOwn)
}

function isOwn(error: unknown): error is ReplayImpossible | PrimaryUnavailable {
  return error instanceof ReplayImpossible || error instanceof PrimaryUnavailable
}

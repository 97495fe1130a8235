import { PrimaryUnavailable, ReplayImpossible } from '@headwater/core'
import { findInCauses } from '@headwater/core/internal'

/**
 * Finds the Headwater error that an ORM has wrapped (Drizzle, TypeORM, Sequelize do). It has a status and headers; the
 * wrapper has not. Returns `undefined` when there is none, or when `error` itself is one.
 */
export function unwrapOwnError(error: unknown): ReplayImpossible | PrimaryUnavailable | undefined {
  if (isOwn(error)) return undefined
  return findInCauses(error, isOwn)
}

function isOwn(error: unknown): error is ReplayImpossible | PrimaryUnavailable {
  return error instanceof ReplayImpossible || error instanceof PrimaryUnavailable
}

import { ConnectionLost, PrimaryUnavailable, ReplayImpossible } from '@headwater/core'
import { findInCauses } from '@headwater/core/internal'

/** The errors of ours that have a status and headers of their own. */
export type OwnError = ReplayImpossible | PrimaryUnavailable | ConnectionLost

/**
 * Finds the Headwater error that an ORM has wrapped (Drizzle, TypeORM, Sequelize do). It has a status and headers; the
 * wrapper has not. Returns `undefined` when there is none, or when `error` itself is one.
 */
export function unwrapOwnError(error: unknown): OwnError | undefined {
  if (isOwn(error)) return undefined
  return findInCauses(error, isOwn)
}

function isOwn(error: unknown): error is OwnError {
  return error instanceof ReplayImpossible || error instanceof PrimaryUnavailable || error instanceof ConnectionLost
}

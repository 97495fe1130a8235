import { findInCauses } from '../errors/find-in-causes.ts'
import { findReplay } from '../replay/replay-to-primary.ts'
import { currentScope } from './frame.ts'

/**
 * Whether an error needs no report: it is a replay, in whatever wrapper, or the request that it belongs to is replayed. Such a request
 * runs again in the primary's region; what failed here did no harm.
 *
 * Unlike `findReplay()` it also knows a replay of which a wrapper has kept nothing but the code (Prisma), and one of which nothing is left:
 * it asks the scope that it is called in.
 *
 * @example Sentry.init({ beforeSend: (event, hint) => (isReplay(hint.originalException) ? null : event) })
 */
export function isReplay(error?: unknown): boolean {
  return currentScope()?.isSpent === true || findReplay(error) !== undefined || hasCodeOfReplay(error)
}

function hasCodeOfReplay(error: unknown): boolean {
  const found = findInCauses(
    error,
    (candidate): candidate is object => Reflect.get(candidate, 'code') === 'HEADWATER_REPLAY_TO_PRIMARY',
  )
  return found !== undefined
}

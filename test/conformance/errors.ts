import { findReplay } from '@headwater/core'
import pg from 'pg'

/** What a handler that catches a database error finds in it, and how many errors the library put around it. */
export async function describeError(promise: Promise<unknown>): Promise<unknown> {
  const caught = await promise.then(
    () => 'no error',
    (error: unknown) => error,
  )
  // A catch-all of a real app lets this one pass too, or the adapter replays all the same.
  if (findReplay(caught) !== undefined) throw caught
  const chain = [...causesOf(caught)]
  const wrappers = chain.findIndex((error) => error instanceof pg.DatabaseError)
  const error = chain[wrappers]
  if (!(error instanceof pg.DatabaseError)) return { isDatabaseError: false, caught: String(caught) }
  const { code, severity, table, constraint, routine } = error
  return { isDatabaseError: true, code, severity, table, constraint, routine, wrappers }
}

/** The code of our own error, through what a library put around it. */
export function codeOf(error: unknown): string {
  for (const cause of causesOf(error)) {
    const code = Reflect.get(cause, 'code')
    if (typeof code === 'string') return code
  }
  return String(error)
}

function* causesOf(error: unknown): Generator<Error> {
  for (let cause = error; cause instanceof Error; cause = cause.cause) yield cause
}

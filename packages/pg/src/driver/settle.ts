import { isServerError } from './pg-errors.ts'

/** The callback that ends a query, with pg's own two arguments. */
export type Settle = (error: unknown, result?: unknown) => void

/** Lets only the first call through: for values that it cannot send, pg calls back with the error and again when the server is ready. */
export function once(settle: Settle): Settle {
  let isAnswered = false
  return (error, result) => {
    if (isAnswered) return
    isAnswered = true
    settle(error, result)
  }
}

/** Makes a promise of a callback, as pg does: the stack of a database error leads to the caller. */
export function toPromise(start: (settle: Settle) => void): Promise<unknown> {
  return new Promise((resolve, reject) => {
    start((error, result) => {
      if (error) reject(error)
      else resolve(result)
    })
  }).catch((error: unknown) => {
    if (isServerError(error)) Error.captureStackTrace(error)
    throw error
  })
}

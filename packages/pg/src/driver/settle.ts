import { isServerError } from './pg-errors.ts'

/** The callback that ends a query, with pg's own two arguments. */
export type Settle = (error: unknown, result?: unknown) => void

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

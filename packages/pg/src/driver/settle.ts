import { isServerError } from './pg-errors.ts'

/** What a query ends with: pg's own two arguments. */
export type Settle = (error: unknown, result?: unknown) => void

/** pg calls back twice for values that it cannot send: with the error, and when the server is ready again. */
export function once(settle: Settle): Settle {
  let isAnswered = false
  return (error, result) => {
    if (isAnswered) return
    isAnswered = true
    settle(error, result)
  }
}

/** Runs `start` with a settle function and gives back pg's promise for it: a database error's stack leads to the caller. */
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

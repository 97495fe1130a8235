import { HeadwaterError } from '@headwater/core'

/** The callback that ends a query, with pg's own two arguments. */
export type Settle = (error: unknown, result?: unknown) => void

/** Makes a promise of a callback, as pg does: the stack of an error that is not ours leads to the caller. */
export function toPromise(start: (settle: Settle) => void, Own: PromiseConstructor = Promise): Promise<unknown> {
  return new Own((resolve, reject) => {
    start((error, result) => {
      if (error) reject(error)
      else resolve(result)
    })
  }).catch((error: unknown) => {
    if (error instanceof Error && !(error instanceof HeadwaterError)) Error.captureStackTrace(error)
    throw error
  })
}

import type { IncomingMessage, ServerResponse } from 'node:http'
import { findReplay, runInScope } from '@headwater/core'
import { Lifecycle } from './lifecycle.ts'
import type { HeadwaterOptions } from './options.ts'
import { wrappedOwnError } from './own-error.ts'
import { openNodeRequest } from './request/node-request.ts'

export type { HeadwaterOptions } from './options.ts'

/** The smallest subset of an Express request handler that both Express 4 and 5 accept. */
export type ExpressMiddleware = (
  request: IncomingMessage & { readonly originalUrl?: string },
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void

/**
 * Express 4 and 5: opens a scope for every request, and answers with a replay when the request needs the primary's region.
 *
 * `app.use(headwater({ pool }))`, before what queries the database.
 *
 * @throws {OptionsInvalid} at once, when an option is wrong.
 */
export function headwater(options: HeadwaterOptions): ExpressMiddleware {
  const lifecycle = new Lifecycle(options)
  return function headwaterMiddleware(request, response, next) {
    // `url` loses its head inside a mounted router.
    const life = openNodeRequest(lifecycle, request, response, request.originalUrl ?? request.url ?? '/')
    if (life === undefined) next()
    else if (life.isSpent) response.end()
    else runInScope(life.scope, () => next())
  }
}

/** The smallest subset of an Express error handler that both Express 4 and 5 accept; they know it by its four parameters. */
export type ExpressErrorMiddleware = (
  error: unknown,
  request: IncomingMessage,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void

/**
 * Keeps replays out of Express's error log, and takes errors of ours out of what an ORM put around them, so that Express
 * finds their status: `app.use(quietReplays())` after the routes, before other error handlers.
 *
 * Optional. Without it a write that was met late is replayed all the same, and Express prints the error.
 */
export function quietReplays(): ExpressErrorMiddleware {
  return function quietReplaysMiddleware(error, _request, response, next) {
    if (findReplay(error) === undefined) next(wrappedOwnError(error) ?? error)
    // The gate on the response puts the replay here.
    else response.end()
  }
}

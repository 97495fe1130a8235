import type { IncomingMessage, ServerResponse } from 'node:http'
import {
  answerOnNode,
  createLifecycle,
  type HeadwaterOptions,
  HealthChecks,
  type HealthOptions,
  nodeRequestLifeOf,
  openNodeRequest,
  unwrapOwnError,
} from './adapter.ts'
import { expressPatternOf } from './routes/express-routes.ts'

export type { HealthOptions } from './health/health-options.ts'
export type { HeadwaterOptions } from './options.ts'

/** The smallest subset of an Express request handler that both Express 4 and 5 accept. */
export type ExpressMiddleware = (
  request: IncomingMessage & { readonly originalUrl?: string },
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void

/**
 * The middleware for Express 4 and 5: runs every request in a scope, and answers with a replay when a request needs the
 * primary's region. Use it before everything that queries the database.
 *
 * @example app.use(headwater({ pool }))
 * @throws {OptionsInvalid} at once, when an option is wrong.
 */
export function headwater(options: HeadwaterOptions): ExpressMiddleware {
  const lifecycle = createLifecycle(options)
  return function headwaterMiddleware(request, response, next) {
    // Inside a mounted router `url` lacks the path of the mount.
    const path = request.originalUrl ?? request.url ?? '/'
    const life = openNodeRequest(lifecycle, request, response, path, expressPatternOf)
    if (life === undefined) next()
    else life.enter(next)
  }
}

/** The smallest subset of an Express error handler that both Express 4 and 5 accept. Express counts its four parameters. */
export type ExpressErrorMiddleware = (
  error: unknown,
  request: IncomingMessage,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void

/**
 * Keeps replays out of Express's error log and of the error handlers behind it, unwraps Headwater errors from what an ORM put around
 * them, and gives errors to the option `replayOn`. Use it after the routes and before other error handlers (Sentry's, too).
 *
 * It is optional: without it a replay is sent all the same, a refusal has its status, and Express prints the error.
 *
 * @example app.use(replayErrorHandler())
 */
export function replayErrorHandler(): ExpressErrorMiddleware {
  return function replayErrorMiddleware(error, _request, response, next) {
    // In a request that is replayed, whatever failed needs no report.
    if (nodeRequestLifeOf(response)?.handOver(error) === true) return
    next(unwrapOwnError(error) ?? error)
  }
}

/**
 * Answers `/health` (the process lives) and `/ready` (send it requests), and `headwater doctor --remote`. Use it before `headwater()`: then
 * these requests have no scope and are never replayed.
 *
 * @example app.use(health({ pool }))
 * @throws {OptionsInvalid} at once, when an option is wrong.
 */
export function health(options: HealthOptions): ExpressMiddleware {
  const checks = new HealthChecks(options)
  return function healthMiddleware(request, response, next) {
    const answered = answerOnNode(checks, request, response, request.originalUrl ?? request.url ?? '/')
    if (answered === undefined) next()
  }
}

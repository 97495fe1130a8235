/**
 * What you need to write the adapter of another HTTP framework. The adapters for Hono, Express and Koa are written with
 * nothing else; `describeHttpAdapter` from `@headwater/http/testing` checks yours.
 *
 * @module
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { adapterMisused } from './life/adapter-misused.ts'
import { HttpLifecycle, type Lifecycle } from './life/lifecycle.ts'
import { type NodeRequestLife, openNodeRequestLife } from './life/node-request-life.ts'
import type { HeadwaterOptions } from './options.ts'
import type { PatternOf } from './request/node-request.ts'

export { sendForwarded } from './forward/forwarded-answer.ts'
export { answerOnNode } from './health/answer-on-node.ts'
export { type HealthAnswer, HealthChecks } from './health/health-checks.ts'
export type { HealthOptions } from './health/health-options.ts'
export type { Lifecycle } from './life/lifecycle.ts'
export { type NodeRequestLife, nodeRequestLifeOf } from './life/node-request-life.ts'
export type { RequestLife } from './life/request-life.ts'
export type { HeadwaterOptions } from './options.ts'
export { unwrapOwnError } from './own-error.ts'
export type { ReplayAnswer } from './replay/replay-target.ts'
export { headerIn, nodeRequestIn, type PatternOf } from './request/node-request.ts'
export type { RequestFacts } from './request/request-facts.ts'
export type { ResponseHead } from './response/response-head.ts'

/**
 * Makes the lifecycle of an app: once, when the app is set up.
 *
 * @example
 * export function headwater(options: HeadwaterOptions): Middleware {
 *   const lifecycle = createLifecycle(options)
 *   return async (context, next) => {
 *     const life = lifecycle.open(factsOf(context))
 *     if (life === undefined) return next()
 *     // Errors become pages inside: the token of what was written before an error belongs on its page.
 *     await life.run(() => next().catch((error) => showErrorPage(context, error)))
 *     const replay = await life.respond(headOf(context))
 *     if (replay !== undefined) context.response = new Response(null, replay)
 *   }
 * }
 * @throws {OptionsInvalid} when an option is wrong.
 */
export function createLifecycle(options: HeadwaterOptions): Lifecycle {
  return new HttpLifecycle(options)
}

/**
 * Opens the life of one request in a framework that works on Node's own request and response. Call it before anything
 * writes to the response. Returns `undefined` when the app skips this request.
 *
 * `url` is the path and query as the client sent them. Give it where the framework rewrites `request.url`, as a mounted
 * Express router does; the default is `request.url`. `pattern` finds the framework's pattern of the route that will run, as
 * `RequestFacts.pattern` says; it is asked only where some route is known to write by a safe method.
 *
 * @example
 * const life = openNodeRequest(lifecycle, request, response)
 * await (life === undefined ? handler() : life.run(handler))
 * @throws {TypeError} when `lifecycle` did not come from `createLifecycle()`; its code is HEADWATER_ADAPTER_MISUSED.
 */
export function openNodeRequest(
  lifecycle: Lifecycle,
  request: IncomingMessage,
  response: ServerResponse,
  url: string = request.url ?? '/',
  pattern?: PatternOf,
): NodeRequestLife | undefined {
  if (!(lifecycle instanceof HttpLifecycle)) {
    throw adapterMisused('openNodeRequest() expects what createLifecycle() of this copy of @headwater/http returned')
  }
  return openNodeRequestLife(lifecycle, request, response, url, pattern)
}

import { ServerResponse } from 'node:http'
import type { Context, MiddlewareHandler } from 'hono'
import {
  createLifecycle,
  type HeadwaterOptions,
  HealthChecks,
  type HealthOptions,
  nodeRequestIn,
  type ReplayAnswer,
  sendForwarded,
  unwrapOwnError,
} from './adapter.ts'
import { responseTo, teachErrorsToAnswer } from './hono/hono-errors.ts'
import { factsOf } from './hono/hono-facts.ts'
import { HonoHead } from './hono/hono-head.ts'

export type { HealthOptions } from './health/health-options.ts'
export type { HeadwaterOptions } from './options.ts'

/**
 * The middleware for Hono 4: runs every request in a scope, and answers with a replay when a request needs the primary's
 * region. Use it before everything that queries the database.
 *
 * @example app.use(headwater({ pool }))
 * @throws {OptionsInvalid} at once, when an option is wrong.
 */
export function headwater(options: HeadwaterOptions): MiddlewareHandler {
  const lifecycle = createLifecycle(options)
  teachErrorsToAnswer()
  return async function headwaterMiddleware(context, next) {
    const incoming = nodeRequestIn(context.env)
    const life = lifecycle.open(factsOf(context, incoming), incoming, context.req.raw)
    if (life === undefined) return next()
    if (life.request !== undefined) context.req.raw = life.request
    await life.run(next)
    // Hono keeps what a handler threw to itself.
    if (context.error !== undefined) life.handOver(context.error)
    if (!life.isSpent) showOwnError(context)
    // A streamed body runs on after this: as far as an app can tell, the response starts here.
    const outgoing = nodeResponseIn(context.env)
    const responding = life.respond(new HonoHead(context), outgoing)
    if (responding === undefined) return
    const answer = await responding
    if (answer === undefined) return
    const isSent = outgoing !== undefined && sendForwarded(answer, outgoing)
    replaceResponse(context, isSent ? alreadySent() : responseOf(answer))
  }
}

function responseOf({ status, headers, cookies = [], body }: ReplayAnswer): Response {
  const response = new Response(body ?? null, { status, headers: { ...headers } })
  for (const cookie of cookies) response.headers.append('set-cookie', cookie)
  return response
}

/** Says to @hono/node-server that the response was sent by itself. */
function alreadySent(): Response {
  const response = new Response(null, { headers: { 'x-hono-already-sent': 'true' } })
  // A response of that server that nobody has looked into takes a shorter way, which does not know this header.
  void response.type
  return response
}

/**
 * Answers `/health` (the process lives) and `/ready` (send it requests), and `headwater doctor --remote`. Use it before `headwater()`: then
 * these requests have no scope and are never replayed.
 *
 * @example app.use(health({ pool }))
 * @throws {OptionsInvalid} at once, when an option is wrong.
 */
export function health(options: HealthOptions): MiddlewareHandler {
  const checks = new HealthChecks(options)
  return async function healthMiddleware(context, next) {
    const facts = factsOf(context, nodeRequestIn(context.env))
    if (!checks.isFor(facts)) return next()
    const { status, headers, body } = await checks.answer(facts)
    // A replay has the status that its proxy wants, which need not be one of Hono's.
    return new Response(context.req.method === 'HEAD' ? null : body, { status, headers: { ...headers } })
  }
}

/** Replaces Hono's default page for an unknown error, where the error is one of ours inside an ORM's wrapper. */
function showOwnError(context: Context): void {
  const own = context.res.status === 500 ? unwrapOwnError(context.error) : undefined
  if (own !== undefined) replaceResponse(context, responseTo(own))
}

/** Node's own response, where the server hands it to the app; only then trailers can be sent. */
function nodeResponseIn(environment: unknown): ServerResponse | undefined {
  const isObject = typeof environment === 'object' && environment !== null
  const outgoing: unknown = isObject ? Reflect.get(environment, 'outgoing') : undefined
  return outgoing instanceof ServerResponse ? outgoing : undefined
}

function replaceResponse(context: Context, response: Response): void {
  discardBody(context)
  // Hono would carry the old headers over to a new response.
  context.res = undefined
  context.res = response
}

function discardBody(context: Context): void {
  if (!context.finalized) return
  const { body } = context.res
  if (body !== null && !body.locked) body.cancel().catch(() => {})
}

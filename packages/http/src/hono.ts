import { ServerResponse } from 'node:http'
import type { Context, MiddlewareHandler } from 'hono'
import {
  createLifecycle,
  type HeadwaterOptions,
  HealthChecks,
  type HealthOptions,
  nodeRequestIn,
  type ReplayAnswer,
  type RequestFacts,
  type ResponseHead,
  sendForwarded,
  unwrapOwnError,
} from './adapter.ts'
import { responseTo, teachErrorsToAnswer } from './hono-errors.ts'

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
    const life = lifecycle.open(factsOf(context), nodeRequestIn(context.env), context.req.raw)
    if (life === undefined) return next()
    if (life.request !== undefined) context.req.raw = life.request
    await life.run(next)
    // Hono keeps what a handler threw to itself.
    if (context.error !== undefined) life.handOver(context.error)
    if (!life.isSpent) showOwnError(context)
    // A streamed body runs on after this: as far as an app can tell, the response starts here.
    const outgoing = nodeResponseIn(context.env)
    const answer = await life.respond(headOf(context), outgoing)
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
    const facts = factsOf(context)
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

function factsOf(context: Context): RequestFacts {
  return {
    method: context.req.method,
    // A web-standard request has resolved `..` in its path; Node's own has what the client sent.
    url: pathAndQueryOf(nodeRequestIn(context.env)?.url ?? context.req.url),
    // A request that no server made, as in a test, has its host in the URL alone.
    header: (name) => context.req.header(name) ?? (name === 'host' ? new URL(context.req.url).host : undefined),
    isSecure: context.req.url.startsWith('https:'),
    pattern: () => patternOf(context),
  }
}

/** Behind a wildcard is another router, or a handler of many things: the path says more. `{.+}` is one, too. */
const WILDCARD = /\*|\{[^}]*\./

/** Hono has found the route when its middleware runs: the first of what has matched that is no middleware of many paths. */
function patternOf(context: Context): string | undefined {
  const { matchedRoutes } = context.req
  const path = matchedRoutes.find(({ method, path: own }) => method !== 'ALL' || !WILDCARD.test(own))?.path
  return path === undefined || WILDCARD.test(path) ? undefined : path
}

/** Node's own response, where the server hands it to the app; only then trailers can be sent. */
function nodeResponseIn(environment: unknown): ServerResponse | undefined {
  const isObject = typeof environment === 'object' && environment !== null
  const outgoing: unknown = isObject ? Reflect.get(environment, 'outgoing') : undefined
  return outgoing instanceof ServerResponse ? outgoing : undefined
}

function headOf(context: Context): ResponseHead {
  return {
    status: context.res.status,
    setStatus: (status) => {
      context.res = new Response(context.res.body, { status, headers: context.res.headers })
    },
    get: (name) => context.res.headers.get(name) ?? undefined,
    set: (name, value) =>
      change(
        () => context.res.headers.set(name, value),
        () => context.header(name, value),
      ),
    addCookie: (cookie) =>
      change(
        () => context.res.headers.append('set-cookie', cookie),
        () => context.header('set-cookie', cookie, { append: true }),
      ),
  }
}

/**
 * Changes the headers themselves: where the response is complete, Hono's own way makes another one of it, and @hono/node-server then
 * sends its text as a stream, several times as slow. Those of a fetched response cannot be changed.
 */
function change(inPlace: () => void, byHono: () => void): void {
  try {
    inPlace()
  } catch {
    byHono()
  }
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

function pathAndQueryOf(url: string): string {
  if (url.startsWith('/')) return url
  const start = url.indexOf('/', url.indexOf('://') + 3)
  return start === -1 ? '/' : url.slice(start)
}

import { runInScope } from '@headwater/core'
import type { Context, MiddlewareHandler } from 'hono'
import { Lifecycle, type RequestLife } from './lifecycle.ts'
import type { HeadwaterOptions } from './options.ts'
import { wrappedOwnError } from './own-error.ts'
import { hasBeenUpgraded, incomingOf, limitBody } from './request/node-request.ts'
import type { ResponseHead } from './response/response-head.ts'

export type { HeadwaterOptions } from './options.ts'

/**
 * Hono: opens a scope for every request, and answers with a replay when the request needs the primary's region.
 *
 * `app.use(headwater({ pool }))`, before what queries the database.
 *
 * @throws {OptionsInvalid} at once, when an option is wrong.
 */
export function headwater(options: HeadwaterOptions): MiddlewareHandler {
  const lifecycle = new Lifecycle(options)
  return async function headwaterMiddleware(context, next) {
    const life = lifecycle.open({
      method: context.req.method,
      url: pathAndQueryOf(context.req.url),
      header: (name) => context.req.header(name),
      isSecure: context.req.url.startsWith('https:'),
    })
    if (life === undefined) return next()
    const incoming = incomingOf(context.env)
    if (incoming !== undefined) limitBody(incoming, life, lifecycle.options.bodyLimit)
    try {
      if (!life.isSpent) await runInScope(life.scope, next)
    } catch (error) {
      if (!life.isSpent) throw error
    }
    // Also behind an error page: what was written before the error counts.
    if (life.mustSettle) await life.settle()
    // Node's own 'upgrade' event: @hono/node-server answers 101 to what its handler lets pass.
    const isHandshake = incoming !== undefined && hasBeenUpgraded(incoming)
    if (isHandshake || context.res.status === SWITCHING_PROTOCOLS) life.becomeJob()
    finish(context, life)
  }
}

const SWITCHING_PROTOCOLS = 101

/** Here the response starts, as far as an app can tell: a streamed body runs on after it. */
function finish(context: Context, life: RequestLife): void {
  const answer = life.head()
  // Hono's default for an error that it does not know; one of ours inside an ORM's wrapper knows better.
  const own = answer === undefined && context.res.status === 500 ? wrappedOwnError(context.error) : undefined
  if (answer !== undefined) {
    replaceResponse(context, new Response(null, { status: answer.status, headers: { ...answer.headers } }))
  } else if (own !== undefined) {
    replaceResponse(context, own.getResponse())
  }
  // Deno opens the socket only for the very response that it made.
  const mayTell = answer === undefined && context.res.status !== SWITCHING_PROTOCOLS
  if (mayTell && life.hasToTell) life.tell(headOf(context))
  life.end(context.res.status)
}

function headOf(context: Context): ResponseHead {
  return {
    get: (name) => context.res.headers.get(name) ?? undefined,
    // Not on the headers themselves: those of a fetched response cannot be changed.
    set: (name, value) => context.header(name, value),
    addCookie: (cookie) => context.header('set-cookie', cookie, { append: true }),
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
  const start = url.indexOf('/', url.indexOf('://') + 3)
  return start === -1 ? '/' : url.slice(start)
}

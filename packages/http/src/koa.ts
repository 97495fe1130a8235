import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { runInScope, type Scope } from '@headwater/core'
import {
  answerOnNode,
  createLifecycle,
  type HeadwaterOptions,
  HealthChecks,
  type HealthOptions,
  openNodeRequest,
} from './adapter.ts'
import { koaPatternOf } from './routes/koa-routes.ts'

export type { HealthOptions } from './health/health-options.ts'
export type { HeadwaterOptions } from './options.ts'

/** The smallest subset of a Koa middleware that both Koa 2 and 3 accept. */
export type KoaMiddleware = (
  context: {
    readonly req: IncomingMessage
    readonly res: ServerResponse
    readonly originalUrl: string
    readonly body?: unknown
    readonly host?: string
    /** Where its routers are found. */
    readonly app?: { readonly middleware: readonly unknown[] }
    respond?: boolean | undefined
  },
  next: () => Promise<unknown>,
) => Promise<void>

/**
 * The middleware for Koa 2 and 3: runs every request in a scope, and answers with a replay when a request needs the
 * primary's region. Use it before everything that queries the database.
 *
 * @example app.use(headwater({ pool }))
 * @throws {OptionsInvalid} at once, when an option is wrong.
 */
export function headwater(options: HeadwaterOptions): KoaMiddleware {
  const lifecycle = createLifecycle(options)
  return async function headwaterMiddleware(context, next) {
    const life = openNodeRequest(lifecycle, context.req, context.res, context.originalUrl, (method, url) =>
      koaPatternOf(context.app?.middleware ?? [], method, url, context.host ?? ''),
    )
    if (life === undefined) {
      await next()
      return
    }
    // Koa writes the response after all middleware; a replay does not wait for the outer ones.
    await life.run(next)
    if (!life.isSpent) keepScopeOfBody(context.body, life.scope)
  }
}

/** Koa pulls a streamed body outside its middleware; what produces that body lazily still belongs to this request. */
function keepScopeOfBody(body: unknown, scope: Scope): void {
  if (!(body instanceof Readable)) return
  const { _read } = body
  body._read = function scopedRead(size: number): void {
    runInScope(scope, () => _read.call(body, size))
  }
}

/**
 * Answers `/health` (the process lives) and `/ready` (send it requests), and `headwater doctor --remote`. Use it before `headwater()`: then
 * these requests have no scope and are never replayed.
 *
 * @example app.use(health({ pool }))
 * @throws {OptionsInvalid} at once, when an option is wrong.
 */
export function health(options: HealthOptions): KoaMiddleware {
  const checks = new HealthChecks(options)
  return async function healthMiddleware(context, next) {
    const answered = answerOnNode(checks, context.req, context.res, context.originalUrl)
    if (answered === undefined) {
      await next()
      return
    }
    // Koa leaves the response to us.
    context.respond = false
    await answered
  }
}

import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { runInScope, type Scope } from '@headwater/core'
import { Lifecycle } from './lifecycle.ts'
import type { HeadwaterOptions } from './options.ts'
import { wrappedOwnError } from './own-error.ts'
import { openNodeRequest } from './request/node-request.ts'

export type { HeadwaterOptions } from './options.ts'

/** The smallest subset of a Koa middleware that both Koa 2 and 3 accept. */
export type KoaMiddleware = (
  context: {
    readonly req: IncomingMessage
    readonly res: ServerResponse
    readonly originalUrl: string
    readonly body?: unknown
  },
  next: () => Promise<unknown>,
) => Promise<void>

/**
 * Koa 2 and 3: opens a scope for every request, and answers with a replay when the request needs the primary's region.
 *
 * `app.use(headwater({ pool }))`, before what queries the database.
 *
 * @throws {OptionsInvalid} at once, when an option is wrong.
 */
export function headwater(options: HeadwaterOptions): KoaMiddleware {
  const lifecycle = new Lifecycle(options)
  return async function headwaterMiddleware(context, next) {
    const life = openNodeRequest(lifecycle, context.req, context.res, context.originalUrl)
    if (life === undefined) {
      await next()
      return
    }
    try {
      if (!life.isSpent) await runInScope(life.scope, next)
    } catch (error) {
      if (!life.isSpent) throw wrappedOwnError(error) ?? error
    }
    // Koa writes the response after all middleware; a replay need not wait for the outer ones.
    if (life.isSpent) context.res.end()
    else keepScopeOfBody(context.body, life.scope)
  }
}

/** Koa pulls a streamed body outside of its middleware; what produces it lazily still belongs to this request. */
function keepScopeOfBody(body: unknown, scope: Scope): void {
  if (!(body instanceof Readable)) return
  const { _read } = body
  body._read = function scopedRead(size: number): void {
    runInScope(scope, () => _read.call(body, size))
  }
}

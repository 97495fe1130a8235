import { IncomingMessage, type ServerResponse } from 'node:http'
import { currentScope, runInScope, type Scope } from '@headwater/core'
import type { Lifecycle, RequestLife } from '../lifecycle.ts'
import { gateResponse } from '../response/response-gate.ts'
import type { RequestFacts } from './request-facts.ts'
import { bodyLengthOf } from './request-facts.ts'

/** Opens the life of a request on Node's own request and response, for the frameworks that work on those. */
export function openNodeRequest(
  lifecycle: Lifecycle,
  request: IncomingMessage,
  response: ServerResponse,
  url: string,
): RequestLife | undefined {
  const isUpgraded = hasBeenUpgraded(request)
  const life = lifecycle.open(factsOf(request, url), isUpgraded ? 'job' : 'request')
  if (life === undefined) return undefined
  keepScope(request, life.scope)
  // Whoever hands us such a request has made up its response.
  if (isUpgraded) return life
  gateResponse(response, life)
  // Not 'close': a client that hangs up before the answer teaches nothing.
  response.once('finish', () => life.end(response.statusCode))
  limitBody(request, life, lifecycle.options.bodyLimit)
  return life
}

function factsOf(request: IncomingMessage, url: string): RequestFacts {
  return {
    method: request.method ?? 'GET',
    url,
    header(name) {
      const value = request.headers[name]
      return typeof value === 'string' ? value : undefined
    },
    // A request that no server made may have no socket.
    isSecure: isObject(request.socket) && Reflect.get(request.socket, 'encrypted') === true,
  }
}

/** Notes a body of unknown length as too large to be replayed, once more than `limit` bytes of it have come in. */
export function limitBody(request: IncomingMessage, life: RequestLife, limit: number): void {
  if (bodyLengthOf(life.facts) !== 'unknown') return
  const { push } = request
  let received = 0
  // A 'data' listener would start the flow before the app wants it; the parser hands every chunk to push.
  request.push = function countedPush(chunk: unknown, encoding?: BufferEncoding): boolean {
    if (chunk instanceof Uint8Array) received += chunk.byteLength
    if (received > limit) life.scope.obstruct('body-too-large')
    return push.call(request, chunk, encoding)
  }
}

/** Listeners run in the context of the HTTP parser; a body parser that goes on from one of them would lose the scope. */
function keepScope(request: IncomingMessage, scope: Scope): void {
  const { emit } = request
  request.emit = function scopedEmit(event: string | symbol, ...args: unknown[]): boolean {
    if (currentScope() === scope) return Reflect.apply(emit, request, [event, ...args])
    return runInScope(scope, () => Reflect.apply(emit, request, [event, ...args]))
  }
}

/** Node's request behind a web request, where the server gives it to the app (as @hono/node-server does). */
export function incomingOf(environment: unknown): IncomingMessage | undefined {
  const incoming: unknown = isObject(environment) ? Reflect.get(environment, 'incoming') : undefined
  return incoming instanceof IncomingMessage ? incoming : undefined
}

/** Whether Node gave this to the app's own 'upgrade' listener: it does so only where there is one, whatever a client sends. */
export function hasBeenUpgraded(request: IncomingMessage): boolean {
  return Reflect.get(request, 'upgrade') === true
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

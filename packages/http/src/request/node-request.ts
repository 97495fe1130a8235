import { EventEmitter } from 'node:events'
import { IncomingMessage } from 'node:http'
import { currentScope, runInScope, type Scope } from '@headwater/core'
import type { RequestFacts } from './request-facts.ts'

/**
 * The facts of Node's own request. No class: what holds a function of its own request in a field, V8 keeps until the old ones are
 * collected, and the whole request with it. So does nothing else here; that is half of what a request costs.
 */
export function factsOf(request: IncomingMessage, url: string, pattern?: PatternOf): RequestFacts {
  const { method = 'GET', socket } = request
  return {
    method,
    url,
    header: (name) => headerIn(request, name),
    // A request that no server made may have no socket.
    isSecure: isObject(socket) && Reflect.get(socket, 'encrypted') === true,
    pattern: pattern && (() => pattern(method, url, request)),
  }
}

/** Finds the framework's pattern of the route that will run for a request. */
export type PatternOf = (method: string, url: string, request: IncomingMessage) => string | undefined

/** The value of a header by its lower-case name; `undefined` when it is absent or has several values. */
export function headerIn({ headers }: IncomingMessage, name: string): string | undefined {
  // HTTP/2 names the host in a pseudo header.
  const value = headers[name] ?? (name === 'host' ? headers[':authority'] : undefined)
  return typeof value === 'string' ? value : undefined
}

/** Counts a body of unknown length as it arrives; calls `onTooLarge` with every chunk beyond `limitBytes`. */
export function limitBody(request: IncomingMessage, limitBytes: number, onTooLarge: () => void): void {
  const { push } = request
  let received = 0
  // A 'data' listener would start the flow before the app wants it; the parser hands every chunk to push.
  request.push = function countedPush(chunk: unknown, encoding?: BufferEncoding): boolean {
    if (chunk instanceof Uint8Array) received += chunk.byteLength
    if (received > limitBytes) onTooLarge()
    return push.call(request, chunk, encoding)
  }
}

/**
 * Makes the listeners of a request run in its scope. Without this they run in the context of the HTTP parser, and a body
 * parser that calls `next` from one of them loses the scope.
 */
export function keepScope(request: IncomingMessage, scope: Scope): void {
  const kept: KeptScope = { scope, emit: request.emit }
  // Where `headwater()` is in use twice, the inner scope is inside the outer one.
  if (KEPT in request) request.emit = (...args: unknown[]) => emitIn(kept, request, args)
  else {
    const one: IncomingMessage & { [KEPT]?: KeptScope } = request
    one[KEPT] = kept
    // The same function for all requests: of closures as a request's own methods V8 keeps one hidden class each, and through it
    // the whole request until the old ones are collected.
    request.emit = scopedEmit
  }
}

interface KeptScope {
  readonly scope: Scope
  /** What the request did before: its class's, or what other middleware has put on it. */
  readonly emit: IncomingMessage['emit']
}

const KEPT = Symbol('headwater.scope')

function scopedEmit(this: IncomingMessage & { readonly [KEPT]: KeptScope }, ...args: unknown[]): boolean {
  const kept = this[KEPT]
  const [event] = args
  // To enter a scope costs more than to find nobody there. An error that nobody hears is thrown.
  const isUnheard = typeof event === 'string' && event !== 'error' && this.listenerCount(event) === 0
  return isUnheard && kept.emit === EventEmitter.prototype.emit ? false : emitIn(kept, this, args)
}

function emitIn({ scope, emit }: KeptScope, request: IncomingMessage, args: readonly unknown[]): boolean {
  if (currentScope() === scope) return Reflect.apply(emit, request, args)
  return runInScope(scope, () => Reflect.apply(emit, request, args))
}

/**
 * Finds Node's request behind a web-standard one, for `lifecycle.open(request, incoming)`: where the server hands it to the
 * app as `environment.incoming`, as @hono/node-server does. `undefined` on other servers and runtimes.
 */
export function nodeRequestIn(environment: unknown): IncomingMessage | undefined {
  const incoming: unknown = isObject(environment) ? Reflect.get(environment, 'incoming') : undefined
  return incoming instanceof IncomingMessage ? incoming : undefined
}

/**
 * Whether Node gave this request to the app's own 'upgrade' listener. Node does so only where there is one, so no client
 * can bring it about.
 */
export function hasBeenUpgraded(request: IncomingMessage): boolean {
  return Reflect.get(request, 'upgrade') === true
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

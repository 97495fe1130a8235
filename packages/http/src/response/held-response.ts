import type { ServerResponse } from 'node:http'

/** What changes the head, and must not any more once it counts as sent. */
const SETTERS = ['setHeader', 'setHeaders', 'appendHeader', 'removeHeader'] as const

/**
 * A Node response whose head waits to be sent. It looks sent to the app: `headersSent` is true, so is `writableEnded` once
 * it was ended, headers cannot be changed any more, and a source that pipes into it waits for 'drain'.
 */
export class HeldResponse {
  readonly #response: ServerResponse
  readonly #status: number
  /** `undefined`: Node's own for the status. */
  readonly #message: string | undefined
  readonly #calls: (() => unknown)[] = []
  readonly #shadows = new Map<string, PropertyDescriptor | undefined>()
  #isHeld = true
  #hasEnded = false
  #isSomebodyWaiting = false

  constructor(response: ServerResponse) {
    this.#response = response
    this.#status = response.statusCode
    // HTTP/2 has none, and warns of who asks.
    this.#message = Object.hasOwn(response, 'statusMessage') ? response.statusMessage : undefined
    this.#shadow('headersSent', { get: () => this.#isHeld })
    this.#shadow('writableEnded', { get: () => this.#hasEnded })
    this.#shadow('writableNeedDrain', { get: () => this.#isSomebodyWaiting && !this.#hasEnded })
    for (const name of SETTERS) this.#shadowSetter(name)
  }

  /** Keeps a call for later. */
  hold(call: () => unknown): void {
    this.#calls.push(call)
  }

  /** Keeps a write; its sender is to wait for 'drain'. */
  holdWrite(chunk: unknown, call: () => unknown): false {
    refuseChunk(chunk)
    this.#isSomebodyWaiting = true
    this.#calls.push(call)
    return false
  }

  holdEnd(chunk: unknown, call: () => unknown): void {
    if (chunk !== undefined && chunk !== null && typeof chunk !== 'function') refuseChunk(chunk)
    this.#hasEnded = true
    this.#calls.push(call)
  }

  /** A second head, as Node takes it: not at all, except that old middleware asks for the implicit one by itself. */
  refuseHead(args: readonly unknown[]): void {
    if (args.length === 1 && args[0] === this.#response.statusCode) return
    throw headersSentError('write')
  }

  /** Makes the response what it was, with the status that it had when its head was written. */
  release(): void {
    this.#isHeld = false
    const response = this.#response
    for (const [name, before] of this.#shadows) {
      if (before === undefined) Reflect.deleteProperty(response, name)
      else Object.defineProperty(response, name, before)
    }
    response.statusCode = this.#status
    if (this.#message === undefined) Reflect.deleteProperty(response, 'statusMessage')
    else response.statusMessage = this.#message
  }

  /** Makes the calls, in order. One that fails destroys the response, as its caller is gone. */
  flush(): void {
    const response = this.#response
    let isFull = false
    for (const call of this.#calls) {
      try {
        if (call() === false) isFull = true
      } catch (error) {
        destroy(response, error)
      }
    }
    // When Node's own buffer is full it says so itself, later.
    if (this.#isSomebodyWaiting && !isFull && !this.#hasEnded && !response.destroyed) response.emit('drain')
  }

  #shadow(name: string, descriptor: PropertyDescriptor): void {
    this.#shadows.set(name, Object.getOwnPropertyDescriptor(this.#response, name))
    Object.defineProperty(this.#response, name, { ...descriptor, configurable: true })
  }

  #shadowSetter(name: (typeof SETTERS)[number]): void {
    const response = this.#response
    const before: unknown = Reflect.get(response, name)
    if (typeof before !== 'function') return
    const refuseOrCall = (...args: unknown[]): unknown => {
      // Whoever wrapped this while it was held calls it later, too.
      if (this.#isHeld) throw headersSentError(name.startsWith('remove') ? 'remove' : 'set')
      return Reflect.apply(before, response, args)
    }
    this.#shadow(name, { value: refuseOrCall, writable: true })
  }
}

/** Cuts a response short whose caller is gone and cannot be told. */
export function destroy(response: ServerResponse, error: unknown): void {
  response.destroy(error instanceof Error ? error : undefined)
}

function headersSentError(deed: string): Error {
  const error = new Error(`Cannot ${deed} headers after they are sent to the client`)
  return Object.assign(error, { code: 'ERR_HTTP_HEADERS_SENT' })
}

/** Later nobody would be there to hear it from Node. */
function refuseChunk(chunk: unknown): void {
  if (typeof chunk === 'string' || chunk instanceof Uint8Array) return
  const error = new TypeError(
    `a chunk must be a string, a Buffer or a Uint8Array; got ${chunk === null ? 'null' : typeof chunk}`,
  )
  throw Object.assign(error, { code: chunk === null ? 'ERR_STREAM_NULL_VALUES' : 'ERR_INVALID_ARG_TYPE' })
}

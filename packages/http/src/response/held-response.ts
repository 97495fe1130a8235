import type { ServerResponse } from 'node:http'
import { HeldBody } from './held-body.ts'

/** The methods that change the head. They throw once the head counts as sent. */
const SETTERS = ['setHeader', 'setHeaders', 'appendHeader', 'removeHeader'] as const

/**
 * A Node response whose head waits to be sent. To the app it looks sent: `headersSent` is true, `writableEnded` is true once
 * the app has ended it, headers can no longer be changed, and a source that pipes into it waits for 'drain'.
 */
export class HeldResponse {
  readonly #response: ServerResponse
  readonly #status: number
  /** `undefined`: Node's own message for the status. */
  readonly #message: string | undefined
  /** What is known of its body so far. */
  readonly body: HeldBody
  readonly #calls: (() => unknown)[] = []
  readonly #shadows = new Map<string, PropertyDescriptor | undefined>()
  #isHeld = true
  #isSomebodyWaiting = false

  /** `declaredLength`: the content-length that its head was given apart from the headers set before. */
  constructor(response: ServerResponse, declaredLength: number | undefined) {
    this.body = new HeldBody(response, declaredLength)
    this.#response = response
    this.#status = response.statusCode
    // HTTP/2 has no message, and warns whoever asks for it.
    this.#message = Object.hasOwn(response, 'statusMessage') ? response.statusMessage : undefined
    this.#shadow('headersSent', { get: () => this.#isHeld })
    this.#shadow('writableEnded', { get: () => this.body.hasEnded })
    this.#shadow('writableNeedDrain', { get: () => this.#isSomebodyWaiting && !this.body.hasEnded })
    for (const name of SETTERS) this.#shadowSetter(name)
  }

  /** Keeps a call for later. */
  hold(call: () => unknown): void {
    this.#calls.push(call)
  }

  /**
   * Keeps a write for later. Where the head waits for more of the body, the write counts as done: whoever waits for its callback
   * or for 'drain' would never send the rest. Elsewhere it returns `false`, and 'drain' follows; `takesMore`: unless it is little.
   */
  holdWrite(args: readonly unknown[], takesMore: boolean, write: (args: readonly unknown[]) => unknown): boolean {
    const [chunk, encoding] = args
    refuseChunk(chunk)
    this.body.add(chunk, encoding)
    const callback = args.at(-1)
    if (this.body.isShort) {
      const own = typeof callback === 'function' ? args.slice(0, -1) : args
      this.#calls.push(() => write(own))
      if (typeof callback === 'function') process.nextTick(callback)
      return true
    }
    this.#calls.push(() => write(args))
    if (takesMore && this.body.isLittle) return true
    this.#isSomebodyWaiting = true
    return false
  }

  holdEnd(chunk: unknown, call: () => unknown): void {
    if (chunk !== undefined && chunk !== null && typeof chunk !== 'function') refuseChunk(chunk)
    this.body.end()
    this.#calls.push(call)
  }

  /** Refuses a second head, as Node does. Old middleware asks for the implicit head by itself: that one passes. */
  refuseHead(args: readonly unknown[]): void {
    if (args.length === 1 && args[0] === this.#response.statusCode) return
    throw headersSentError('write')
  }

  /** Restores the response, with the status that it had when its head was written. */
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

  /** Makes the kept calls, in order. A call that fails destroys the response, because its caller is gone. */
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
    // When Node's own buffer is full, Node emits 'drain' itself, later.
    if (this.#isSomebodyWaiting && !isFull && !this.body.hasEnded && !response.destroyed) response.emit('drain')
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
      // Middleware that wrapped this method while it was held calls it later, too.
      if (this.#isHeld) throw headersSentError(name.startsWith('remove') ? 'remove' : 'set')
      return Reflect.apply(before, response, args)
    }
    this.#shadow(name, { value: refuseOrCall, writable: true })
  }
}

/** Cuts a response short when its caller is gone and cannot be told of the error. */
export function destroy(response: ServerResponse, error: unknown): void {
  response.destroy(error instanceof Error ? error : undefined)
}

function headersSentError(deed: string): Error {
  const error = new Error(`Cannot ${deed} headers after they are sent to the client`)
  return Object.assign(error, { code: 'ERR_HTTP_HEADERS_SENT' })
}

/** Refuses at once what Node would refuse later, when nobody is there to catch it. */
function refuseChunk(chunk: unknown): void {
  if (typeof chunk === 'string' || chunk instanceof Uint8Array) return
  const error = new TypeError(
    `a chunk must be a string, a Buffer or a Uint8Array; got ${chunk === null ? 'null' : typeof chunk}`,
  )
  throw Object.assign(error, { code: chunk === null ? 'ERR_STREAM_NULL_VALUES' : 'ERR_INVALID_ARG_TYPE' })
}

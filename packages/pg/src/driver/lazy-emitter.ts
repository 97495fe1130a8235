import { AsyncResource } from 'node:async_hooks'
import type { EventEmitter } from 'node:events'
import pg from 'pg'

type Listener = (...args: unknown[]) => void

/**
 * Skips the constructor of pg's client, which makes a socket, and EventEmitter's, which makes the table of listeners; its methods
 * make one when they first need it. It is an `instanceof pg.Client`, because libraries ask, with nothing of pg's client in it.
 */
function Listenable(): void {}
Listenable.prototype = Object.create(pg.Client.prototype)

const BareEmitter = Listenable as unknown as new () => EventEmitter

/**
 * An `EventEmitter` that costs nothing until something listens: a client is leased for every transaction, and few are listened to.
 *
 * Each listener runs in the async context that added it. The events come from a socket, which knows none of the requests that
 * use it.
 */
export class LazyEmitter extends BareEmitter {
  #contexts: WeakMap<object, AsyncResource> | undefined

  override on(event: string | symbol, listener: Listener): this {
    this.#remember(listener)
    return super.on(event, listener)
  }

  override addListener(event: string | symbol, listener: Listener): this {
    return this.on(event, listener)
  }

  override prependListener(event: string | symbol, listener: Listener): this {
    this.#remember(listener)
    return super.prependListener(event, listener)
  }

  override emit(event: string | symbol, ...args: unknown[]): boolean {
    const contexts = this.#contexts
    // `once` adds a wrapper, which removes itself when it is called.
    const listeners = contexts === undefined ? [] : (this.rawListeners(event) as Listener[])
    if (contexts === undefined || listeners.length === 0) return super.emit(event, ...args)
    for (const listener of listeners) {
      const context = contexts.get(listener)
      if (context === undefined) Reflect.apply(listener, this, args)
      else context.runInAsyncScope(listener, this, ...args)
    }
    return true
  }

  #remember(listener: unknown): void {
    // What is no function is refused by Node itself.
    if (typeof listener !== 'function') return
    this.#contexts ??= new WeakMap()
    this.#contexts.set(listener, new AsyncResource('HeadwaterListener'))
  }
}

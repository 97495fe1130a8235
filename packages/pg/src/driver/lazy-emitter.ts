import type { EventEmitter } from 'node:events'
import pg from 'pg'

/**
 * Skips the constructor of pg's client, which makes a socket, and EventEmitter's, which makes the table of listeners; its methods
 * make one when they first need it. It is an `instanceof pg.Client`, because libraries ask, with nothing of pg's client in it.
 */
function Listenable(): void {}
Listenable.prototype = Object.create(pg.Client.prototype)

/** An `EventEmitter` that costs nothing until something listens: a client is leased for every transaction, and few are listened to. */
export const LazyEmitter: new () => EventEmitter = Listenable as unknown as new () => EventEmitter

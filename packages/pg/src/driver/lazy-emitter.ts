import { EventEmitter } from 'node:events'

/** Skips EventEmitter's constructor, which makes the table of listeners; its methods make one when they first need it. */
function Listenable(): void {}
Listenable.prototype = Object.create(EventEmitter.prototype)

/** An `EventEmitter` that costs nothing until something listens: a client is leased for every transaction, and few are listened to. */
export const LazyEmitter: new () => EventEmitter = Listenable as unknown as new () => EventEmitter

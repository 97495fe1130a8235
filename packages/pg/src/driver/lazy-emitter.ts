import { EventEmitter } from 'node:events'

/** Node's methods make the table of listeners when they first need it; its constructor makes one for nobody. */
function Listenable(): void {}
Listenable.prototype = Object.create(EventEmitter.prototype)

/** An `EventEmitter` that costs nothing until somebody listens: a client is leased for every transaction, and few do. */
export const LazyEmitter: new () => EventEmitter = Listenable as unknown as new () => EventEmitter

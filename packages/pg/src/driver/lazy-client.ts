import type { EventEmitter } from 'node:events'
import pg from 'pg'

/** Skips the constructors of pg's client, which makes a socket, and of EventEmitter, whose methods make its table when they need it. */
function ClientLike(): void {}
ClientLike.prototype = Object.create(pg.Client.prototype)

/**
 * What a leased client extends: an `instanceof pg.Client`, which libraries ask for, and an `EventEmitter` that costs nothing
 * until something listens. It has nothing of pg's client itself: whoever extends it has every public method of its own.
 */
export const LazyClient: new () => EventEmitter = ClientLike as unknown as new () => EventEmitter

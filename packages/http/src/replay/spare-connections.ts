import type { ClientRequest, IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { idleMillisAfter } from './idle-millis.ts'

/**
 * Connections that lie idle until they are used again. A request that is sent into the end of one is a 502, since nobody knows what became
 * of it: so each ends in time, and is looked at before anything is sent on it.
 */
export class SpareConnections {
  readonly #mostMillis: number | undefined
  /** What was said last on a connection about how long it is kept. */
  readonly #told = new WeakMap<Socket, string>()

  /** `mostMillis` is the app's own limit. */
  constructor(mostMillis: number | undefined) {
    this.#mostMillis = mostMillis
  }

  hear({ socket, headers }: IncomingMessage): void {
    this.#told.set(socket, String(headers['keep-alive'] ?? ''))
  }

  /** Begins the time that a connection may lie. */
  putBy(socket: Socket): void {
    socket.setTimeout(idleMillisAfter(this.#told.get(socket), this.#mostMillis))
  }
}

/**
 * Whether the connection of a request, which lay idle, is of no use: the other side has closed it, or its time is over, and a busy process
 * had not come to see that. Never rejects.
 */
export async function isOver(outgoing: ClientRequest): Promise<boolean> {
  // The first turn of the event loop ends what is being read now; the second one runs the timers that are due, and reads what has come.
  for (let turn = 0; turn < 2; turn += 1) await new Promise((resolve) => setImmediate(resolve))
  return outgoing.destroyed || outgoing.socket === null || outgoing.socket.destroyed
}

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

export interface RelayOptions {
  readonly to: { readonly host: string; readonly port: number }
  readonly roundTripMs: number
}

/**
 * A stretch of ocean between an app and a database: TCP that takes half a round trip each way, and a whole one to connect.
 *
 * Bytes keep their order and their number; only time is added.
 */
export class Relay implements AsyncDisposable {
  readonly #options: RelayOptions
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #isCut = false

  private constructor(options: RelayOptions) {
    this.#options = options
    this.#server = createServer((socket) => this.#accept(socket))
  }

  static async open(options: RelayOptions): Promise<Relay> {
    const relay = new Relay(options)
    relay.#server.listen(0, '127.0.0.1')
    await once(relay.#server, 'listening')
    return relay
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Breaks what is under way and lets nobody through until it is mended. */
  setCut(isCut: boolean): void {
    this.#isCut = isCut
    if (isCut) for (const socket of this.#sockets) socket.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    if (this.#server.listening) await once(this.#server, 'close')
  }

  #accept(near: Socket): void {
    this.#keep(near)
    if (this.#isCut) return void near.destroy()
    const { to, roundTripMs } = this.#options
    near.pause()
    const handshake = setTimeout(() => {
      const far = connect(to.port, to.host)
      this.#keep(far)
      carry(near, far, roundTripMs / 2)
      carry(far, near, roundTripMs / 2)
    }, roundTripMs)
    near.once('close', () => clearTimeout(handshake))
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket)
    socket.setNoDelay(true)
    socket.once('close', () => this.#sockets.delete(socket))
    // The other end learns of it by its own socket's end.
    socket.on('error', () => {})
  }
}

/** One direction. Timers of one duration fire in the order in which they were set, so nothing overtakes. */
function carry(from: Socket, to: Socket, oneWayMs: number): void {
  const timers = new Set<NodeJS.Timeout>()
  const later = (arrive: () => void): void => {
    const timer = setTimeout(() => {
      timers.delete(timer)
      arrive()
    }, oneWayMs)
    timers.add(timer)
  }
  from.on('data', (chunk) => later(() => to.write(chunk)))
  from.once('end', () => later(() => to.end()))
  from.once('close', (hasFailed) => {
    if (hasFailed || !from.readableEnded) to.destroy()
  })
  to.once('close', () => {
    for (const timer of timers) clearTimeout(timer)
  })
  from.resume()
}

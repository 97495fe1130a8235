import net from 'node:net'

export interface CuttingWireOptions {
  /** Where the server listens on 127.0.0.1. */
  readonly port: number
  /** How long a byte takes each way, in ms: a round trip takes twice that. */
  readonly delayMillis: number
}

/** A TCP wire to a server on this machine, that is slow, and can be cut. */
export class CuttingWire {
  readonly #server: net.Server
  readonly #delayMillis: number
  readonly #sockets = new Set<net.Socket>()
  readonly #timers = new Set<NodeJS.Timeout>()

  private constructor({ port, delayMillis }: CuttingWireOptions) {
    this.#delayMillis = delayMillis
    this.#server = net.createServer((client) => {
      const server = net.connect(port, '127.0.0.1')
      this.#carry(client, server)
      this.#carry(server, client)
    })
  }

  static open(options: CuttingWireOptions): Promise<CuttingWire> {
    const wire = new CuttingWire(options)
    return new Promise((resolve, reject) => {
      wire.#server.once('error', reject)
      wire.#server.listen(0, '127.0.0.1', () => resolve(wire))
    })
  }

  /** The port at which this end of the wire listens. */
  get port(): number {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('the wire is closed: it has no port')
    return address.port
  }

  /** Resets every connection (RST), as a firewall does that has forgotten them; new ones can be made. Gives how many there were. */
  cut(): number {
    const count = this.#sockets.size / 2
    for (const socket of this.#sockets) socket.resetAndDestroy()
    return count
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    for (const socket of this.#sockets) socket.destroy()
    for (const timer of this.#timers) clearTimeout(timer)
    await closed
  }

  #carry(from: net.Socket, to: net.Socket): void {
    from.setNoDelay(true)
    this.#sockets.add(from)
    from.on('data', (chunk) => this.#later(() => to.writable && to.write(chunk)))
    from.on('end', () => this.#later(() => to.end()))
    // What is lost on one side is lost on the other; `close` follows.
    from.on('error', () => to.resetAndDestroy())
    from.on('close', () => {
      this.#sockets.delete(from)
      this.#later(() => to.destroy())
    })
  }

  #later(act: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      act()
    }, this.#delayMillis)
    this.#timers.add(timer)
  }
}

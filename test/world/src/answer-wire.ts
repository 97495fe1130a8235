import { once } from 'node:events'
import net from 'node:net'

/** Where a wire is cut: before a text reaches the server, or behind it, when the server's answer comes. */
export interface Cut {
  /** What a message to the server has to hold. */
  readonly at: { test(message: string): boolean }
  readonly side: 'before' | 'behind'
  /** How: by a reset, by a regular end, or by silence, in which the connection stays. */
  readonly how: 'reset' | 'end' | 'silence'
}

/** A TCP wire to a server on this machine, that loses chosen answers. */
export class AnswerWire implements AsyncDisposable {
  /** What is cut from now on. */
  cut: Cut | undefined
  /** How many were. */
  cuts = 0
  readonly #server: net.Server
  readonly #sockets = new Set<net.Socket>()

  private constructor(port: number) {
    this.#server = net.createServer((client) => {
      const server = net.connect(port, '127.0.0.1')
      this.#keep(client, server)
      this.#keep(server, client)
      let cutting: Cut | undefined
      const end = ({ how }: Cut): void => {
        if (how === 'reset') client.resetAndDestroy()
        else if (how === 'end') client.destroy()
        if (how !== 'silence') server.end()
      }
      client.on('data', (chunk) => {
        if (cutting === undefined && this.cut?.at.test(chunk.toString('latin1')) === true) {
          this.cuts += 1
          cutting = this.cut
        }
        if (cutting?.side === 'before') end(cutting)
        else server.write(chunk)
      })
      server.on('data', (chunk) => {
        if (cutting === undefined) client.write(chunk)
        else end(cutting)
      })
    })
  }

  static async open(port: number): Promise<AnswerWire> {
    const wire = new AnswerWire(port)
    wire.#server.listen(0, '127.0.0.1')
    await once(wire.#server, 'listening')
    return wire
  }

  /** The port at which this end of the wire listens. */
  get port(): number {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('the wire is closed: it has no port')
    return address.port
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  #keep(socket: net.Socket, other: net.Socket): void {
    socket.setNoDelay(true)
    this.#sockets.add(socket)
    socket.on('error', () => other.destroy())
    socket.on('close', () => {
      this.#sockets.delete(socket)
      other.destroy()
    })
  }
}

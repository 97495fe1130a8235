import { once } from 'node:events'
import net from 'node:net'

const TERMINATE = 'X'.charCodeAt(0)

/** A TCP wire to a server on this machine, that notes the kind of each message to it: P for Parse, B for Bind, Q for Query. No good-byes. */
export class FrontendTap implements AsyncDisposable {
  readonly #server: net.Server
  readonly #sockets = new Set<net.Socket>()
  #kinds = ''

  private constructor(target: { readonly host: string; readonly port: number }) {
    this.#server = net.createServer((client) => {
      const server = net.connect(target.port, target.host)
      for (const socket of [client, server]) this.#keep(socket)
      let rest = Buffer.alloc(0)
      let hasStarted = false
      client.on('data', (chunk) => {
        rest = Buffer.concat([rest, chunk])
        // The first message has no letter.
        for (let head = hasStarted ? 1 : 0; rest.length >= head + 4; head = 1) {
          const end = head + rest.readInt32BE(head)
          if (rest.length < end) break
          if (hasStarted && rest[0] !== TERMINATE) this.#kinds += String.fromCharCode(rest[0] ?? 0)
          hasStarted = true
          rest = rest.subarray(end)
        }
      })
      client.pipe(server).pipe(client)
      client.on('close', () => server.destroy())
      server.on('close', () => client.destroy())
    })
  }

  static async open(target: { readonly host: string; readonly port: number }): Promise<FrontendTap> {
    const tap = new FrontendTap(target)
    tap.#server.listen(0, '127.0.0.1')
    await once(tap.#server, 'listening')
    return tap
  }

  get url(): string {
    const { port } = this.#server.address() as net.AddressInfo
    return `postgres://postgres@127.0.0.1:${port}/postgres`
  }

  /** The messages since the last call, by their letters; those up to one answer in a word of its own. */
  take(): string {
    const kinds = this.#kinds.replace(/[QS]/g, '$& ').trim()
    this.#kinds = ''
    return kinds
  }

  #keep(socket: net.Socket): void {
    socket.setNoDelay(true)
    this.#sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => this.#sockets.delete(socket))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }
}

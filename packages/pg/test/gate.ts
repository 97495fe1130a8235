import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** What becomes of a connection that is accepted. */
export type GateMode =
  /** It is led to the server. */
  | 'open'
  /** It is never answered, as by a host that drops packets. */
  | 'silent'
  /** It is cut off a while later. */
  | 'cutting'

/** How long a connection is held before it is cut off, in ms. */
export const CUT_AFTER = 300

/** A port in front of a real server, that can stop to answer. */
export class Gate implements AsyncDisposable {
  mode: GateMode
  /** How many connections came. */
  count = 0
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #target: { readonly host: string; readonly port: number }

  private constructor(mode: GateMode, target: { readonly host: string; readonly port: number }) {
    this.mode = mode
    this.#target = target
    this.#server = createServer((socket) => {
      this.count += 1
      this.#keep(socket)
      if (this.mode === 'cutting') setTimeout(() => socket.destroy(), CUT_AFTER)
      if (this.mode !== 'open') return
      const onward = this.#keep(connect(this.#target.port, this.#target.host))
      socket.pipe(onward).pipe(socket)
      // What is cut on one side is cut on the other.
      socket.on('close', () => onward.destroy())
      onward.on('close', () => socket.destroy())
    })
  }

  /** `host` is where it listens: this machine's loopback, of IPv4 or IPv6. */
  static async start(
    mode: GateMode,
    target: { readonly host: string; readonly port: number },
    host: '127.0.0.1' | '::1' = '127.0.0.1',
  ): Promise<Gate> {
    const gate = new Gate(mode, target)
    gate.#server.listen(0, host)
    await once(gate.#server, 'listening')
    return gate
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get url(): string {
    const { family, address, port } = this.#server.address() as AddressInfo
    return `postgres://postgres@${family === 'IPv6' ? `[${address}]` : address}:${port}/postgres`
  }

  /** Carries nothing more, as a wire that lost its way: what is connected stays connected, and new connections are never answered. */
  freeze(): void {
    this.mode = 'silent'
    for (const socket of this.#sockets) socket.unpipe().pause()
  }

  /** Leads each new connection to another server. Those that are open stay, as behind a DNS name, or are `cut`, as by HAProxy. */
  lead(target: { readonly host: string; readonly port: number }, open: 'stay' | 'cut'): void {
    this.#target = target
    if (open === 'cut') for (const socket of this.#sockets) socket.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  #keep(socket: Socket): Socket {
    this.#sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => this.#sockets.delete(socket))
    return socket
  }
}

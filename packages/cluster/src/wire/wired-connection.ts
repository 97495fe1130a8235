import net from 'node:net'
import { type ActiveCut, CutCounter, type CutEnding, type Way } from './cut.ts'
import { type Flow, Line, type Pace } from './line.ts'

/** What a wire does to its connections now. */
export interface Conditions {
  readonly flows: Readonly<Record<Way, Flow>>
  readonly pace: Pace
  readonly cut: ActiveCut | undefined
}

export interface WiredConnectionOptions {
  readonly client: net.Socket
  readonly target: { readonly host: string; readonly port: number }
  readonly conditions: () => Conditions
  /** Called when the connection is cut, and when both its ends are closed. */
  readonly onCut: () => void
  readonly onClose: () => void
}

/** One connection through a wire: the client's and the server's socket, and a line each way. */
export class WiredConnection {
  readonly #options: WiredConnectionOptions
  readonly #client: net.Socket
  #server: net.Socket | undefined
  #lines: Readonly<Record<Way, Line>> | undefined
  #counter: CutCounter | undefined
  /** How it was cut; set while the answer behind the cut is awaited. */
  #cutting: CutEnding | undefined
  #isForgotten = false

  constructor(options: WiredConnectionOptions) {
    this.#options = options
    this.#client = options.client
    this.#client.on('error', () => undefined)
    this.#client.on('close', () => this.#closed())
    this.change()
  }

  /** Takes over what the wire does now. A connection that waited for the way to be free is made. */
  change(): void {
    if (this.#isForgotten) return
    const { flows, pace } = this.#options.conditions()
    if (this.#lines === undefined) {
      // What carries no bytes carries no SYN.
      if (flows['to-server'] === 'pass' && flows['to-client'] === 'pass') this.#lines = this.#connect(pace)
      return
    }
    for (const way of ['to-server', 'to-client'] as const) {
      this.#lines[way].pace = pace
      this.#lines[way].flow = flows[way]
    }
  }

  /** Whether one end misses something that the other has sent. */
  get isBroken(): boolean {
    return (
      this.#isForgotten || this.#lines?.['to-server'].hasLost === true || this.#lines?.['to-client'].hasLost === true
    )
  }

  /** Carries nothing any more, and tells neither end. */
  forget(): void {
    this.#isForgotten = true
    if (this.#lines === undefined) return
    this.#lines['to-server'].flow = 'lost'
    this.#lines['to-client'].flow = 'lost'
  }

  reset(): void {
    this.#client.resetAndDestroy()
    this.#server?.resetAndDestroy()
  }

  #connect(pace: Pace): Readonly<Record<Way, Line>> {
    const { host, port } = this.#options.target
    const client = this.#client
    const server = net.connect({ host, port, allowHalfOpen: true }).unref()
    server.setNoDelay(true)
    this.#server = server
    const lines = { 'to-server': new Line(client, server, pace), 'to-client': new Line(server, client, pace) }
    server.on('close', () => this.#closed())
    this.#read('to-server', client, lines['to-server'])
    this.#read('to-client', server, lines['to-client'])
    client.resume()
    return lines
  }

  #read(way: Way, from: net.Socket, line: Line): void {
    from.on('data', (chunk: Buffer) => this.#take(way, chunk, line))
    from.on('end', () => line.send('end'))
    from.on('error', () => line.send('reset'))
  }

  #take(way: Way, chunk: Buffer, line: Line): void {
    if (this.#cutting !== undefined) {
      // The answer has come: the server has done what it was asked for.
      if (way === 'to-client') this.#end(this.#cutting)
      return
    }
    const { cut } = this.#options.conditions()
    if (cut === undefined || this.#isForgotten) return line.send(chunk)
    if (this.#counter?.active !== cut) this.#counter = new CutCounter(cut)
    const passing = this.#counter.passing(way, chunk)
    if (passing === undefined) return line.send(chunk)
    if (passing > 0) line.send(chunk.subarray(0, passing))
    this.#options.onCut()
    if ('at' in cut.cut && cut.cut.side === 'behind') this.#cutting = cut.how
    else this.#end(cut.how)
  }

  #end(how: CutEnding): void {
    this.forget()
    if (how === 'silence') return
    if (how === 'reset') this.#client.resetAndDestroy()
    else this.#client.destroySoon()
    this.#server?.destroySoon()
  }

  #closed(): void {
    if (!this.#client.closed || this.#server?.closed === false) return
    this.#lines?.['to-server'].dispose()
    this.#lines?.['to-client'].dispose()
    this.#options.onClose()
  }
}

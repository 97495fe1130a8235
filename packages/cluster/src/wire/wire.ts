import { once } from 'node:events'
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { ClusterError } from '../errors/cluster-error.ts'
import { ActiveCut, type Cut, type Way } from './cut.ts'
import { type Flow, FULL_PACE, type Pace } from './line.ts'
import { type Conditions, WiredConnection } from './wired-connection.ts'

/** Where a wire leads: a node of a cluster, or any other TCP server. */
export interface WireTarget {
  readonly host: string
  readonly port: number
}

/** How slow a wire is; what is not given is not slow. */
export interface Slowness {
  /** How late each byte arrives, in ms: a round trip takes twice that. */
  readonly latencyMillis?: number
  /** For each connection and each way. */
  readonly bytesPerSecond?: number
}

/**
 * A TCP wire in front of a server, with the faults that networks have. Faults add up, and each lasts until `heal()`. It ends with
 * `close()`, with `await using`, or with its cluster, and does not keep your program alive.
 */
export interface Wire extends AsyncDisposable {
  /** 127.0.0.1. */
  readonly host: string
  readonly port: number
  /** `postgres://postgres@127.0.0.1:port/postgres`, as a node's own. */
  readonly url: string
  /** How many connections go through it now, those included that a fault holds. */
  readonly connections: number
  /** How many connections `cut()` has cut so far. */
  readonly cuts: number
  /**
   * Lets every byte come late, each way.
   * @throws ClusterError CLUSTER_OPTIONS_INVALID
   */
  slow(slowness: Slowness): void
  /** Holds everything back, and loses nothing: `resume()` delivers it. */
  pause(): void
  /** Ends `pause()`, and no other fault. */
  resume(): void
  /**
   * Loses everything that is sent this way, ends and resets included; nobody is told. A new connection seems to be made, since this
   * machine answers for it, and hangs until `heal()`. Connections that have lost something are reset by `heal()`.
   * @default 'both'
   */
  blackhole(way?: Way | 'both'): void
  /**
   * Forgets the connections that are open, as a NAT does: they hang, and nobody is told. New ones work. Returns how many there were;
   * `heal()` resets them.
   */
  halfOpen(): number
  /** Resets (RST) the connections that are open. New ones work. Returns how many there were. */
  reset(): number
  /** Refuses new connections (ECONNREFUSED). Those that are open stay. */
  refuse(): Promise<void>
  /**
   * Cuts connections at a text that the client sends, or after some bytes. Replaces the last `cut()`.
   * @throws ClusterError CLUSTER_OPTIONS_INVALID
   * @example
   * wire.cut({ at: /^Q....commit/is, side: 'behind', times: 1 }) // the answer of one COMMIT is lost
   */
  cut(cut: Cut): void
  /**
   * Leads new connections to another server, as an address that moves does. Those that are open stay.
   * @throws ClusterError CLUSTER_OPTIONS_INVALID
   */
  lead(target: WireTarget): void
  /**
   * Ends every fault.
   * @throws ClusterError CLUSTER_START_FAILED when the port was refused, and another process has taken it since
   */
  heal(): Promise<void>
  /** Resets every connection, and listens no more. May be called again. */
  close(): Promise<void>
}

/**
 * Opens a wire to a TCP server, on a free port of 127.0.0.1. With a cluster, `cluster.wire(node)` opens one that the cluster closes.
 * While the server is down, a connection is made and then reset: the wire is there.
 * @throws ClusterError CLUSTER_OPTIONS_INVALID
 * @example
 * await using wire = await openWire({ host: '127.0.0.1', port: 6379 })
 * wire.slow({ latencyMillis: 120 })
 */
export async function openWire(target: WireTarget): Promise<Wire> {
  const wire = new TcpWire(target)
  await wire.listen(0)
  return wire
}

const HOST = '127.0.0.1'
/** How often the wire tries to get its port back, and how long it waits in between, in ms. */
const TRIES = 50
const PAUSE_MILLIS = 100

class TcpWire implements Wire {
  readonly host: string = HOST
  readonly #connections = new Set<WiredConnection>()
  #target: WireTarget
  #server: net.Server | undefined
  #port = 0
  #cuts = 0
  #isPaused = false
  #lost: ReadonlySet<Way> = new Set()
  #pace: Pace = FULL_PACE
  #cut: ActiveCut | undefined
  #conditions: Conditions
  #isClosed = false

  constructor(target: WireTarget) {
    this.#target = checked(target)
    this.#conditions = this.#currently()
  }

  get port(): number {
    return this.#port
  }

  get url(): string {
    return `postgres://postgres@${HOST}:${this.#port}/postgres`
  }

  get connections(): number {
    return this.#connections.size
  }

  get cuts(): number {
    return this.#cuts
  }

  /** Listens; 0 is any free port. */
  async listen(port: number): Promise<void> {
    // A half-closed connection is one on a real wire, too.
    const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => this.#accept(client))
    server.listen(port, HOST)
    await once(server, 'listening')
    server.unref()
    const address = server.address()
    if (address !== null && typeof address === 'object') this.#port = address.port
    this.#server = server
  }

  slow({ latencyMillis = 0, bytesPerSecond = Number.POSITIVE_INFINITY }: Slowness): void {
    if (!(latencyMillis >= 0 && latencyMillis < 2 ** 31)) {
      throw invalid(`slow(): latencyMillis is ${latencyMillis}, expected a number of milliseconds, 0 or more.`)
    }
    if (!(bytesPerSecond > 0)) throw invalid(`slow(): bytesPerSecond is ${bytesPerSecond}, expected a number above 0.`)
    this.#pace = { latencyMillis, bytesPerSecond }
    this.#change()
  }

  pause(): void {
    this.#isPaused = true
    this.#change()
  }

  resume(): void {
    this.#isPaused = false
    this.#change()
  }

  blackhole(way: Way | 'both' = 'both'): void {
    this.#lost = new Set(way === 'both' ? ['to-server', 'to-client'] : [...this.#lost, way])
    this.#change()
  }

  halfOpen(): number {
    for (const connection of this.#connections) connection.forget()
    return this.#connections.size
  }

  reset(): number {
    const count = this.#connections.size
    for (const connection of [...this.#connections]) connection.reset()
    return count
  }

  async refuse(): Promise<void> {
    // Its `close` comes only once every connection has ended; it refuses at once.
    this.#server?.close()
    this.#server = undefined
  }

  cut(cut: Cut): void {
    this.#cut = new ActiveCut(cut)
    this.#change()
  }

  lead(target: WireTarget): void {
    this.#target = checked(target)
  }

  async heal(): Promise<void> {
    this.#isPaused = false
    this.#lost = new Set()
    this.#pace = FULL_PACE
    this.#cut = undefined
    for (const connection of [...this.#connections]) if (connection.isBroken) connection.reset()
    this.#change()
    if (this.#server === undefined && !this.#isClosed) await this.#listenAgain()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    const server = this.#server
    this.#server = undefined
    const isClosed = server && new Promise<void>((resolve) => server.close(() => resolve()))
    this.reset()
    await isClosed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #accept(client: net.Socket): void {
    client.setNoDelay(true)
    client.unref()
    const connection = new WiredConnection({
      client,
      target: this.#target,
      conditions: () => this.#conditions,
      onCut: () => {
        this.#cuts += 1
      },
      onClose: () => this.#connections.delete(connection),
    })
    this.#connections.add(connection)
  }

  #change(): void {
    this.#conditions = this.#currently()
    for (const connection of this.#connections) connection.change()
  }

  #currently(): Conditions {
    const flowOf = (way: Way): Flow => (this.#lost.has(way) ? 'lost' : this.#isPaused ? 'held' : 'pass')
    const flows = { 'to-server': flowOf('to-server'), 'to-client': flowOf('to-client') }
    return { flows, pace: this.#pace, cut: this.#cut }
  }

  async #listenAgain(): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.listen(this.#port)
      } catch (cause) {
        if (tries < TRIES) await sleep(PAUSE_MILLIS)
        else {
          const complaint = `The wire could not get its port ${this.#port} back: another process uses it.`
          throw new ClusterError('CLUSTER_START_FAILED', complaint, { cause })
        }
      }
    }
  }
}

/** A node's port is read now: a node keeps it for life. */
function checked({ host, port }: WireTarget): WireTarget {
  if (typeof host === 'string' && host !== '' && Number.isInteger(port) && port > 0 && port < 65_536) {
    return { host, port }
  }
  throw invalid(`A wire leads to ${host}:${port}, expected a host and a port from 1 to 65535.`)
}

function invalid(message: string): ClusterError {
  return new ClusterError('CLUSTER_OPTIONS_INVALID', message)
}

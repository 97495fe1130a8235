import { createServer, type Server, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { FlyProxyOptions } from './options/options.ts'
import { resolveOptions } from './options/resolve-options.ts'
import { Exchange } from './proxy/exchange.ts'
import type { ProxyListener } from './report/events.ts'
import { FlyProxyError } from './report/fly-proxy-error.ts'
import { type FlyProxyFaults, faultsOf } from './world/faults.ts'
import { World } from './world/world.ts'

/** A listener: whoever connects to it is treated as a client in that region. */
export interface Edge {
  readonly region: string
  readonly url: string
  readonly port: number
}

/** A proxy made by `createFlyProxy`. Close it with `close()` or `await using`. */
export interface FlyProxy extends AsyncDisposable {
  /**
   * Opens the edges.
   * @throws FlyProxyError ALREADY_LISTENING, CLOSED, LISTEN_FAILED
   */
  listen(): Promise<void>
  /** Cuts what is under way, and resolves when nothing is open any more. May be called again. */
  close(): Promise<void>
  /**
   * The edges, while the proxy listens.
   * @throws FlyProxyError NOT_LISTENING
   */
  readonly edges: readonly Edge[]
  /**
   * The edge of one region.
   * @throws FlyProxyError NOT_LISTENING, UNKNOWN_REGION
   */
  edge(region: string): Edge
  /** Switches that make regions, machines and replays fail. */
  readonly faults: FlyProxyFaults
  /** Calls the listener with each event, until the returned function is called. */
  subscribe(listener: ProxyListener): () => void
}

/**
 * Makes an emulator of Fly's proxy: one listener per region, in front of apps that run on this machine. It listens after
 * `listen()`.
 * @throws FlyProxyError INVALID_OPTION, DUPLICATE_MACHINE, UNKNOWN_REGION
 * @example
 * await using proxy = createFlyProxy({
 *   apps: [{ name: 'notes', machines: [{ id: 'm-nrt', region: 'nrt', url: 'http://127.0.0.1:3001' }] }],
 *   latency: 'real',
 * })
 * await proxy.listen()
 * await fetch(proxy.edge('nrt').url)
 */
export function createFlyProxy(options: FlyProxyOptions): FlyProxy {
  const world = new World(resolveOptions(options))
  const { onEvent, onLog } = options
  if (onEvent) world.subscribe(onEvent)
  if (onLog) {
    world.subscribe((event) => {
      if (event.type === 'log') onLog(event)
    })
  }
  return new ListeningProxy(world)
}

class ListeningProxy implements FlyProxy {
  readonly faults: FlyProxyFaults
  readonly #world: World
  readonly #servers: Server[] = []
  readonly #sockets = new Set<Socket>()
  readonly #running = new Set<Promise<void>>()
  #edges: readonly Edge[] = []
  #opening: Promise<unknown> | undefined
  #isListening = false
  #isClosed = false

  constructor(world: World) {
    this.#world = world
    this.faults = faultsOf(world)
  }

  async listen(): Promise<void> {
    if (this.#isClosed) throw new FlyProxyError('CLOSED', 'this proxy is closed; create another one')
    if (this.#isListening) throw new FlyProxyError('ALREADY_LISTENING', 'listen() was already called')
    this.#isListening = true
    const { edges, host } = this.#world.settings
    // Wait for all, even when one fails: a server that is about to listen cannot be closed yet.
    const opening = Promise.allSettled(edges.map(({ region, port }) => this.#open(region, host, port)))
    this.#opening = opening
    const opened = await opening
    const failed = opened.find((result) => result.status === 'rejected')
    if (failed !== undefined || this.#isClosed) {
      await this.close()
      throw failed?.reason ?? new FlyProxyError('CLOSED', 'this proxy was closed while it opened its edges')
    }
    this.#edges = opened.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  }

  get edges(): readonly Edge[] {
    if (this.#edges.length > 0) return this.#edges
    throw new FlyProxyError('NOT_LISTENING', 'the edges have ports only between listen() and close()')
  }

  edge(region: string): Edge {
    const found = this.edges.find((edge) => edge.region === region)
    if (found) return found
    const regions = this.edges.map((edge) => edge.region).join(', ')
    throw new FlyProxyError('UNKNOWN_REGION', `no edge in "${region}"; the edges are ${regions}`)
  }

  subscribe(listener: ProxyListener): () => void {
    return this.#world.subscribe(listener)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#edges = []
    this.#world.closing.abort()
    await this.#opening
    const closed = this.#servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())))
    for (const socket of this.#sockets) socket.destroy()
    for (const machine of this.#world.machines) machine.sever()
    await Promise.all([...closed, ...this.#running])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #open(region: string, host: string, wanted: number): Promise<Edge> {
    // An app may take long to answer, and Fly's proxy has no limit either.
    const server = createServer({ requestTimeout: 0, noDelay: true })
    this.#servers.push(server)
    const edge = { region, port: wanted }
    server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
    server.on('request', (request, response) => this.#run(new Exchange(this.#world, { edge, request, response })))
    server.on('upgrade', (request, duplex, head) => {
      const socket = duplex as Socket
      // Node hands over the bare socket. With a response, a refused upgrade is answered like any other request.
      const response = new ServerResponse(request)
      response.shouldKeepAlive = false
      response.assignSocket(socket)
      response.once('finish', () => socket.end())
      socket.on('error', () => {})
      this.#run(new Exchange(this.#world, { edge, request, response, upgrade: { socket, head } }))
    })
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause) => {
        reject(new FlyProxyError('LISTEN_FAILED', `cannot listen on ${host}:${wanted} for ${region}`, { cause }))
      })
      server.listen(wanted, host, resolve)
    })
    edge.port = (server.address() as AddressInfo).port
    return Object.freeze({
      region,
      port: edge.port,
      url: `http://${host.includes(':') ? `[${host}]` : host}:${edge.port}`,
    })
  }

  #run(exchange: Exchange): void {
    const running = exchange.run().finally(() => this.#running.delete(running))
    this.#running.add(running)
  }
}

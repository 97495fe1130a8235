import { createServer, type Server, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Latency } from './distance/latency.ts'
import { type FlyProxyOptions, resolveOptions } from './options/options.ts'
import { Exchange } from './proxy/exchange.ts'
import type { ProxyListener } from './report/events.ts'
import { FlyProxyError } from './report/fly-proxy-error.ts'
import { World } from './world/world.ts'

export interface Edge {
  readonly region: string
  readonly url: string
  readonly port: number
}

/** Switches for what goes wrong in the world. Each takes effect with the next request, `regionDown` at once. */
export interface FlyProxyFaults {
  /** Cuts the region's machines off, connections under way included; its edge's clients reach the nearest healthy region's edge instead. */
  regionDown(region: string): void
  regionUp(region: string): void
  readonly downRegions: readonly string[]
  /** Puts a machine to sleep; the next request for it wakes it. Requests under way may end. */
  stopMachine(id: string): void
  /** Wakes a machine now, by its `wake` callback but without `wakeMillis`. */
  startMachine(id: string): Promise<void>
  setLatency(latency: Latency): void
  /** Requests at a time that a machine takes; none without a limit. */
  setHardLimit(id: string, limit?: number): void
  /** Whether every replay finds its target unreachable. */
  failReplays(isOn: boolean): void
  /** Whether there is no Fly in front: no `Fly-*` headers, and the client sees the machine's raw 409. */
  noProxy(isOn: boolean): void
}

export interface FlyProxy extends AsyncDisposable {
  /** Opens the edges. Throws FlyProxyError: ALREADY_LISTENING, CLOSED, LISTEN_FAILED. */
  listen(): Promise<void>
  /** Breaks off what is under way and leaves nothing open. */
  close(): Promise<void>
  /** The edges, while listening. Throws FlyProxyError: NOT_LISTENING. */
  readonly edges: readonly Edge[]
  /** Throws FlyProxyError: NOT_LISTENING, UNKNOWN_REGION. */
  edge(region: string): Edge
  readonly faults: FlyProxyFaults
  /** Calls the listener on each event until the returned function is called. */
  subscribe(listener: ProxyListener): () => void
}

/** An emulator of Fly's proxy: one listener per region's edge, in front of machines that run here. Throws FlyProxyError on bad options. */
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
    if (this.#isClosed) throw new FlyProxyError('CLOSED', 'this proxy was closed; create another')
    if (this.#isListening) throw new FlyProxyError('ALREADY_LISTENING', 'listen() was called before')
    this.#isListening = true
    const { edges, host } = this.#world.settings
    // All of them, also when one fails: a server that is still about to listen cannot be closed.
    const opening = Promise.allSettled(edges.map(({ region, port }) => this.#open(region, host, port)))
    this.#opening = opening
    const opened = await opening
    const failed = opened.find((result) => result.status === 'rejected')
    if (failed !== undefined || this.#isClosed) {
      await this.close()
      throw failed?.reason ?? new FlyProxyError('CLOSED', 'this proxy was closed while it began to listen')
    }
    this.#edges = opened.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  }

  get edges(): readonly Edge[] {
    if (this.#edges.length > 0) return this.#edges
    throw new FlyProxyError('NOT_LISTENING', 'the edges have no ports before listen() and after close()')
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
    // Apps may think for long, and Fly's proxy lets them.
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
      // Node hands over the bare socket; with a response of its own a refused upgrade is answered like any request.
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

function faultsOf(world: World): FlyProxyFaults {
  const setRegion = (region: string, isDown: boolean): void => {
    world.checkRegion(region)
    if (world.downRegions.has(region) === isDown) return
    if (isDown) world.downRegions.add(region)
    else world.downRegions.delete(region)
    world.publish({ type: 'region', region, isDown })
    if (isDown) for (const machine of world.machines) if (machine.region === region) machine.sever()
  }
  return {
    regionDown: (region) => setRegion(region, true),
    regionUp: (region) => setRegion(region, false),
    get downRegions() {
      return [...world.downRegions]
    },
    stopMachine: (id) => world.machine(id).stop(),
    startMachine: (id) => world.machine(id).wake(0, world.closing.signal),
    setLatency: (latency) => world.setLatency(latency),
    setHardLimit: (id, limit = Number.POSITIVE_INFINITY) => {
      if (!(limit >= 0)) throw new FlyProxyError('INVALID_OPTION', `hard limit ${limit}; expected 0 or more`)
      world.machine(id).hardLimit = limit
    },
    failReplays: (isOn) => {
      world.isFailingReplays = isOn
    },
    noProxy: (isOn) => {
      world.isWithoutProxy = isOn
    },
  }
}

import { type Latency, type RoundTrip, resolveLatency, routeDistance } from '../distance/latency.ts'
import type { AppOptions, ProxySettings } from '../options/options.ts'
import type { ProxyEvent, ProxyListener } from '../report/events.ts'
import { FlyProxyError } from '../report/fly-proxy-error.ts'
import { Machine } from './machine.ts'
import { ReplayCache } from './replay-cache.ts'

/** What all edges share while the proxy runs: machines, faults, distances, remembered replays, listeners. */
export class World {
  readonly settings: ProxySettings
  readonly apps: ReadonlyMap<string, AppOptions>
  readonly machines: readonly Machine[]
  readonly cache: ReplayCache = new ReplayCache()
  readonly downRegions: Set<string> = new Set()
  /** When a region came back, by `performance.now()`. */
  readonly backSince: Map<string, number> = new Map()
  readonly closing: AbortController = new AbortController()
  /** For how long the proxy goes on with what it knew. */
  staleMillis = 0
  isFailingReplays = false
  isWithoutProxy = false
  #latency: RoundTrip
  #hasCustomLatency = false
  readonly #listeners = new Set<ProxyListener>()

  constructor(settings: ProxySettings) {
    this.settings = settings
    this.apps = new Map(settings.apps.map((app) => [app.name, app]))
    this.machines = settings.apps.flatMap(({ name, machines }) =>
      machines.map((machine) => new Machine(name, machine, (event) => this.publish(event))),
    )
    this.#latency = () => 0
    this.setLatency(settings.latency)
  }

  get regions(): string[] {
    return [...new Set([...this.settings.edges, ...this.machines].map(({ region }) => region))]
  }

  setLatency(latency: Latency): void {
    this.#latency = resolveLatency(latency, this.regions)
    this.#hasCustomLatency = typeof latency === 'function'
  }

  /** Round-trip milliseconds. */
  roundTrip(from: string, to: string): number {
    return this.#latency(from, to)
  }

  /** The distance that decides what is "nearest": your latency function, else the real route, even when no latency is injected. */
  distance(from: string, to: string): number {
    return this.#hasCustomLatency ? this.#latency(from, to) : routeDistance(from, to)
  }

  /** The region whose edge serves this region's clients: the region itself, or the nearest healthy one while it is down. */
  servingRegion(edge: string): string {
    if (!this.downRegions.has(edge)) return edge
    const healthy = this.settings.edges.map(({ region }) => region).filter((region) => !this.downRegions.has(region))
    return healthy.toSorted((a, b) => this.distance(edge, a) - this.distance(edge, b))[0] ?? edge
  }

  /** The machines of an app that the proxy knows. */
  knownMachines(app: string): Machine[] {
    const knownAt = performance.now() - this.staleMillis
    return this.machines.filter(
      (machine) => machine.app === app && (this.backSince.get(machine.region) ?? Number.NEGATIVE_INFINITY) <= knownAt,
    )
  }

  machine(id: string): Machine {
    const found = this.machines.find((machine) => machine.id === id)
    if (found) return found
    const ids = this.machines.map((machine) => machine.id).join(', ')
    throw new FlyProxyError('UNKNOWN_MACHINE', `no machine "${id}"; the machines are ${ids}`)
  }

  checkRegion(region: string): void {
    if (this.regions.includes(region)) return
    throw new FlyProxyError('UNKNOWN_REGION', `no region "${region}"; the regions are ${this.regions.join(', ')}`)
  }

  subscribe(listener: ProxyListener): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  publish(event: ProxyEvent): void {
    for (const listener of this.#listeners) {
      try {
        listener(event)
      } catch (error) {
        // A listener's error must surface, but not in the request that it was told about.
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }
}

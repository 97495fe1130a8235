import type { Latency } from '../distance/latency.ts'
import { FlyProxyError } from '../report/fly-proxy-error.ts'
import type { World } from './world.ts'

/** Switches that make things fail. Each takes effect with the next request; `regionDown` takes effect at once. */
export interface FlyProxyFaults {
  /**
   * Takes a region down: its machines accept nothing, and their open connections are cut. The clients of its edge are served
   * by the nearest healthy region's edge.
   * @throws FlyProxyError UNKNOWN_REGION
   */
  regionDown(region: string): void
  /**
   * Brings a region back.
   * @throws FlyProxyError UNKNOWN_REGION
   */
  regionUp(region: string): void
  /** The regions that are down now. */
  readonly downRegions: readonly string[]
  /**
   * Stops a machine; the next request for it wakes it. Requests under way may finish.
   * @throws FlyProxyError UNKNOWN_MACHINE
   */
  stopMachine(id: string): void
  /**
   * Wakes a machine now: runs its `wake` callback, without waiting for `wakeMillis`.
   * @throws FlyProxyError UNKNOWN_MACHINE
   */
  startMachine(id: string): Promise<void>
  /**
   * Replaces the `latency` option.
   * @throws FlyProxyError UNKNOWN_REGION, INVALID_OPTION
   */
  setLatency(latency: Latency): void
  /**
   * Sets how many requests a machine takes at a time. Without `limit`, any number.
   * @throws FlyProxyError UNKNOWN_MACHINE, INVALID_OPTION
   */
  setHardLimit(id: string, limit?: number): void
  /**
   * Lets the proxy learn late, as on Fly: for so many milliseconds after a machine stopped it is still tried first, and refuses, and after a
   * region came back its machines are not known yet. 0, the start, is "at once".
   * @throws FlyProxyError INVALID_OPTION
   */
  staleCatalog(milliseconds: number): void
  /** Whether every replay finds its target unreachable. First visits still work. */
  failReplays(isOn: boolean): void
  /** Whether the app runs without Fly in front: no `Fly-*` headers, and the client gets a replay answer as it is. */
  noProxy(isOn: boolean): void
}

/** The switches of this world. */
export function faultsOf(world: World): FlyProxyFaults {
  const setRegion = (region: string, isDown: boolean): void => {
    world.checkRegion(region)
    if (world.downRegions.has(region) === isDown) return
    if (isDown) world.downRegions.add(region)
    else world.downRegions.delete(region)
    if (!isDown) world.backSince.set(region, performance.now())
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
      if (!(limit >= 0))
        throw new FlyProxyError('INVALID_OPTION', `the hard limit of ${id} is ${limit}; expected 0 or more`)
      world.machine(id).hardLimit = limit
    },
    staleCatalog: (milliseconds) => {
      if (!(milliseconds >= 0))
        throw new FlyProxyError('INVALID_OPTION', `staleCatalog is ${milliseconds}; expected milliseconds, 0 or more`)
      world.staleMillis = milliseconds
      for (const machine of world.machines) machine.staleMillis = milliseconds
    },
    failReplays: (isOn) => {
      world.isFailingReplays = isOn
    },
    noProxy: (isOn) => {
      world.isWithoutProxy = isOn
    },
  }
}

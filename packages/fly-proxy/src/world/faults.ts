import type { Latency } from '../distance/latency.ts'
import { FlyProxyError } from '../report/fly-proxy-error.ts'
import type { World } from './world.ts'

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

/** The switches of this world. */
export function faultsOf(world: World): FlyProxyFaults {
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

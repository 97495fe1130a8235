import { realRoundTripMillis } from '@headwater/fly-proxy'

export type RegionCode = 'ord' | 'ams' | 'nrt'

export interface Region {
  readonly code: RegionCode
  readonly city: string
  /** Degrees, of the airport that the code names. */
  readonly longitude: number
  readonly latitude: number
}

/** From west to east, as they stand on the map. */
export const REGIONS: readonly Region[] = [
  { code: 'ord', city: 'Chicago', longitude: -87.9, latitude: 41.98 },
  { code: 'ams', city: 'Amsterdam', longitude: 4.76, latitude: 52.31 },
  { code: 'nrt', city: 'Tokyo', longitude: 140.39, latitude: 35.76 },
]

/** Where the primary is, until another is promoted. */
export const HOME: RegionCode = 'ams'

/** The replicas, named after their region. Tokyo has two, so that a read can go to the other one. */
export const REPLICAS: readonly string[] = ['ord', 'nrt', 'nrt-2']

/** Where the primary can be: the apps know the way to a database there. */
export const CANDIDATES: readonly RegionCode[] = ['ams', 'nrt']

/** The region of a server that is named after it. */
export function regionOf(name: string): RegionCode {
  const code = REGIONS.find((region) => name === region.code || name.startsWith(`${region.code}-`))?.code
  if (code === undefined) throw new TypeError(`the node ${name} is in no region`)
  return code
}

/** How many replicas a region has. */
export function replicasIn(code: RegionCode): number {
  return REPLICAS.filter((name) => regionOf(name) === code).length
}

/** Milliseconds there and back: the proxy's own table of real cable routes, so that databases are as far away as apps are. */
export function roundTrip(from: RegionCode, to: RegionCode): number {
  return realRoundTripMillis(from, to)
}

export function isRegionCode(value: unknown): value is RegionCode {
  return REGIONS.some(({ code }) => code === value)
}

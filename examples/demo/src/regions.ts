import { realRoundTrip } from '@headwater/fly-proxy'

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

/** Where the primary is. */
export const HOME: RegionCode = 'ams'

/** Where the replicas are. */
export const AWAY: readonly RegionCode[] = ['ord', 'nrt']

/** Milliseconds there and back: the proxy's own table of real cable routes, so that databases are as far away as apps are. */
export function roundTrip(from: RegionCode, to: RegionCode): number {
  return realRoundTrip(from, to)
}

export function isRegionCode(value: unknown): value is RegionCode {
  return REGIONS.some(({ code }) => code === value)
}

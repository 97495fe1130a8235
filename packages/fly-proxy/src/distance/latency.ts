import { FlyProxyError } from '../report/fly-proxy-error.ts'
import { isKnownRegion, regions } from './regions.ts'

/**
 * The round-trip time that is injected between two regions, half of it each way. `none`: no delay. `real`: what the real
 * distance takes. `{ scale }`: the real time, multiplied. A function: your own, in milliseconds.
 */
export type Latency = 'none' | 'real' | { readonly scale: number } | ((from: string, to: string) => number)

/** Round-trip milliseconds between two regions. */
export type RoundTrip = (from: string, to: string) => number

// Traffic crosses oceans where cables lie: Europe reaches Tokyo through Suez and Singapore, not over the Arctic, and South
// America reaches the rest of the world through the United States. By the great circle nrt-ams would be 140 ms: far too fast.
const links = new Set([
  'europe north-america',
  'north-america south-america',
  'north-america pacific',
  'north-america south-asia',
  'africa europe',
  'africa south-asia',
  'europe south-asia',
  'pacific south-asia',
])
const hubs = ['iad', 'sjc', 'lhr', 'sin'] as const

/** Round trip per 100 km of route. Light in glass needs 1 ms; a cable is about 1.5 times as long as the great circle. */
const millisPer100Km = 1.5
/** What the routers at both ends take. */
const fixedMillis = 2

/**
 * The great-circle distance between two Fly regions, in kilometres (haversine, mean radius 6371 km).
 * @throws FlyProxyError UNKNOWN_REGION
 */
export function greatCircleKm(from: string, to: string): number {
  const a = place(from)
  const b = place(to)
  const radians = (degrees: number): number => (degrees * Math.PI) / 180
  const havLatitude = Math.sin(radians(b.latitude - a.latitude) / 2) ** 2
  const havLongitude = Math.sin(radians(b.longitude - a.longitude) / 2) ** 2
  const hav = havLatitude + Math.cos(radians(a.latitude)) * Math.cos(radians(b.latitude)) * havLongitude
  return 2 * 6371 * Math.asin(Math.sqrt(Math.min(1, hav)))
}

/**
 * The length of the shortest cable route between two Fly regions, in kilometres: direct, or through one or two hubs.
 * @throws FlyProxyError UNKNOWN_REGION
 */
export function routeKm(from: string, to: string, hubsLeft = 2): number {
  const zones = [place(from).zone, place(to).zone]
  if (zones[0] === zones[1] || links.has(zones.toSorted().join(' '))) return greatCircleKm(from, to)
  if (hubsLeft === 0) return Number.POSITIVE_INFINITY
  return Math.min(...hubs.map((hub) => legKm(from, hub) + routeKm(hub, to, hubsLeft - 1)))
}

function legKm(from: string, hub: string): number {
  return from === hub ? Number.POSITIVE_INFINITY : routeKm(from, hub, 0)
}

/**
 * The round trip between two Fly regions, in milliseconds: `1.5 * routeKm / 100 + 2`, and 0 inside a region.
 * Real data centres measure about the same, within 10 %: nrt-ams 239, ord-ams 101, nrt-ord 153.
 * @throws FlyProxyError UNKNOWN_REGION
 * @example
 * realRoundTripMillis('nrt', 'ams') // 240.05
 */
export function realRoundTripMillis(from: string, to: string): number {
  if (from === to) return 0
  return (millisPer100Km * routeKm(from, to)) / 100 + fixedMillis
}

/**
 * The function that a `latency` option stands for.
 * @throws FlyProxyError UNKNOWN_REGION, INVALID_OPTION
 */
export function resolveLatency(latency: Latency, codes: readonly string[]): RoundTrip {
  if (latency === 'none') return () => 0
  if (typeof latency === 'function') {
    return (from, to) => {
      const milliseconds = latency(from, to)
      if (Number.isFinite(milliseconds) && milliseconds >= 0) return milliseconds
      throw new FlyProxyError(
        'INVALID_OPTION',
        `latency(${from}, ${to}) returned ${milliseconds}; expected milliseconds, 0 or more`,
      )
    }
  }
  const scale = latency === 'real' ? 1 : latency?.scale
  if (typeof scale !== 'number' || !Number.isFinite(scale) || scale < 0) {
    throw new FlyProxyError(
      'INVALID_OPTION',
      `latency is ${JSON.stringify(latency)}; expected 'none', 'real', { scale: number } or a function (from, to) => ms`,
    )
  }
  for (const code of codes) place(code)
  return (from, to) => scale * realRoundTripMillis(from, to)
}

/** The distance by which machines are ranked: the real route if both regions are known, else only "here" or "elsewhere". */
export function routeDistance(from: string, to: string): number {
  if (from === to) return 0
  return isKnownRegion(from) && isKnownRegion(to) ? routeKm(from, to) : Number.MAX_SAFE_INTEGER
}

function place(code: string): { latitude: number; longitude: number; zone: string } {
  const found = isKnownRegion(code) ? regions[code] : undefined
  if (found === undefined) {
    throw new FlyProxyError(
      'UNKNOWN_REGION',
      `region "${code}" has no known place; use one of ${Object.keys(regions).join(' ')}, or pass latency as a function (from, to) => ms`,
    )
  }
  return found
}

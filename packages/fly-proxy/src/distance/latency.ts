import { FlyProxyError } from '../report/fly-proxy-error.ts'
import { isKnownRegion, regions } from './regions.ts'

/**
 * Round-trip milliseconds between regions: none, those of the real distances, the real ones times `scale`, or your own.
 * Half is spent on each direction.
 */
export type Latency = 'none' | 'real' | { readonly scale: number } | ((from: string, to: string) => number)

export type RoundTrip = (from: string, to: string) => number

// Oceans are crossed where cables are: Europe reaches Tokyo by Singapore (Suez), not over the Arctic, and South America
// the rest of the world by the United States. Without this a great circle makes nrt-ams 140 ms, which nobody has ever seen.
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

/** Round trip per 100 km of cable route: light in glass needs 1 ms, and a cable is about half as long again as the great circle. */
const millisPer100Km = 1.5
/** The routers at both ends. */
const fixedMillis = 2

/** Great-circle kilometres between two regions of the table (haversine, mean radius 6371 km). */
export function greatCircleKm(from: string, to: string): number {
  const a = place(from)
  const b = place(to)
  const radians = (degrees: number): number => (degrees * Math.PI) / 180
  const havLatitude = Math.sin(radians(b.latitude - a.latitude) / 2) ** 2
  const havLongitude = Math.sin(radians(b.longitude - a.longitude) / 2) ** 2
  const hav = havLatitude + Math.cos(radians(a.latitude)) * Math.cos(radians(b.latitude)) * havLongitude
  return 2 * 6371 * Math.asin(Math.sqrt(Math.min(1, hav)))
}

/** Kilometres of the shortest way between two regions whose legs all follow cable systems: direct, or by one or two hubs. */
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
 * Round-trip milliseconds between two regions of the table: `1.5 * routeKm / 100 + 2`, and 0 inside a region.
 * Within some 10 % of what is measured between real data centres: nrt-ams 239, ord-ams 101, nrt-ord 153.
 */
export function realRoundTripMillis(from: string, to: string): number {
  if (from === to) return 0
  return (millisPer100Km * routeKm(from, to)) / 100 + fixedMillis
}

/** The function behind a `latency` option. Throws FlyProxyError: UNKNOWN_REGION, INVALID_OPTION. */
export function resolveLatency(latency: Latency, codes: readonly string[]): RoundTrip {
  if (latency === 'none') return () => 0
  if (typeof latency === 'function') {
    return (from, to) => {
      const milliseconds = latency(from, to)
      if (Number.isFinite(milliseconds) && milliseconds >= 0) return milliseconds
      throw new FlyProxyError('INVALID_OPTION', `latency(${from}, ${to}) gave ${milliseconds}, expected ms >= 0`)
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

/** How far regions are from each other when machines are ranked: real routes where both are known, else only "here" or "not here". */
export function routeDistance(from: string, to: string): number {
  if (from === to) return 0
  return isKnownRegion(from) && isKnownRegion(to) ? routeKm(from, to) : Number.MAX_SAFE_INTEGER
}

function place(code: string): { latitude: number; longitude: number; zone: string } {
  const found = isKnownRegion(code) ? regions[code] : undefined
  if (found === undefined) {
    throw new FlyProxyError(
      'UNKNOWN_REGION',
      `region "${code}" is not in the table of distances; use one of ${Object.keys(regions).join(' ')}, or give latency as a function`,
    )
  }
  return found
}

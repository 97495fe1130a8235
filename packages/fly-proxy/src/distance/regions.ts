/** Regions that share cables. Fly's own groups are the aliases below. */
type Zone = 'north-america' | 'south-america' | 'europe' | 'africa' | 'south-asia' | 'pacific'

interface Region {
  readonly city: string
  readonly latitude: number
  readonly longitude: number
  readonly zone: Zone
  readonly aliases: readonly string[]
}

const region = (city: string, latitude: number, longitude: number, zone: Zone, ...aliases: string[]): Region =>
  Object.freeze({ city, latitude, longitude, zone, aliases })
const us = (city: string, latitude: number, longitude: number): Region =>
  region(city, latitude, longitude, 'north-america', 'us', 'usa', 'na')

/**
 * Fly's regions: today's, and those that old configurations still name. A code is the IATA code of an airport; the
 * coordinates are that airport's, in degrees.
 */
export const regions: Readonly<Record<string, Region>> = Object.freeze({
  ams: region('Amsterdam', 52.31, 4.76, 'europe', 'eu'),
  arn: region('Stockholm', 59.65, 17.92, 'europe', 'eu'),
  atl: us('Atlanta', 33.64, -84.43),
  bog: region('Bogotá', 4.7, -74.15, 'south-america', 'sa'),
  bom: region('Mumbai', 19.09, 72.87, 'south-asia', 'apac'),
  bos: us('Boston', 42.36, -71.01),
  cdg: region('Paris', 49.01, 2.55, 'europe', 'eu'),
  den: us('Denver', 39.86, -104.67),
  dfw: us('Dallas', 32.9, -97.04),
  ewr: us('Secaucus', 40.69, -74.17),
  eze: region('Buenos Aires', -34.82, -58.54, 'south-america', 'sa'),
  fra: region('Frankfurt', 50.03, 8.57, 'europe', 'eu'),
  gdl: region('Guadalajara', 20.52, -103.31, 'north-america', 'na'),
  gig: region('Rio de Janeiro', -22.81, -43.25, 'south-america', 'sa'),
  gru: region('São Paulo', -23.43, -46.47, 'south-america', 'sa'),
  hkg: region('Hong Kong', 22.31, 113.91, 'pacific', 'apac'),
  iad: us('Ashburn', 38.94, -77.46),
  jnb: region('Johannesburg', -26.13, 28.24, 'africa'),
  lax: us('Los Angeles', 33.94, -118.41),
  lhr: region('London', 51.47, -0.45, 'europe', 'eu'),
  mad: region('Madrid', 40.47, -3.56, 'europe', 'eu'),
  mia: us('Miami', 25.79, -80.29),
  nrt: region('Tokyo', 35.76, 140.39, 'pacific', 'apac'),
  ord: us('Chicago', 41.98, -87.9),
  otp: region('Bucharest', 44.57, 26.08, 'europe', 'eu'),
  phx: us('Phoenix', 33.43, -112.01),
  qro: region('Querétaro', 20.62, -100.19, 'north-america', 'na'),
  scl: region('Santiago', -33.39, -70.79, 'south-america', 'sa'),
  sea: us('Seattle', 47.45, -122.31),
  sin: region('Singapore', 1.36, 103.99, 'south-asia', 'apac'),
  sjc: us('San Jose', 37.36, -121.93),
  syd: region('Sydney', -33.95, 151.18, 'pacific', 'apac'),
  waw: region('Warsaw', 52.17, 20.97, 'europe', 'eu'),
  yul: region('Montreal', 45.47, -73.74, 'north-america', 'na'),
  yyz: region('Toronto', 43.68, -79.63, 'north-america', 'na'),
})

/** Whether the table has this code. */
export function isKnownRegion(code: string): boolean {
  return Object.hasOwn(regions, code)
}

/** Whether an item of a `region` field means this region. An item is a code or an alias (`apac eu na sa us usa any`). */
export function isRegionMeant(item: string, code: string): boolean {
  if (item === code || item === 'any') return true
  return isKnownRegion(code) && (regions[code]?.aliases.includes(item) ?? false)
}

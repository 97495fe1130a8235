import { OptionsInvalid } from '@headwater/core'
import { parseRegion } from '@headwater/core/internal'

/**
 * Where the instances of each region listen: an address for each, one for all with `{region}` in it, or a function of the region.
 * `undefined` means that the region has none.
 */
export type RegionAddresses =
  | Readonly<Record<string, string>>
  | string
  | ((region: string) => string | undefined | Promise<string | undefined>)

/**
 * Checks addresses, and returns the function that finds one. It is asked for names of regions only, never for what a client said.
 *
 * @throws {OptionsInvalid} when an address is no `http://` or `https://` URL of a host alone, or there is none.
 */
export function resolveAddresses(
  option: string,
  regions: RegionAddresses,
): (region: string) => Promise<URL | undefined> {
  if (typeof regions === 'function') {
    return async (region) => {
      const address = await regions(region)
      return address === undefined ? undefined : parseAddress(option, address)
    }
  }
  if (typeof regions === 'string') {
    if (!regions.includes('{region}')) {
      throw new OptionsInvalid(
        option,
        'an address for all regions needs "{region}" in it, such as "http://{region}.app.internal:8080"',
      )
    }
    parseAddress(option, regions.replaceAll('{region}', 'ams'))
    return async (region) => new URL(regions.replaceAll('{region}', region))
  }
  if (typeof regions !== 'object' || regions === null || Object.keys(regions).length === 0) {
    throw new OptionsInvalid(
      option,
      'expected an address for each region, such as { ams: "http://app.ams.internal:8080" }',
    )
  }
  const known = new Map(
    Object.entries(regions).map(([region, address]) => [
      parseRegion(option, region),
      parseAddress(`${option}.${region}`, address),
    ]),
  )
  return async (region) => known.get(region)
}

function parseAddress(option: string, address: unknown): URL {
  const url = typeof address === 'string' && URL.canParse(address) ? new URL(address) : undefined
  const isHost =
    url !== undefined && url.pathname === '/' && url.search === '' && url.hash === '' && url.username === ''
  if (isHost && url.password === '' && (url.protocol === 'http:' || url.protocol === 'https:')) return url
  throw new OptionsInvalid(
    option,
    'expected the address of a host alone, such as "http://app.ams.internal:8080": http or https, no user, no path',
  )
}

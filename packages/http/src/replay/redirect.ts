import { OptionsInvalid } from '@headwater/core'
import { parseRegion } from '@headwater/core/internal'
import { pathOf } from './envoy.ts'
import type { AnsweringTarget } from './replay-target.ts'

/** Where clients reach the regions. */
export interface RedirectOptions {
  /** The public address of each region, without a path: `{ ams: 'https://ams.api.example' }`. */
  readonly regions: Readonly<Record<string, string>>
}

/**
 * Sends the client itself to the primary's region: 307, with the same method, body, path and query at the region's own address. For API
 * clients that follow redirects; what they send along to another host is theirs to decide (browsers drop `Authorization`).
 *
 * No state comes back: a region that wrongly believes it is away sends the client on, and the client's own limit ends that.
 *
 * @example headwater({ pool, replayTarget: redirect({ regions: { ams: 'https://ams.api.example' } }) })
 * @throws {OptionsInvalid} when a region or its address is wrong.
 */
export function redirect(options: RedirectOptions): AnsweringTarget {
  const regions = options?.regions
  if (typeof regions !== 'object' || regions === null || Object.keys(regions).length === 0) {
    throw new OptionsInvalid(
      'regions',
      'expected the public address of each region, such as { ams: "https://ams.api.example" }',
    )
  }
  const origins = new Map(
    Object.entries(regions).map(([region, address]) => [
      parseRegion('regions', region),
      parseOrigin(`regions.${region}`, address),
    ]),
  )
  return Object.freeze<AnsweringTarget>({
    name: 'redirect',
    answer({ regions: wanted, request }) {
      const origin = wanted.map((region) => origins.get(region)).find((found) => found !== undefined)
      if (origin === undefined) return undefined
      const headers = { location: origin + pathOf(request.url), 'cache-control': 'no-store', 'content-length': '0' }
      return { status: 307, headers }
    },
    arrival: () => ({ state: undefined, hasFailed: false, isBehindProxy: true }),
  })
}

function parseOrigin(option: string, address: unknown): string {
  const url = typeof address === 'string' && URL.canParse(address) ? new URL(address) : undefined
  const isWeb = url?.protocol === 'https:' || url?.protocol === 'http:'
  if (url !== undefined && isWeb && `${url.origin}/` === url.href) return url.origin
  throw new OptionsInvalid(option, 'expected a public address without a path, such as "https://ams.api.example"')
}

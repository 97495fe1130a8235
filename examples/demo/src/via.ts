import type { Via } from '@headwater/example-local-world/via'
import { flyReplay, forward, haproxy, nginx, type ReplayTarget } from '@headwater/http'
import type { RegionCode } from './regions.ts'

/** How long a way to the primary's region may take to open, in ms. Short: people are watching. */
export const REPLAY_TIMEOUT_MILLIS = 1500

/** Where the apps of other regions are reached over the ocean, by region. */
export type Hops = Readonly<Partial<Record<RegionCode, number>>>

/** The target of an instance. */
export function targetOf(via: Via, hops: Hops): ReplayTarget {
  switch (via) {
    case 'fly':
      return flyReplay({ timeoutMillis: REPLAY_TIMEOUT_MILLIS })
    case 'forward':
      return forward({
        regions: Object.fromEntries(Object.entries(hops).map(([code, port]) => [code, `http://127.0.0.1:${port}`])),
        connectTimeoutMillis: REPLAY_TIMEOUT_MILLIS,
        idleTimeoutMillis: 60_000,
      })
    case 'nginx':
      return nginx()
    case 'haproxy':
      return haproxy({ by: 'lua' })
  }
}

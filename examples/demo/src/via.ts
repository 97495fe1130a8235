import { isThere, type RunningProxy, startProxy } from '@headwater/example-local-world/proxy-program'
import { flyReplay, forward, haproxy, nginx, type ReplayTarget } from '@headwater/http'
import { HOME, type RegionCode } from './regions.ts'

/** What can hand a request over to the primary's region. */
export const VIAS = ['fly', 'forward', 'nginx', 'haproxy'] as const
export type Via = (typeof VIAS)[number]

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

/** Puts the proxy in front of an instance; `undefined` where none is needed. Throws when its program is not there. */
export async function proxyBefore(
  via: Via,
  { here, hops }: { readonly here: number; readonly hops: Hops },
): Promise<RunningProxy | undefined> {
  if (via === 'fly' || via === 'forward') return undefined
  if (!isThere(via))
    throw new Error(`--via ${via}: there is no ${via} on this machine; install it, or take --via forward`)
  // Nobody in the first region asks for that region: its own app is as good as any address.
  const { [HOME]: primary = here, ...others } = hops
  return await startProxy(via === 'nginx' ? 'nginx error_page' : 'haproxy lua', { here, primary, others })
}

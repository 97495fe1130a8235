import { isThere, type RunningProxy, startProxy } from '@headwater/example-local-world/proxy-program'
import { flyReplay, forward, haproxy, nginx, type ReplayTarget } from '@headwater/http'
import { HOME, type RegionCode } from './regions.ts'

/** What can hand a request over to the primary's region. */
export const VIAS = ['fly', 'forward', 'nginx', 'haproxy'] as const
export type Via = (typeof VIAS)[number]

/** How long a way to the primary's region may take to open, in ms. Short: people are watching. */
export const REPLAY_TIMEOUT_MILLIS = 1500

/** The target of an instance; `homePort` is the primary's region as it is reached over the ocean. */
export function targetOf(via: Via, homePort: number): ReplayTarget {
  switch (via) {
    case 'fly':
      return flyReplay({ timeoutMillis: REPLAY_TIMEOUT_MILLIS })
    case 'forward':
      return forward({
        regions: { [HOME]: `http://127.0.0.1:${homePort}` },
        connectTimeoutMillis: REPLAY_TIMEOUT_MILLIS,
        idleTimeoutMillis: 60_000,
      })
    case 'nginx':
      return nginx()
    case 'haproxy':
      return haproxy({ by: 'lua' })
  }
}

/** Puts the proxy in front of an instance away from home; `undefined` where none is needed. Throws when its program is not there. */
export async function proxyBefore(
  via: Via,
  region: RegionCode,
  instances: { here: number; primary: number },
): Promise<RunningProxy | undefined> {
  if (region === HOME || via === 'fly' || via === 'forward') return undefined
  if (!isThere(via))
    throw new Error(`--via ${via}: there is no ${via} on this machine; install it, or take --via forward`)
  return await startProxy(via === 'nginx' ? 'nginx error_page' : 'haproxy lua', instances)
}

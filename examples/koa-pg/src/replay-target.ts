import { flyReplay, forward, haproxy, nginx, type ReplayTarget } from '@headwater/http'
import type { Environment } from './environment.ts'

/** How a request gets to the primary's region. An app of your own needs one of these lines. */
export function replayTargetOf({ REPLAY_VIA, PRIMARY_REGION, PRIMARY_APP_URL }: Environment): ReplayTarget {
  switch (REPLAY_VIA) {
    case 'fly':
      return flyReplay()
    case 'forward':
      return forward({ regions: (region) => (region === PRIMARY_REGION ? PRIMARY_APP_URL : undefined) })
    case 'nginx':
      return nginx()
    case 'haproxy':
      return haproxy({ by: 'lua' })
  }
}

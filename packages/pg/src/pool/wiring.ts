import type { PoolConfig } from 'pg'
import { isKnownExtension } from '../catalog/known-extensions.ts'
import type { Fleet } from '../fleet/fleet.ts'

/** One server of a pool, as it is configured. */
export interface WiredServer {
  /** What configures it: an option or a variable. */
  readonly origin: string
  /** The same with its address. Holds no password. */
  readonly label: string
  readonly region: string | undefined
  readonly role: 'primary' | 'replica'
  /** Whether all connections to it lead to one server. */
  readonly isOneServer: boolean
  /** The settings of a connection, with the password. */
  readonly config: PoolConfig
}

/** How a pool is wired: for `headwater doctor`. Not for apps. */
export interface PoolWiring {
  readonly region: string | undefined
  readonly primaryRegion: string | undefined
  readonly servers: readonly WiredServer[]
  /** Whether the C functions of an extension are known to the catalog. */
  readonly isKnownExtension: (name: string) => boolean
}

/** Reads how a pool is wired. Connects to nothing. */
export function wiringOf({ nodes, standing }: Fleet): PoolWiring {
  return {
    region: standing.region,
    primaryRegion: nodes[0]?.region,
    servers: nodes.map(({ address, region, traits, config }, index) => ({
      origin: address.origin,
      label: address.label,
      region,
      role: index === 0 ? 'primary' : 'replica',
      isOneServer: traits.isOneServer,
      config,
    })),
    isKnownExtension,
  }
}

import { type WarnOptions, warn } from '@headwater/core/internal'
import type { PoolNode } from '../node/pool-node.ts'
import type { ResolvedNode } from '../options/resolve-node.ts'
import type { ResolvedDiscoveredNodes } from '../options/resolve-servers.ts'
import { Discovery, type FoundServer } from './discovery.ts'

/** What the fleet does about servers that DNS knows. */
export interface DiscoveredServersEvents {
  readonly makeNode: (server: ResolvedNode) => PoolNode
  readonly onJoin: (node: PoolNode) => void
  readonly onLeave: (node: PoolNode) => void
  readonly mayLeave: (node: PoolNode) => boolean
  /** DNS gave no answer. */
  readonly onProblem: (error: unknown) => void
}

/** The servers that DNS knows, by name: they join and leave while the pool runs. */
export class DiscoveredServers {
  readonly #discoveries: readonly Discovery[]
  readonly #events: DiscoveredServersEvents
  #unanswered: number

  constructor(all: readonly ResolvedDiscoveredNodes[], logger: WarnOptions['logger'], events: DiscoveredServersEvents) {
    this.#events = events
    this.#unanswered = all.length
    this.#discoveries = all.map(({ discovery, node }) => {
      const servers = new Map<string, PoolNode>()
      return new Discovery(
        discovery,
        (found) => this.#found(node, servers, found),
        (error) => {
          warn('HEADWATER_DNS_UNANSWERED', { name: discovery.name }, { about: discovery.name, logger })
          events.onProblem(error)
        },
      )
    })
  }

  /** Whether each name was answered once, or took too long. */
  get isKnown(): boolean {
    return this.#unanswered === 0
  }

  /** Begins to ask; `known` is called when that is so. Calling again does nothing. */
  start(known: () => void): void {
    for (const discovery of this.#discoveries) {
      discovery.start(() => {
        this.#unanswered -= 1
        if (this.isKnown) known()
      })
    }
  }

  async end(): Promise<void> {
    await Promise.all(this.#discoveries.map((discovery) => discovery.end()))
  }

  #found(like: ResolvedNode, servers: Map<string, PoolNode>, found: readonly FoundServer[]): void {
    const wanted = new Map(found.map((server) => [nameOf(like, server), server]))
    for (const [name, server] of wanted) {
      if (servers.has(name)) continue
      const node = this.#events.makeNode(configFor(like, name, server))
      servers.set(name, node)
      this.#events.onJoin(node)
    }
    for (const [name, node] of servers) {
      if (wanted.has(name) || !this.#events.mayLeave(node)) continue
      servers.delete(name)
      this.#events.onLeave(node)
    }
  }
}

function nameOf({ name, config }: ResolvedNode, { host, port = config.port }: FoundServer): string {
  const place = host.includes(':') ? `[${host}]` : host
  return `${name}@${place}${port === undefined ? '' : `:${port}`}`
}

function configFor(like: ResolvedNode, name: string, { host, port = like.config.port }: FoundServer): ResolvedNode {
  const { config } = like
  const copy = { ...config, host, ...(port === undefined ? {} : { port }) }
  if (config.password !== undefined) copy.password = config.password
  return Object.freeze({ ...like, name, config: copy })
}

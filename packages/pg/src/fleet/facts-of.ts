import type { PoolNode } from '../node/pool-node.ts'
import type { ServerFacts } from '../options/server-facts.ts'
import type { ServerSample } from './server-sample.ts'

/** What the app's functions are told of a server. */
export function factsOf(node: PoolNode, sample: ServerSample): ServerFacts {
  const { host, port } = placeOf(node)
  const { address, addressPort, cluster, timeline, startedAt } = sample
  const region = node.region
  return Object.freeze({
    name: node.name,
    host,
    port,
    address,
    addressPort,
    region,
    cluster: cluster.toString(),
    timeline,
    startedAt,
  })
}

/** Where a server is by the pool's configuration, as pg reads that. */
export function placeOf(node: PoolNode): Pick<ServerFacts, 'host' | 'port'> {
  try {
    const { host, port } = node.address.unconnected
    return { host, port }
  } catch {
    // pg cannot read the URL: so says the error of each query, too.
    return { host: undefined, port: undefined }
  }
}

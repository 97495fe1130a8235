/**
 * A real PostgreSQL primary with streaming replicas on one machine, in a second.
 * @module
 */

export { type Cluster, startCluster } from './cluster.ts'
export { ClusterError, type ClusterErrorCode } from './errors/cluster-error.ts'
export type { CatchUpOptions } from './nodes/catch-up.ts'
export type { ClusterNode } from './nodes/cluster-node.ts'
export type { Replica } from './nodes/replica.ts'
export type { ClusterOptions, ClusterProvider } from './options/cluster-options.ts'
export type { StopMode } from './postgres/server.ts'
export type { Cut, CutAfterBytes, CutAtText, CutEnding, Way } from './wire/cut.ts'
export { openWire, type Slowness, type Wire, type WireTarget } from './wire/wire.ts'

/**
 * A real PostgreSQL primary with streaming replicas on one machine, in a second.
 * @module
 */
export type { CatchUpOptions } from './catch-up.ts'
export { type Cluster, startCluster } from './cluster.ts'
export { ClusterError, type ClusterErrorCode } from './cluster-error.ts'
export type { ClusterNode } from './cluster-node.ts'
export type { ClusterOptions, ClusterProvider } from './cluster-options.ts'
export type { Replica } from './replica.ts'
export type { StopMode } from './server.ts'

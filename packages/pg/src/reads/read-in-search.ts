import type { Frame, Statement } from '@headwater/core/internal'
import type { Connection, PoolNode } from '../node/pool-node.ts'
import type { ReadRequirement, StaleReason } from './read-requirement.ts'

/** A read that searches for its replica: its text, its scope, and the replicas that it has tried. */
export interface ReadInSearch {
  readonly call: { readonly text: string | undefined }
  readonly frame: Frame | undefined
  readonly statement: Statement
  /** The number of the catalog that the verdict on its statement comes from, 0 for none. */
  readonly judgedBy: number
  /** Its text, where it may share a connection with others (S4). */
  readonly sharedText: string | undefined
  /** Notes a replica that was tried. */
  noteTried(node: PoolNode): void
  hasTried(node: PoolNode): boolean
  /** Whether its answer will prove, in the same transaction, that the server behind this connection is fresh enough. */
  proves(connection: Connection, requirement: ReadRequirement): boolean
}

/**
 * Why there is no replica: the last one was not fresh enough, gave no session, gave none that a statement may be tried in, or has a
 * newer catalog than the verdict comes from.
 */
export type NoReplica = StaleReason | 'replica-lost' | 'unknown' | 'newer-than-catalog'

/** As `Connected`. With neither an error nor a connection no replica is left, and `why` says why not the last. */
export type ConnectedToReplica = (error: unknown, connection?: Connection, why?: NoReplica) => void

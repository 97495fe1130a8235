import type { Frame, Statement } from '@headwater/core/internal'
import type { Connection, PoolNode } from '../node/pool-node.ts'
import type { StaleReason } from './read-requirement.ts'

/** A read that looks for its replica: what it reads, who asked, and where it has been. */
export interface ReadInSearch {
  readonly call: { readonly text: string | undefined }
  readonly frame: Frame | undefined
  readonly statement: Statement
  /** Notes a replica that was asked. */
  noteTried(node: PoolNode): void
  hasTried(node: PoolNode): boolean
}

/** What was wrong with the last replica: not fresh enough, no session to be had, or none that may run what is merely tried. */
export type NoReplica = StaleReason | 'replica-lost' | 'unknown'

/** As `Connected`; without an error and a connection there is none to be had, and `why` says what was wrong with the last. */
export type ConnectedToReplica = (error: unknown, connection?: Connection, why?: NoReplica) => void

import type { Frame, Statement, TransactionState } from '@headwater/core'
import type { PoolNode } from './pool-node.ts'
import type { QueryCall, Settle } from './query-call.ts'

export const STANDS_ALONE: TransactionState = Object.freeze({ phase: 'none' })

/** One query on its way: what it is, who asked and waits for it, and where it has been. */
export class RoutedQuery {
  readonly call: QueryCall
  readonly frame: Frame | undefined
  readonly settle: Settle
  readonly statement: Statement
  #tried: Set<PoolNode> | undefined
  /** The error with which the last replica was lost. */
  lostTo: unknown

  constructor(call: QueryCall, frame: Frame | undefined, settle: Settle, statement: Statement) {
    this.call = call
    this.frame = frame
    this.settle = settle
    this.statement = statement
  }

  /** The replicas that were asked; none is asked twice (X2). */
  get tried(): Set<PoolNode> {
    this.#tried ??= new Set()
    return this.#tried
  }
}

import type { Frame, PositionSource, Statement, Trail } from '@headwater/core/internal'
import type { QueryCall, Settle } from '../driver/query-call.ts'
import type { PoolNode } from '../node/pool-node.ts'
import type { Holder } from './holder.ts'

/** Whoever must know when a change of the schema is sent, and when its transaction has ended. */
export interface SchemaWatch {
  changeSent(): void
  changeEnded(): void
}

/** One query on its way: what it is, who asked and waits for it, and where it has been. */
export class RoutedQuery {
  readonly call: QueryCall
  readonly frame: Frame | undefined
  readonly settle: Settle
  readonly statement: Statement
  readonly holder: Holder
  #triedFirst: PoolNode | undefined
  #triedAfter: PoolNode[] | undefined
  /** The error with which the last replica was lost. */
  lostTo: unknown
  #writesIn: Trail | undefined
  #readsIn: Trail | undefined
  #changesSchemaOf: SchemaWatch | undefined

  constructor(call: QueryCall, frame: Frame | undefined, settle: Settle, statement: Statement, holder: Holder) {
    this.call = call
    this.frame = frame
    this.settle = settle
    this.statement = statement
    this.holder = holder
  }

  /** Whether somebody counts this as underway: its scope as a write, or the catalog as a change of the schema. */
  get isUnderway(): boolean {
    return this.#writesIn !== undefined || this.#changesSchemaOf !== undefined
  }

  /** Before it is sent as a change of the schema. */
  schemaChangeSent(catalog: SchemaWatch): void {
    if (this.#changesSchemaOf !== undefined) return
    this.#changesSchemaOf = catalog
    catalog.changeSent()
  }

  /** Before it is sent as a write. */
  writeSent(source: PositionSource): void {
    if (this.#writesIn !== undefined) return
    this.#writesIn = this.frame?.scope?.trail
    this.#writesIn?.writeSent(source)
  }

  /** Before it is sent to the primary as a read. */
  readSent(source: PositionSource): void {
    const trail = this.frame?.scope?.trail
    if (trail?.readAtPrimary(source) === true) this.#readsIn = trail
  }

  /** When no connection to the primary could be had. */
  notSent(): void {
    this.#writesIn?.writeNotSent()
    this.#readsIn?.readNotSent()
    this.#writesIn = undefined
    this.#readsIn = undefined
    this.#schemaChangeEnded()
  }

  /** When its transaction has ended, one way or another; more than once does no harm. */
  writeEnded(): void {
    this.#writesIn?.writeEnded()
    this.#writesIn = undefined
    this.#schemaChangeEnded()
  }

  #schemaChangeEnded(): void {
    this.#changesSchemaOf?.changeEnded()
    this.#changesSchemaOf = undefined
  }

  /** Notes a replica that was asked; none is asked twice (X2). */
  noteTried(node: PoolNode): void {
    if (this.#triedFirst === undefined) this.#triedFirst = node
    else if (!this.hasTried(node)) {
      this.#triedAfter ??= []
      this.#triedAfter.push(node)
    }
  }

  hasTried(node: PoolNode): boolean {
    return this.#triedFirst === node || this.#triedAfter?.includes(node) === true
  }
}

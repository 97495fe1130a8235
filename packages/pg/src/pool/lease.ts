import type { Position, TransactionState } from '@headwater/core'
import type pg from 'pg'
import { type Holder, STANDS_ALONE } from '../execution/holder.ts'
import type { RoutedQuery } from '../execution/routed-query.ts'
import type { Connection, NodeKind } from '../pool-node.ts'
import { sendText } from '../query-call.ts'
import type { ConnectionSet } from './connection-set.ts'
import { HeldTransaction } from './held-transaction.ts'

/** What a leased client holds: its connections, the transaction on one of them, and the writes that it has sent there. */
export class Lease implements Holder {
  readonly connections: ConnectionSet
  readonly #finished: () => void
  #transaction: TransactionState = STANDS_ALONE
  #held: HeldTransaction | undefined
  #isPinned = false
  #isBroken = false
  /** The writes of the transaction that is open. */
  readonly #underway: RoutedQuery[] = []

  /** `finished` is called after each query. */
  constructor(connections: ConnectionSet, finished: () => void) {
    this.connections = connections
    this.#finished = finished
  }

  get transaction(): TransactionState {
    return this.#transaction
  }

  get isPinned(): boolean {
    return this.#isPinned
  }

  get isWriting(): boolean {
    return this.#underway.length > 0
  }

  /** As pg's client says it: BEGIN counts from when it was asked for. */
  get status(): 'I' | 'T' | 'E' | null {
    if (this.#held !== undefined) return 'T'
    const { latest } = this.connections
    return latest === undefined ? 'I' : (latest.client.sessionStatus ?? null)
  }

  hold({ call, statement: { control } }: RoutedQuery): pg.Result | undefined {
    if (this.#transaction.phase === 'open' || control === undefined) return undefined
    if (call.text === undefined || call.submittable !== undefined) return undefined
    let held = this.#held
    if (held === undefined) {
      if (control.kind !== 'begin') return undefined
      held = new HeldTransaction(call.text, control.modes)
    } else if (!held.add(call.text, control)) {
      return undefined
    }
    this.#keepHeld(held.isOver ? undefined : held)
    return HeldTransaction.resultOf(held.command)
  }

  forgetHeld(): void {
    this.#keepHeld(undefined)
  }

  #keepHeld(held: HeldTransaction | undefined): void {
    this.#held = held
    this.#transaction = held === undefined ? STANDS_ALONE : { phase: 'held', modes: held.modes }
  }

  connectionTo(kind: NodeKind): Connection | undefined {
    return kind === 'primary' ? this.connections.onPrimary : this.connections.onReplica
  }

  take(connection: Connection): void {
    this.connections.add(connection)
  }

  giveUp(connection: Connection): void {
    this.connections.drop(connection, false)
  }

  pin(): void {
    this.#isPinned = true
  }

  begin(connection: Connection, begun: (error?: unknown) => void): void {
    this.connections.latest = connection
    const held = this.#held
    if (held === undefined) return begun()
    sendEach(connection, held.texts, (error) => {
      if (error) return begun(error)
      this.#held = undefined
      this.#transaction = { phase: 'open', on: connection.node.kind, isReadOnly: held.modes.isReadOnly === true }
      begun()
    })
  }

  answered(_connection: Connection, isBroken: boolean): void {
    this.#isBroken ||= isBroken
  }

  finish(query: RoutedQuery, error: unknown, result?: unknown, position?: Position): void {
    if (!error) this.#noteReadOnly(query)
    this.#syncTransaction()
    if (query.isUnderway) this.#underway.push(query)
    if (this.#transaction.phase !== 'open') this.#endWrites()
    if (position !== undefined) query.frame?.scope?.trail.committedAt(position)
    query.settle(error, result)
    this.#finished()
  }

  /** Gives the connections back, or closes them. */
  letGo(destroy: Error | boolean): void {
    this.#endWrites()
    this.connections.dropAll(destroy || this.#isBroken)
  }

  /** Committed, rolled back, or lost: nothing of it is underway any more. */
  #endWrites(): void {
    if (this.#underway.length > 0) for (const write of this.#underway.splice(0)) write.writeEnded()
  }

  #noteReadOnly({ statement: { control } }: RoutedQuery): void {
    if (this.#transaction.phase !== 'open' || control?.kind !== 'set-transaction') return
    const { isReadOnly } = control.modes
    if (isReadOnly !== undefined) this.#transaction = { ...this.#transaction, isReadOnly }
  }

  /** The server's word is the truth: a transaction ends, or began inside a text, when ReadyForQuery says so. */
  #syncTransaction(): void {
    const { latest } = this.connections
    if (latest === undefined || this.#held !== undefined) return
    const { sessionStatus, isLost } = latest.client
    const isInside = sessionStatus === 'T' || sessionStatus === 'E'
    if (!isInside) this.#transaction = STANDS_ALONE
    else if (this.#transaction.phase !== 'open') {
      this.#transaction = { phase: 'open', on: latest.node.kind, isReadOnly: false }
    }
    if (isLost) this.connections.drop(latest, true)
  }
}

/** Sends texts one after the other, until one fails. */
function sendEach(connection: Connection, texts: readonly string[], done: (error?: unknown) => void, index = 0): void {
  const text = texts[index]
  if (text === undefined) return done()
  sendText(connection.client, text, (error) => (error ? done(error) : sendEach(connection, texts, done, index + 1)))
}

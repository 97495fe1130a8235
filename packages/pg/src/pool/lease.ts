import { OutcomeUnknown } from '@headwater/core'
import type { Position, TransactionState, WriteOutcome } from '@headwater/core/internal'
import type pg from 'pg'
import type { Opening } from '../driver/opening.ts'
import { hasValues } from '../driver/query-call.ts'
import { STANDS_ALONE } from '../execution/lone-queries.ts'
import { connectionLost } from '../execution/losses.ts'
import type { Holder, RoutedQuery } from '../execution/routed-query.ts'
import { writeOutcomeOf } from '../execution/write-outcome.ts'
import { askIdentity, type CommitIdentity } from '../fleet/commit-identity.ts'
import type { NodeRole } from '../node/node-role.ts'
import type { Connection } from '../node/pool-node.ts'
import { beginTransaction, openingOf } from './begin-transaction.ts'
import type { ConnectionSet } from './connection-set.ts'
import { HeldTransaction } from './held-transaction.ts'

/** What a leased client holds: its connections, the transaction on one of them, and the open writes in it. */
export class Lease implements Holder {
  readonly connections: ConnectionSet
  readonly mayShare = false
  readonly #finished: () => void
  #transaction: TransactionState = STANDS_ALONE
  #held: HeldTransaction | undefined
  #isPinned = false
  /** The error of every query, once its transaction or session is lost or closed. */
  #lostTo: unknown
  /** Whether a write of it was answered as done, outside a transaction or by its COMMIT. */
  #hasCommitted = false
  readonly #tracksCommits: boolean
  #commitIdentity: CommitIdentity | undefined
  /** Whether its last query failed before anything was sent, and it holds no connection. */
  wasRefused = false
  /** The query that waits for a connection. */
  #connecting: RoutedQuery | undefined
  /** The query that was sent last. */
  #sent: RoutedQuery | undefined
  /** The writes of the transaction that is open. */
  #underway: RoutedQuery[] | undefined

  /** `finished` is called after each query. With `tracksCommits` it finds out the numbers of its transactions (X6). */
  constructor(connections: ConnectionSet, tracksCommits: boolean, finished: () => void) {
    this.connections = connections
    this.#tracksCommits = tracksCommits
    this.#finished = finished
  }

  get transaction(): TransactionState {
    return this.#transaction
  }

  get isPinned(): boolean {
    return this.#isPinned
  }

  get isWriting(): boolean {
    return this.#underway !== undefined
  }

  get isLost(): boolean {
    return this.#lostTo !== undefined
  }

  get hasCommitted(): boolean {
    return this.#hasCommitted
  }

  get commitIdentity(): CommitIdentity | undefined {
    return this.#commitIdentity
  }

  /** The state of the transaction as pg's client reports it: BEGIN counts from the call on. */
  get status(): 'I' | 'T' | 'E' | null {
    if (this.#lostTo !== undefined) return null
    if (this.#held !== undefined) return 'T'
    const { latest } = this.connections
    if (latest === undefined) return 'I'
    const { sessionStatus, isSettled } = latest.client
    // The answer that its BEGIN is in has begun, and has not ended.
    if (sessionStatus === 'I' && !isSettled && this.#transaction.phase === 'open') return 'T'
    return sessionStatus ?? null
  }

  reasonToRefuse({ statement }: RoutedQuery): unknown {
    this.noticeLoss()
    if (this.#lostTo !== undefined) return this.#lostTo
    return statement.control?.kind === 'rollback' ? undefined : this.#held?.failure
  }

  hold({ call, statement: { control } }: RoutedQuery): pg.Result | undefined {
    if (this.#transaction.phase === 'open' || control === undefined) return undefined
    // The server has something to say to a BEGIN with values.
    if (call.text === undefined || call.submittable !== undefined || hasValues(call)) return undefined
    let held = this.#held
    if (held === undefined) {
      if (control.kind !== 'begin') return undefined
      held = new HeldTransaction(call.text, control.modes)
    } else if (!held.add(call.text, control)) {
      return undefined
    }
    this.#keepHeld(held.isOver ? undefined : held)
    return HeldTransaction.answerTo(held.command)
  }

  forgetHeld(): void {
    this.#keepHeld(undefined)
  }

  #keepHeld(held: HeldTransaction | undefined): void {
    this.#held = held
    this.#transaction = held === undefined ? STANDS_ALONE : { phase: 'held', modes: held.modes }
  }

  connectionTo(role: NodeRole): Connection | undefined {
    return role === 'primary' ? this.connections.onPrimary : this.connections.onReplica
  }

  /**
   * Gives its other connections back before it waits for one: two leases that hold what the other waits for would wait forever.
   * It needs none of them: a transaction or session on one of them would have kept the query there.
   */
  awaits(query: RoutedQuery): void {
    this.connections.dropAll(false)
    this.#connecting = query
  }

  receives(query: RoutedQuery, connection: Connection | undefined): boolean {
    if (this.#connecting !== query) {
      connection?.release()
      return false
    }
    this.#connecting = undefined
    if (connection !== undefined) this.connections.add(connection)
    return true
  }

  /** Takes a connection before its first query. */
  takes(connection: Connection): void {
    this.connections.add(connection)
    this.connections.latest = connection
  }

  use(connection: Connection, query: RoutedQuery): void {
    this.connections.latest = connection
    this.#sent = query
  }

  /** A transaction of which nothing was sent must not begin with its second statement (X11). */
  cannotBegin(error: unknown): void {
    if (this.#held !== undefined) this.#held.failure = error
  }

  giveUp(connection: Connection): void {
    this.connections.drop(connection, false)
  }

  pin(): void {
    this.#isPinned = true
  }

  opening(connection: Connection, begun: () => void): Opening | undefined {
    const held = this.#held
    // Its number is asked for in a round trip of its own.
    if (held === undefined || this.#isTracked(connection, held)) return undefined
    return openingOf(connection, held.texts, () => {
      this.#hasBegun(connection, held)
      begun()
    })
  }

  begin(connection: Connection, begun: (error?: unknown) => void): void {
    const held = this.#held
    if (held === undefined) return begun()
    const isTracked = this.#isTracked(connection, held)
    const isWrite = this.#sent !== undefined && this.#sent.statement.access !== 'read'
    beginTransaction(connection, held.texts, isTracked, isWrite, (error, identity) => {
      if (error) {
        this.cannotBegin(error)
        return begun(error)
      }
      this.#commitIdentity = identity
      this.#hasBegun(connection, held)
      begun()
    })
  }

  #isTracked({ role }: Connection, { modes }: HeldTransaction): boolean {
    return this.#tracksCommits && role === 'primary' && modes.isReadOnly !== true
  }

  #hasBegun({ role }: Connection, { modes }: HeldTransaction): void {
    this.#held = undefined
    this.#transaction = { phase: 'open', on: role, isReadOnly: modes.isReadOnly === true }
  }

  identify({ client }: Connection, identified: (error?: unknown) => void): void {
    if (!this.#tracksCommits || this.#commitIdentity !== undefined || client.sessionStatus !== 'T') return identified()
    askIdentity(client, (error, identity) => {
      this.#commitIdentity = identity
      identified(error)
    })
  }

  /** It keeps its connections until its release. */
  answered(): void {}

  noticeLoss(cause?: unknown): void {
    const { onPrimary, onReplica } = this.connections
    if (onPrimary?.client.lostTo !== undefined) this.#dropLost(onPrimary, cause ?? onPrimary.client.lostTo)
    if (onReplica?.client.lostTo !== undefined) this.#dropLost(onReplica, cause ?? onReplica.client.lostTo)
  }

  #dropLost(connection: Connection, cause: unknown): void {
    const hasTransaction = this.#transaction.phase === 'open' && connection === this.connections.latest
    const hasSession = this.#isPinned && connection.role === 'primary'
    this.connections.drop(connection, true)
    if (hasTransaction || hasSession) this.lose(connectionLost(cause, !this.#hasCommitted))
  }

  lose(error: unknown): void {
    this.#lostTo ??= error
    this.#held = undefined
    this.#transaction = STANDS_ALONE
  }

  /** Closes its connections at once; open and later queries reject. */
  close(how: Error | true, error: Error): void {
    this.lose(error)
    this.connections.dropAll(how)
    const waiting = this.#connecting
    this.#connecting = undefined
    if (waiting === undefined) return
    waiting.notSent()
    process.nextTick(() => this.finish(waiting, error))
  }

  finish(query: RoutedQuery, error: unknown, result?: unknown, position?: Position): void {
    if (!error) this.#noteReadOnly(query)
    // Its COMMIT may run yet: nothing may be asked behind it, and ROLLBACK has to say so too.
    if (error instanceof OutcomeUnknown && query.sentIn === 'open') this.lose(error)
    this.noticeLoss()
    if (!this.isLost) this.#syncTransaction()
    if (query.isUnderway) {
      this.#underway ??= []
      this.#underway.push(query)
    }
    const { kind } = query.statement.control ?? {}
    // After AND CHAIN it is another transaction.
    const isEnd = kind === 'commit' || kind === 'rollback'
    if (this.#transaction.phase !== 'open' || (isEnd && !error)) {
      const outcome = writeOutcomeOf(query.statement, error ?? this.#lostTo)
      if (outcome === 'committed' && this.isWriting) this.#hasCommitted = true
      this.#endWrites(outcome)
    }
    if (this.#transaction.phase !== 'open' || isEnd) this.#commitIdentity = undefined
    this.wasRefused = Boolean(error) && this.connections.clients.length === 0
    if (position !== undefined) query.frame?.scope?.session.committedAt(position)
    query.end(error, result)
    this.#finished()
  }

  /** Gives its connections back. */
  letGo(): void {
    this.#endWrites('undone')
    this.connections.dropAll(false)
  }

  /** Call when the transaction was committed, rolled back, or lost. */
  #endWrites(outcome: WriteOutcome): void {
    const ended = this.#underway
    if (ended === undefined) return
    this.#underway = undefined
    for (const write of ended) write.writeEnded(outcome)
  }

  #noteReadOnly({ statement: { control } }: RoutedQuery): void {
    if (this.#transaction.phase !== 'open' || control?.kind !== 'set-transaction') return
    const { isReadOnly } = control.modes
    if (isReadOnly !== undefined) this.#transaction = { ...this.#transaction, isReadOnly }
  }

  /** Follows the server: a transaction has ended, or has begun inside a text, when ReadyForQuery says so. */
  #syncTransaction(): void {
    const { latest } = this.connections
    // While a query runs its server has said nothing of the state that it leaves.
    if (latest === undefined || !latest.client.isSettled) return
    const { sessionStatus } = latest.client
    const isInside = sessionStatus === 'T' || sessionStatus === 'E'
    // The server took the held BEGIN, and refused a statement after it.
    if (isInside) this.#held = undefined
    else if (this.#held !== undefined) return
    if (!isInside) this.#transaction = STANDS_ALONE
    else if (this.#transaction.phase !== 'open') {
      this.#transaction = { phase: 'open', on: latest.role, isReadOnly: false }
    }
  }
}

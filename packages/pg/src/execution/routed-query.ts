import { ConnectionLost } from '@headwater/core'
import {
  type ClientSession,
  type Decision,
  databaseErrorIn,
  type Frame,
  isDirect,
  type Position,
  type PositionSource,
  type Statement,
  type TransactionState,
  type WriteOutcome,
} from '@headwater/core/internal'
import type pg from 'pg'
import type { Opening } from '../driver/opening.ts'
import { takesOpening } from '../driver/opening-query.ts'
import { mayBePrepared } from '../driver/prepare/send-statement.ts'
import type { QueryCall } from '../driver/query-call.ts'
import { isOnePacket } from '../driver/send-guarded.ts'
import type { Settle } from '../driver/settle.ts'
import type { TrackedClient } from '../driver/tracked-client.ts'
import type { CommitIdentity } from '../fleet/commit-identity.ts'
import type { NodeRole } from '../node/node-role.ts'
import type { Connection, PoolNode } from '../node/pool-node.ts'
import type { Placing } from '../reads/job-writes.ts'
import type { OwnWrites } from '../reads/own-writes.ts'
import type { ReadRequirement } from '../reads/read-requirement.ts'

/**
 * What a query runs for: a lease, which keeps its connections and its transaction between queries, or a lone query, which keeps
 * nothing. The execution never asks which of the two it is.
 */
export interface Holder {
  /** The transaction that its next query runs in. */
  readonly transaction: TransactionState
  /** Whether it has session state or has written, and so stays with its connection to the primary. */
  readonly isPinned: boolean
  /** Whether its reads may share a connection with those of others (S4). */
  readonly mayShare: boolean
  /** Whether writes of its open transaction were sent. */
  readonly isWriting: boolean
  /** Whether its transaction or session is gone: the connection was lost, or the app has closed it (X11). */
  readonly isLost: boolean
  /** Whether what it did before may be committed: then not all of it can be done again. */
  readonly hasCommitted: boolean
  /** What finds its open transaction again, where that is known (X6). */
  readonly commitIdentity: CommitIdentity | undefined
  /** Why its next query must not run; `undefined` when it may. */
  reasonToRefuse(query: RoutedQuery): unknown
  /**
   * Holds back a statement that can wait for the one after it (BEGIN and the like, R3), and returns the answer that the server
   * would have given. Returns `undefined` when the statement must be sent now.
   */
  hold(query: RoutedQuery): pg.Result | undefined
  /** Drops what it held back: that transaction never began. */
  forgetHeld(): void
  /** The connection that it keeps to a server of this kind. */
  connectionTo(role: NodeRole): Connection | undefined
  /** Before a query waits for a connection. */
  awaits(query: RoutedQuery): void
  /** When the connection is there, or cannot be had: keeps it. `false`: it was closed meanwhile, and the query has its answer. */
  receives(query: RoutedQuery, connection: Connection | undefined): boolean
  /** What it held back cannot begin: the rest of that transaction must not run on its own. */
  cannotBegin(error: unknown): void
  /** Gives a connection back that is of no use any more. */
  giveUp(connection: Connection): void
  /** Stays with the primary from now on. */
  pin(): void
  /** A query is sent on this connection of its own. */
  use(connection: Connection, query: RoutedQuery): void
  /**
   * What it held back, to go in one write with the first statement on `connection`; `undefined` when that cannot be. `begun` is called
   * when its transaction is open.
   */
  opening(connection: Connection, begun: () => void): Opening | undefined
  /** Sends what it held back before the first statement on `connection`. */
  begin(connection: Connection, begun: (error?: unknown) => void): void
  /** Before a COMMIT is sent: finds out what `commitIdentity` gives. An error means that nothing more can be sent. */
  identify(connection: Connection, identified: (error?: unknown) => void): void
  /** A query was answered to its end: gives its connection back, or keeps it. */
  answered(connection: Connection): void
  /** Drops connections that are gone. Without the one of its transaction or session, the holder is lost itself. */
  noticeLoss(cause: unknown): void
  /** From here on every query rejects with `error`. */
  lose(error: unknown): void
  /** Settles a query that is over, wherever it went. */
  finish(query: RoutedQuery, error: unknown, result?: unknown, position?: Position): void
}

/** Is told when a change of the schema is sent, and when its transaction has ended. */
export interface SchemaWatch {
  changeSent(): void
  changeEnded(): void
}

/** What is noted of a query while somebody wants to know who answers. */
export interface QueryTrace {
  /** The decision that it follows now. */
  decision: Decision
  /** Since when it waits for a connection, in ms of this process's monotonic clock. */
  since: number
}

/** One query on its way: its statement, its scope, its callback, and the replicas that it has tried. */
export class RoutedQuery {
  readonly call: QueryCall
  readonly frame: Frame | undefined
  /**
   * In an object of its own: what holds a function of its own request in a field is kept by V8 until the old ones are collected, and the
   * whole request with it.
   */
  readonly #settle: { readonly call: Settle }
  readonly statement: Statement
  readonly holder: Holder
  /** The number of the catalog that the verdict comes from, 0 for none. */
  readonly judgedBy: number
  #triedFirst: PoolNode | undefined
  #triedAfter: PoolNode[] | undefined
  /** Whether it was sent outside a transaction, inside one, or (`held`) together with what begins one; `undefined` before that. */
  sentIn: TransactionState['phase'] | undefined
  /** Whether it was lost at the primary, and left for a replica, or for whoever is the primary next: once is enough. */
  hasLeftPrimary = false
  /** Whether it was lost with a shared connection: once is enough. */
  hasLeftLane = false
  /** Whether replicas of other regions were looked at. */
  hasTriedFar = false
  /** The error that ended the last replica's connection. */
  lostTo: unknown
  /** What its answer must prove that its server has, in the same transaction; `undefined`: nothing. */
  requirement: ReadRequirement | undefined
  /** Whether it was sent in a read-only transaction of ours. */
  isGuarded = false
  /** Until when it waits for a primary, once one was lost or a pooler had none, in ms of this process's monotonic clock. */
  deadline: number | undefined
  /** Whether what was taken for the primary proved to be a standby. */
  hasMetStandby = false
  /** `undefined` while nobody wants to know who answers. */
  trace: QueryTrace | undefined
  #writesIn: ClientSession | OwnWrites | undefined
  #readsIn: ClientSession | undefined
  #awaitedIn: ClientSession | undefined
  #sees: OwnWrites | undefined
  #places: Placing | undefined
  #changesSchemaOf: SchemaWatch | undefined

  constructor(
    call: QueryCall,
    frame: Frame | undefined,
    settle: Settle,
    statement: Statement,
    holder: Holder,
    judgedBy: number,
  ) {
    this.call = call
    this.frame = frame
    this.#settle = { call: settle }
    this.statement = statement
    this.holder = holder
    this.judgedBy = judgedBy
  }

  /** Whether its scope counts it as an open write, or the catalog as an open change of the schema. */
  get isUnderway(): boolean {
    return this.#writesIn !== undefined || this.#changesSchemaOf !== undefined
  }

  /** Call before it is sent as a change of the schema. */
  schemaChangeSent(catalog: SchemaWatch): void {
    if (this.#changesSchemaOf !== undefined) return
    this.#changesSchemaOf = catalog
    catalog.changeSent()
  }

  /** Call before it is sent as a write; outside any scope it counts in `ownWrites`. */
  writeSent(source: PositionSource, ownWrites: OwnWrites): void {
    if (this.#writesIn !== undefined) return
    this.#writesIn = this.frame?.scope?.session ?? ownWrites
    this.#writesIn.writeSent(source)
    this.frame?.scope?.forgetRefusal()
  }

  /** Call when it goes to the primary because it must see what was written outside any scope. */
  mustSee(ownWrites: OwnWrites): void {
    this.#sees = ownWrites
  }

  /** Call when it goes to the primary because its job must see what it did there. */
  placeBehind(placing: Placing): void {
    this.#places = placing
  }

  /** Call before it is sent to the primary as a read; `isAskedFor`: because the app asked for the primary here. */
  readSent(source: PositionSource, isAskedFor: boolean): void {
    const session = this.frame?.scope?.session
    if (session?.readAtPrimary(source, isAskedFor) === true) this.#readsIn = session
  }

  /** Call before it is sent as a write, or as the end of a transaction that wrote. */
  answerAwaited(): void {
    if (this.#awaitedIn !== undefined) return
    this.#awaitedIn = this.frame?.scope?.session
    this.#awaitedIn?.answerAwaited()
  }

  /** Call when there was no connection to the primary. */
  notSent(): void {
    this.#writesIn?.writeNotSent()
    this.#readsIn?.readNotSent()
    this.#writesIn = undefined
    this.#readsIn = undefined
    this.#schemaChangeEnded()
  }

  /** Call when its transaction has ended, one way or another; calling again does nothing. */
  writeEnded(outcome: WriteOutcome): void {
    this.#writesIn?.writeEnded(outcome)
    this.#writesIn = undefined
    this.#schemaChangeEnded()
  }

  /** Whether it goes to the primary for that alone. */
  get isForFreshness(): boolean {
    return this.#sees !== undefined
  }

  /** Tells its caller the outcome. */
  end(error: unknown, result: unknown): void {
    // A wrapper may leave nothing of it (P10).
    if (error instanceof ConnectionLost) this.frame?.scope?.refuse(error)
    // The connection that it leaves is free now: the next read comes home without another one.
    this.#sees?.place()
    this.#awaitedIn?.answered()
    this.#places?.place()
    this.#settle.call(error, result)
  }

  /** Ends it in a later turn of the event loop, so that its caller sees the same order whatever the answer. */
  finishLater(error: unknown, result?: unknown): void {
    process.nextTick(() => this.holder.finish(this, error, result))
  }

  #schemaChangeEnded(): void {
    this.#changesSchemaOf?.changeEnded()
    this.#changesSchemaOf = undefined
  }

  /** Whether a replica of another region may answer it: it is proven to read, or the app asks for a replica, and none was tried. */
  get mayReadFar(): boolean {
    if (this.hasTriedFar) return false
    const { access, control } = this.statement
    return (access === 'read' && control === undefined) || (this.frame?.forced === 'replica' && access !== 'write')
  }

  /** Whether it can go in one write with what begins its transaction (S2). */
  takesOpening(client: TrackedClient): boolean {
    return this.statement.control === undefined && takesOpening(client, this.call)
  }

  /** Whether it travels in one packet with a transaction around it. */
  isOnePacket(client: TrackedClient): boolean {
    return isOnePacket(client, this.call, this.statement.count)
  }

  /** Whether its answer can prove, in the same transaction, that its server has what `requirement` says; then it will have to. */
  proves({ client, node }: Connection, requirement: ReadRequirement): boolean {
    const canProve =
      this.holder.transaction.phase === 'none' && node.traits.takesTransactions && this.isOnePacket(client)
    this.requirement = canProve ? requirement : undefined
    return canProve
  }

  /** Whether it must be sent to a replica in a read-only transaction of ours; notes that it is. */
  mustBeGuarded(client: TrackedClient): boolean {
    const { access, reason } = this.statement
    const mayWrite = access !== 'read' || reason === 'override'
    this.isGuarded =
      this.holder.transaction.phase === 'none' &&
      (this.requirement !== undefined || (mayWrite && !client.isForcedReadOnly))
    return this.isGuarded
  }

  /** Whether the server behind a pooler may be a standby by now: it refused to write, and no READ ONLY of the app's says why. */
  mayHaveMetStandby({ role, node }: Connection, error: unknown): boolean {
    if (role !== 'primary' || isDirect(node.traits) || this.holder.transaction.phase === 'open') return false
    return databaseErrorIn(error)?.code === '25006'
  }

  /** Its text, where it may share a connection (S4): a plain read that was not lost on one before. */
  get sharedText(): string | undefined {
    const { call, statement, holder } = this
    if (!holder.mayShare || this.hasLeftLane || statement.reason !== 'reads-only') return undefined
    return call.submittable === undefined && mayBePrepared(call, statement) ? call.text : undefined
  }

  /** Call for a replica whose shared connection it was lost with: that says nothing about this read, which may be sent there again. */
  leaveLane(node: PoolNode): void {
    this.hasLeftLane = true
    if (this.#triedFirst === node) this.#triedFirst = undefined
    this.#triedAfter = this.#triedAfter?.filter((tried) => tried !== node)
  }

  /** Notes a replica that was tried; none is tried twice (X2). */
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

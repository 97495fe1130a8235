import {
  accessIn,
  classify,
  createClassifier,
  createKnowledge,
  type Decision,
  databaseErrorIn,
  diagnostics,
  type Frame,
  isConnectionLoss,
  LearnedWriters,
  NO_NODE,
  type Position,
  type PositionSource,
  type PrimaryReason,
  PrimaryUnavailable,
  type Refusal,
  ReplayImpossible,
  ReplicaBehind,
  type ReplicaState,
  type RouteEvent,
  refusalOf,
  route,
  routeToPrimary,
  type Seen,
  type Situation,
  type Statement,
  type Topology,
  type Trail,
  type TransactionState,
  topologyOf,
  WriteOnReplica,
} from '@headwater/core'
import type pg from 'pg'
import { CatalogCache } from './catalog/catalog-cache.ts'
import { openConnection } from './catalog/open-connection.ts'
import { askPrimary } from './freshness/ask-primary.ts'
import { askReplica } from './freshness/ask-replica.ts'
import { type Need, ReplicaChooser, type Unfit } from './freshness/replica-chooser.ts'
import { TablePolicy } from './freshness/table-policy.ts'
import type { ResolvedOptions } from './options.ts'
import { type Connected, type Connection, PoolNode } from './pool-node.ts'
import { RoutedQuery } from './routed-query.ts'

/** As `Connected`; without an error and a connection there is none to be had, and `why` says what was wrong with the last. */
export type ConnectedToReplica = (error: unknown, connection?: Connection, why?: Unfit | 'replica-lost') => void

/** What both the pool and its leased clients ask: where to, with which connection, and what an answer means. */
export class Router implements PositionSource {
  readonly primary: PoolNode
  readonly replicas: readonly PoolNode[]
  readonly options: ResolvedOptions
  /** The replicas next door, in the order of the configuration. */
  readonly #local: readonly PoolNode[]
  readonly #classifier = createClassifier()
  readonly #learned = new LearnedWriters()
  readonly #chooser: ReplicaChooser
  readonly #tables: TablePolicy
  readonly #catalog: CatalogCache | undefined
  readonly #withReplica: Topology
  readonly #withoutReplica: Topology
  #turn = 0
  #statements = 0

  constructor(options: ResolvedOptions) {
    this.options = options
    this.primary = new PoolNode(options.primary, 'primary')
    this.replicas = options.replicas.map((replica) => new PoolNode(replica, 'replica'))
    const { region } = options
    this.#local = this.replicas.filter(
      (node) => node.region === undefined || region === undefined || node.region === region,
    )
    const primaryRegion = options.primary.region
    this.#withReplica = topologyOf({ region, primaryRegion, hasReplica: true })
    this.#withoutReplica = topologyOf({ region, primaryRegion, hasReplica: false })
    this.#catalog = this.#createCatalog()
    this.#tables = new TablePolicy(options.freshness.tables)
    const { primary, replicas } = this
    this.#chooser = new ReplicaChooser({ ...options.freshness, primary, replicas, topology: () => this.topology })
  }

  /** Without a catalog, the app's own word still holds. */
  #createCatalog(): CatalogCache | undefined {
    const { isLoaded, functions, refreshAfter } = this.options.catalog
    if (!isLoaded) {
      if (Object.keys(functions).length > 0) this.#classifier.learn(createKnowledge({ overrides: functions }))
      return undefined
    }
    return new CatalogCache({
      functions,
      refreshAfter,
      open: (signal) => openConnection(this.#nearest(), signal),
      onKnowledge: (knowledge) => this.#classifier.learn(knowledge),
      onFailure: (error) => this.primary.publish('connection-error', error),
    })
  }

  /** Where the catalog is read: next door, else at the primary. */
  #nearest(): pg.Pool[] {
    return [...this.#local.filter((node) => !node.isResting()), this.primary].map((node) => node.pool)
  }

  /** Ends what the router itself holds; the pools are ended by their owner. */
  async end(): Promise<void> {
    await Promise.all([this.#catalog?.end(), this.#chooser.end()])
  }

  get nodes(): readonly PoolNode[] {
    return [this.primary, ...this.replicas]
  }

  get topology(): Topology {
    for (const node of this.#local) if (!node.isResting()) return this.#withReplica
    return this.#withoutReplica
  }

  /** The verdict on a text; a statement that a standby has refused before is known as a write (P2). */
  statementOf(text: string | undefined): Statement {
    if (text === undefined) return UNSEEN
    this.#touchCatalog()
    const statement = this.#classifier.classify(text)
    if (statement.access === 'write' || !this.#learned.isKnown(text, statement)) return statement
    return { ...statement, access: 'write', because: 'learned' }
  }

  /** The verdict on what its builder knows as a write: none is stricter, so the text is not read. */
  knownWrite(): Statement {
    this.#touchCatalog()
    return KNOWN_WRITE
  }

  /** Reading the clock for every statement would cost more than its verdict. */
  #touchCatalog(): void {
    if (this.#statements++ % 64 === 0) this.#catalog?.touch()
  }

  situationOf({ frame, call }: RoutedQuery, transaction: TransactionState, isPinned: boolean): Situation {
    const { mode, consistency, outsideRequest } = this.options
    return {
      topology: this.topology,
      mode,
      consistency: this.#tables.mayRead(call.text)
        ? 'strong'
        : (frame?.consistency ?? frame?.scope?.consistency ?? consistency),
      outsideRequest,
      scope: frame?.scope,
      forced: frame?.forced,
      transaction,
      isPinned,
    }
  }

  /** Decides, tells who listens, and marks the scope before anything is sent (R4). */
  decide(query: Pick<RoutedQuery, 'statement' | 'frame'>, situation: Situation): Decision {
    return this.#announce(route(query.statement, situation), query, situation)
  }

  /** Decides again, for the primary, after a replica could not answer. */
  decideAgain(reason: PrimaryReason, query: RoutedQuery, situation: Situation): Decision {
    return this.#announce(routeToPrimary(reason, situation), query, situation)
  }

  #announce(decision: Decision, query: Pick<RoutedQuery, 'statement' | 'frame'>, situation: Situation): Decision {
    const { statement, frame } = query
    if (diagnostics.route.hasSubscribers) {
      const { access } = statement
      const { isAtHome } = situation.topology
      diagnostics.route.publish({ access, decision, isAtHome, scope: frame?.scope?.number } satisfies RouteEvent)
    }
    const isSent = decision.route === 'primary' || decision.route === 'direct'
    if (isSent && frame?.scope !== undefined && query instanceof RoutedQuery)
      this.#mark(query, frame.scope.trail, situation)
    return decision
  }

  /** Notes in the trail of its scope what a statement does at the primary. */
  #mark(query: RoutedQuery, trail: Trail, situation: Situation): void {
    if (query.statement.because !== 'reads-only' && SETS_COMMIT.test(query.call.text ?? '')) {
      trail.isCommitAsync = true
    }
    if (mayWrite(query.statement, situation)) query.writeSent(this)
    else if (situation.consistency !== 'eventual') trail.readAtPrimary(this)
  }

  /** Where the primary is, in one query on a connection of its pool (F2). Rejects after a second, and when it cannot say. */
  whereIsPrimary(isCommitAsync: boolean): Promise<Position> {
    return askPrimary(this.primary, isCommitAsync)
  }

  /** Whether every replica of the app is known to have all that was seen. */
  hasEveryReplica(seen: Seen): boolean {
    return this.#chooser.hasEveryReplica(seen)
  }

  /** The error that a decision to not run the statement here becomes. */
  errorOf(decision: Decision, frame: Frame | undefined, cause?: unknown): Error {
    switch (decision.route) {
      case 'replay':
      case 'impossible':
        if (frame?.scope === undefined) return new ReplayImpossible('no-request', { cause })
        return frame.scope.askForReplay(this.topology, decision.reason, cause)
      case 'refuse':
        return new WriteOnReplica(REFUSALS[decision.reason], cause)
      case 'primary':
      case 'direct':
      case 'replica':
        throw new TypeError(`a statement that runs on ${decision.route} has no error`)
    }
  }

  /** Takes a connection to the primary; one that cannot be made is a `PrimaryUnavailable`. */
  connectToPrimary(connected: Connected): void {
    this.primary.connect(connected, (error) => connected(isUnreachable(error) ? new PrimaryUnavailable(error) : error))
  }

  /**
   * Takes a connection to a replica next door that is fresh enough for `query`, trying each once (F1, F5, F6).
   *
   * Without an error and a connection there is none.
   */
  connectToReplica(
    query: RoutedQuery,
    situation: Situation,
    connected: ConnectedToReplica,
    whyNotTheLast: Unfit | 'replica-lost' = 'replica-lost',
  ): void {
    const need = this.#chooser.needOf(query.frame, situation.consistency)
    if (need === undefined) return this.#connectToAny(query, connected)
    const nodes = this.#inOrder(query, need.seen)
    if (nodes.length === 0) return connected(undefined, undefined, whyNotTheLast)
    this.#chooser.choose(nodes, need, query.frame, (node, why) => {
      if (node !== undefined) this.#connectToFit(node, query, situation, need, connected)
      else if (query.frame?.scope?.whenBehind === 'throw') connected(new ReplicaBehind())
      else if (this.#mayBeStale(query.frame)) this.#connectToAny(query, connected)
      else connected(undefined, undefined, why)
    })
  }

  /** Whether a connection that is held already leads to a replica that is fresh enough for `query`. */
  isFit(connection: Connection, query: RoutedQuery, { consistency }: Situation): boolean {
    const need = this.#chooser.needOf(query.frame, consistency)
    if (need === undefined) return true
    const state = this.#chooser.stateOf(connection.node, connection.client)
    if (connection.node.isBalanced || this.#chooser.unfitnessOf(state, need) !== undefined) return false
    if (state !== undefined) query.frame?.scope?.trail.readAtReplica(state)
    return true
  }

  #connectToAny(query: RoutedQuery, connected: ConnectedToReplica): void {
    const node = this.#pick(query)
    if (node === undefined) return connected(undefined, undefined, 'replica-lost')
    this.#connectTo(node, query, connected, () => this.#connectToAny(query, connected))
  }

  /** Looks again once the connection is there: it may be younger than what is known, or lead anywhere. */
  #connectToFit(
    node: PoolNode,
    query: RoutedQuery,
    situation: Situation,
    need: Need,
    connected: ConnectedToReplica,
  ): void {
    const again = (why?: Unfit) => this.connectToReplica(query, situation, connected, why)
    const take: Connected = (error, connection) => {
      if (connection === undefined) return connected(error)
      const finish = (state: ReplicaState): void => {
        const why = this.#chooser.unfitnessOf(state, need)
        if (why !== undefined) {
          connection.release()
          return again(why)
        }
        query.frame?.scope?.trail.readAtReplica(state)
        connected(undefined, connection)
      }
      const known = this.#chooser.stateOf(node, connection.client)
      if (known !== undefined) return finish(known)
      const isWaste = (state: ReplicaState) => this.#chooser.unfitnessOf(state, need) !== 'behind'
      askReplica(connection.client, isWaste, node.isBalanced ? this.#chooser.maxWait : 0, (failure, state) => {
        if (state !== undefined) {
          this.#chooser.note(node, connection.client, state)
          return finish(state)
        }
        connection.release(true)
        node.publish('connection-error', failure)
        again()
      })
    }
    this.#connectTo(node, query, take, again)
  }

  #connectTo(node: PoolNode, query: RoutedQuery, connected: Connected, unreachable: () => void): void {
    query.noteTried(node)
    node.connect(connected, (error) => {
      if (isUnreachable(error)) unreachable()
      else connected(error)
    })
  }

  /** The primary's region cannot be reached, and the app would rather show an older state than none. */
  #mayBeStale(frame: Frame | undefined): boolean {
    return this.options.freshness.whenUnreachable === 'stale' && frame?.scope?.obstacle === 'replay-failed'
  }

  /** What an error on `connection` means for routing; `isReadOnly` says that the app itself asked for READ ONLY. */
  refusalOn(connection: Connection, error: unknown, isReadOnly: boolean): Refusal | undefined {
    const isReplica = connection.node.kind === 'replica'
    if (isReadOnly && databaseErrorIn(error)?.routine === 'PreventCommandIfReadOnly') return undefined
    // Every session on a replica is read-only by our own doing, so a refusal there is the replica's even after a promotion.
    return refusalOf(error, isReplica || connection.client.isStandby === true)
  }

  /** A refusal by the configured primary itself: it is in recovery, and nobody else takes the write. */
  primaryRefused(error: unknown): Error {
    return this.topology.isAtHome ? new ReplayImpossible('at-home', { cause: error }) : new PrimaryUnavailable(error)
  }

  /**
   * What a replica's error becomes where its statement cannot be sent elsewhere: in a transaction, from a cursor, inside
   * withReplica. An error that is the statement's own stays as it is.
   */
  errorInPlace(query: RoutedQuery, connection: Connection, situation: Situation, error: unknown): unknown {
    const { transaction } = situation
    if (connection.node.kind === 'primary') return error
    const refusal = this.refusalOn(connection, error, transaction.phase === 'open' && transaction.isReadOnly)
    if (refusal === undefined) return error
    if (refusal === 'refused') this.learn(query, error)
    if (situation.forced === 'replica') {
      return refusal === 'refused' ? this.errorOf(REFUSED_IN_WITH_REPLICA, query.frame, error) : error
    }
    const decision = this.decideAgain(refusal, query, situation)
    if (decision.route === 'replay') return this.errorOf(decision, query.frame, error)
    if (refusal !== 'refused') return error
    if (decision.route === 'impossible') return this.errorOf(decision, query.frame, error)
    return transaction.phase === 'open' ? this.errorOf(REFUSED_IN_TRANSACTION, query.frame, error) : error
  }

  /** Remembers what a standby refused, so that next time it is a known write. */
  learn({ call, statement }: RoutedQuery, error: unknown): void {
    if (statement.access === 'read' || statement.because === 'unseen-function') this.#catalog?.doubt()
    if (call.text !== undefined) this.#learned.learn(call.text, statement, databaseErrorIn(error)?.where)
  }

  /** One scope stays with one replica while it can be reached; outside a scope they take turns. */
  #pick(query: RoutedQuery): PoolNode | undefined {
    const count = this.#local.length
    const start = query.frame?.scope?.number ?? this.#turn++
    for (let step = 0; step < count; step += 1) {
      const node = this.#local[(start + step) % count]
      if (node !== undefined && !query.hasTried(node) && !node.isDown()) return node
    }
    return undefined
  }

  /** All that `#pick` would give, one after the other; in front the one where the client has read before (F5). */
  #inOrder(query: RoutedQuery, seen: Seen | undefined): PoolNode[] {
    const start = (query.frame?.scope?.number ?? this.#turn++) % Math.max(1, this.#local.length)
    const nodes = [...this.#local.slice(start), ...this.#local.slice(0, start)]
    const fit = nodes.filter((node) => !query.hasTried(node) && !node.isDown())
    if (seen === undefined || seen.node === NO_NODE) return fit
    const known = fit.findIndex((node) => this.#chooser.stateOf(node)?.node === seen.node)
    return known <= 0 ? fit : [...fit.splice(known, 1), ...fit]
  }
}

const KNOWN_WRITE: Statement = Object.freeze({ ...classify('select 1'), access: 'write', because: 'data-modification' })

/** A Submittable that does not show its text: nobody can say what it does. */
const UNSEEN: Statement = Object.freeze({ ...classify('select 1'), access: 'write', because: 'unseen-function' })

const REFUSALS = {
  'write-in-with-replica':
    'a statement that needs the primary was kept from a replica: it ran inside withReplica(). Move it out, or use withPrimary().',
  'transaction-on-replica':
    'a statement that needs the primary came in a transaction that runs on a replica. Start that transaction inside withPrimary(), or as READ WRITE.',
} as const

const REFUSED_IN_WITH_REPLICA: Decision = Object.freeze({ route: 'refuse', reason: 'write-in-with-replica' })
const REFUSED_IN_TRANSACTION: Decision = Object.freeze({ route: 'refuse', reason: 'transaction-on-replica' })

/** What may make a commit be answered before it is flushed, for one transaction or session. */
const SETS_COMMIT = /synchronous_commit/i

/** Reads, and what sets up a session or a transaction, leave nothing for a later read to miss. */
function mayWrite(statement: Statement, situation: Situation): boolean {
  return accessIn(statement, situation.transaction) !== 'read' && statement.because !== 'session-state'
}

/** Whether no session could be had at all: nothing was sent. 57P03: the server is starting, stopping, or not accepting connections. */
function isUnreachable(error: unknown): boolean {
  const code = databaseErrorIn(error)?.code
  return code === undefined ? isConnectionLoss(error) : code === '57P03'
}

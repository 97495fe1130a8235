import {
  accessIn,
  classify,
  createClassifier,
  createKnowledge,
  type Decision,
  databaseErrorIn,
  diagnostics,
  type Frame,
  LearnedWriters,
  type Position,
  type PositionSource,
  type PrimaryReason,
  PrimaryUnavailable,
  type Refusal,
  ReplayImpossible,
  type RouteEvent,
  refusalOf,
  route,
  routeToPrimary,
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
import { beginsLikeSchemaChange, mayChangeSchema } from './catalog/schema-change.ts'
import { askPrimary } from './freshness/ask-primary.ts'
import { TablePolicy } from './freshness/table-policy.ts'
import type { ResolvedOptions } from './options.ts'
import { type Connected, type Connection, PoolNode } from './pool-node.ts'
import { isUnreachable, ReplicaConnector } from './replica-connector.ts'
import { RoutedQuery } from './routed-query.ts'

/** What both the pool and its leased clients ask: where to, with which connection, and what an answer means. */
export class Router implements PositionSource {
  readonly primary: PoolNode
  readonly replicas: readonly PoolNode[]
  readonly options: ResolvedOptions
  /** The replicas next door, in the order of the configuration. */
  readonly #local: readonly PoolNode[]
  readonly #classifier = createClassifier()
  readonly #learned = new LearnedWriters()
  /** Where reads find a replica. */
  readonly reads: ReplicaConnector
  readonly #tables: TablePolicy
  readonly #catalog: CatalogCache | undefined
  readonly #withReplica: Topology
  readonly #withoutReplica: Topology
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
    const { isAtHome } = this.#withReplica
    this.reads = new ReplicaConnector({ ...options.freshness, primary, replicas, local: this.#local, isAtHome })
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
      open: (signal, isPrimaryOnly) => openConnection(isPrimaryOnly ? [this.primary.pool] : this.#nearest(), signal),
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
    await Promise.all([this.#catalog?.end(), this.reads.end()])
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

  /** The verdict on what its builder knows as a write: none is stricter, so no more than the beginning of the text is read. */
  knownWrite(text: string | undefined): Statement {
    this.#touchCatalog()
    return text !== undefined && beginsLikeSchemaChange(text) ? KNOWN_SCHEMA_CHANGE : KNOWN_WRITE
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
      isCatalogMissing: this.#catalog?.isLoaded !== true,
      isCatalogOutdated: this.#isCatalogOutdated(),
    }
  }

  /** Whether this pool has changed the schema since the catalog was read; then it is read again at the next chance. */
  #isCatalogOutdated(): boolean {
    if (this.#catalog?.isOutdated !== true) return false
    this.#catalog.touch()
    return true
  }

  /** Decides, tells who listens, and marks the scope before anything is sent (R4). */
  decide(query: Pick<RoutedQuery, 'statement' | 'frame'>, situation: Situation): Decision {
    const decision = route(query.statement, situation)
    const { because, token } = query.statement
    if (because === 'newer-than-catalog' && decision.reason === because) this.#catalog?.miss(token)
    return this.#announce(decision, query, situation)
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
    if (!isSent || !(query instanceof RoutedQuery)) return decision
    if (frame?.scope !== undefined) this.#mark(query, frame.scope.trail, situation)
    if (this.#catalog !== undefined && mayChangeSchema(statement, query.call.text))
      query.schemaChangeSent(this.#catalog)
    return decision
  }

  /** Notes in the trail of its scope what a statement does at the primary. */
  #mark(query: RoutedQuery, trail: Trail, situation: Situation): void {
    if (query.statement.because !== 'reads-only' && SETS_COMMIT.test(query.call.text ?? '')) {
      trail.isCommitAsync = true
    }
    if (mayWrite(query.statement, situation)) {
      query.writeSent(this)
      this.reads.noteWrite(query)
    } else if (situation.consistency !== 'eventual') {
      query.readSent(this)
    }
  }

  /** Where the primary is, in one query on a connection of its pool (F2). Rejects after a second, and when it cannot say. */
  whereIsPrimary(isCommitAsync: boolean): Promise<Position> {
    return askPrimary(this.primary, isCommitAsync)
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
}

/** A Submittable that does not show its text: nobody can say what it does. */
const UNSEEN: Statement = Object.freeze({ ...classify('select 1'), access: 'write', because: 'unseen-function' })

const KNOWN_WRITE: Statement = Object.freeze({ ...classify('select 1'), access: 'write', because: 'data-modification' })

const KNOWN_SCHEMA_CHANGE: Statement = Object.freeze({ ...KNOWN_WRITE, because: 'schema-change' })

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

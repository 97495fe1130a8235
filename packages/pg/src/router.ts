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
  type TransactionState,
  topologyOf,
  WriteOnReplica,
} from '@headwater/core'
import type pg from 'pg'
import { CatalogCache } from './catalog/catalog-cache.ts'
import { openConnection } from './catalog/open-connection.ts'
import type { ResolvedOptions } from './options.ts'
import { PoolNode } from './pool-node.ts'
import type { RoutedQuery } from './routed-query.ts'
import type { TrackedClient } from './tracked-client.ts'

/** A connection in use: whose it is, and how it goes back. */
export interface Connection {
  readonly node: PoolNode
  readonly client: TrackedClient
  release(destroy?: Error | boolean): void
}

export type Connected = (error: unknown, connection?: Connection) => void

/** What both the pool and its leased clients ask: where to, with which connection, and what an answer means. */
export class Router {
  readonly primary: PoolNode
  readonly replicas: readonly PoolNode[]
  readonly options: ResolvedOptions
  /** The replicas next door, in the order of the configuration. */
  readonly #local: readonly PoolNode[]
  readonly #classifier = createClassifier()
  readonly #learned = new LearnedWriters()
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
    await this.#catalog?.end()
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
    // Reading the clock for every statement would cost more than its verdict.
    if (this.#statements++ % 64 === 0) this.#catalog?.touch()
    const statement = this.#classifier.classify(text)
    if (statement.access === 'write' || !this.#learned.isKnown(text, statement)) return statement
    return { ...statement, access: 'write', because: 'learned' }
  }

  /** The verdict on a text that its builder knows as a write. */
  writeOf(text: string | undefined): Statement {
    const statement = this.statementOf(text)
    return statement.access === 'write' ? statement : { ...statement, access: 'write', because: 'data-modification' }
  }

  situationOf(frame: Frame | undefined, transaction: TransactionState, isPinned: boolean): Situation {
    const { mode, consistency, outsideRequest } = this.options
    return {
      topology: this.topology,
      mode,
      consistency: frame?.consistency ?? frame?.scope?.consistency ?? consistency,
      outsideRequest,
      scope: frame?.scope,
      forced: frame?.forced,
      transaction,
      isPinned,
    }
  }

  /** Decides, tells who listens, and marks the scope before anything is sent (R4). */
  decide({ statement, frame }: Pick<RoutedQuery, 'statement' | 'frame'>, situation: Situation): Decision {
    return announce(route(statement, situation), statement, frame, situation)
  }

  /** Decides again, for the primary, after a replica could not answer. */
  decideAgain(reason: PrimaryReason, { statement, frame }: RoutedQuery, situation: Situation): Decision {
    return announce(routeToPrimary(reason, situation), statement, frame, situation)
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
    this.primary.connect((error, client, release) => {
      if (client !== undefined && release !== undefined) connected(undefined, { node: this.primary, client, release })
      else connected(isUnreachable(error) ? new PrimaryUnavailable(error) : error)
    })
  }

  /** Takes a connection to a replica next door, trying each once; without an error and a connection, none is left. */
  connectToReplica(frame: Frame | undefined, tried: Set<PoolNode>, connected: Connected): void {
    const node = this.#pick(frame, tried)
    if (node === undefined) return connected(undefined)
    tried.add(node)
    node.connect((error, client, release) => {
      if (client !== undefined && release !== undefined) connected(undefined, { node, client, release })
      else if (isUnreachable(error)) this.connectToReplica(frame, tried, connected)
      else connected(error)
    })
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
  #pick(frame: Frame | undefined, tried: ReadonlySet<PoolNode>): PoolNode | undefined {
    const count = this.#local.length
    const start = frame?.scope?.number ?? this.#turn++
    for (let step = 0; step < count; step += 1) {
      const node = this.#local[(start + step) % count]
      if (node !== undefined && !tried.has(node) && !node.isDown()) return node
    }
    return undefined
  }
}

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

function announce(decision: Decision, statement: Statement, frame: Frame | undefined, situation: Situation): Decision {
  if (diagnostics.route.hasSubscribers) {
    const { access } = statement
    const { isAtHome } = situation.topology
    diagnostics.route.publish({ access, decision, isAtHome, scope: frame?.scope?.number } satisfies RouteEvent)
  }
  const isSent = decision.route === 'primary' || decision.route === 'direct'
  if (isSent && frame?.scope !== undefined && mayWrite(statement, situation)) frame.scope.hasWritten = true
  return decision
}

/** Reads, and what sets up a session or a transaction, leave nothing for a later read to miss. */
function mayWrite(statement: Statement, situation: Situation): boolean {
  return accessIn(statement, situation.transaction) !== 'read' && statement.because !== 'session-state'
}

/** Whether no session could be had at all: nothing was sent. 57P03: the server is starting, stopping, or not accepting connections. */
function isUnreachable(error: unknown): boolean {
  const code = databaseErrorIn(error)?.code
  return code === undefined ? isConnectionLoss(error) : code === '57P03'
}

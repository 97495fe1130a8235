import { diagnostics, PrimaryUnavailable, type RouteEvent } from '@headwater/core'
import {
  accessIn,
  classify,
  type Decision,
  type Frame,
  isTried,
  NEVER_REACHED,
  type PrimaryReason,
  route,
  routeToFarReplica,
  routeToPrimary,
  type Situation,
  type Statement,
  warn,
  withoutReplay,
} from '@headwater/core/internal'
import type { Fleet } from '../fleet/fleet.ts'
import type { ResolvedOptions } from '../options/options.ts'
import type { Reads } from '../reads/reads.ts'
import { TablePolicy } from '../reads/table-policy.ts'
import { isTraced, traceDecision } from './query-trace.ts'
import type { RoutedQuery } from './routed-query.ts'
import type { Verdicts } from './verdicts.ts'

/** Asks core where a query goes, publishes the decision, and marks the query's scope before anything is sent (R4). */
export class Decisions {
  readonly #options: ResolvedOptions
  readonly #fleet: Fleet
  readonly #reads: Reads
  readonly #verdicts: Verdicts
  readonly #tables: TablePolicy
  #warnsOfDirectWrites: boolean

  constructor(options: ResolvedOptions, fleet: Fleet, reads: Reads, verdicts: Verdicts) {
    this.#options = options
    this.#fleet = fleet
    this.#reads = reads
    this.#verdicts = verdicts
    this.#warnsOfDirectWrites = options.warnsOfDirectWrites
    this.#tables = new TablePolicy(options.freshness.primaryTables)
  }

  /** All that a decision about this query depends on, as of now. */
  situationOf({ frame, call, holder }: RoutedQuery): Situation {
    // What the client brought, also where its reads go to the primary whatever it says (X7).
    const brought = frame?.scope?.session.minPosition
    if (brought !== undefined && brought.timeline > this.#fleet.timeline && brought.lsn !== NEVER_REACHED)
      this.#fleet.hear(brought)
    const { routing, consistency, writesOutsideRequest } = this.#options
    const { isUnplaced } = frame?.scope?.session ?? this.#reads.ownWrites
    return {
      topology: frame?.group === undefined ? this.#fleet.topology : this.#fleet.topologyOf(frame.group),
      routing,
      consistency: this.#tables.mayRead(call.text)
        ? 'strong'
        : (frame?.consistency ?? frame?.scope?.consistency ?? consistency),
      writesOutsideRequest,
      scope: frame?.scope,
      forced: frame?.forced,
      transaction: holder.transaction,
      isPinned: holder.isPinned,
      isCatalogMissing: this.#verdicts.isCatalogMissing,
      isCatalogOutdated: this.#verdicts.isCatalogOutdated,
      isReadOnlyForced: this.#fleet.isReadOnlyForced,
      isOwnWriteUnplaced: isUnplaced,
    }
  }

  decide(query: RoutedQuery, situation: Situation = this.situationOf(query)): Decision {
    const decision = routeHere(query.statement, situation)
    const isNewer = query.statement.reason === 'newer-than-catalog' && decision.reason === 'newer-than-catalog'
    if (isNewer) this.#verdicts.miss(query.statement)
    if (decision.route !== 'replica' && BY_CATALOG.has(query.statement.reason)) this.#reads.lookAtCatalog()
    return this.#announce(decision, query, situation)
  }

  /** Decides again, for the primary, after a replica could not answer. */
  decideAgain(reason: PrimaryReason, query: RoutedQuery): Decision {
    const situation = this.situationOf(query)
    const far = this.#afterLoss(reason, query, situation)
    const decision = far ?? routeToPrimary(reason, situation, isTried(query.statement, situation))
    return this.#announce(stay(decision, situation), query, situation)
  }

  /** Where a read goes whose replicas next door are all lost, when that is not where the primary is (X10). */
  #afterLoss(reason: PrimaryReason, query: RoutedQuery, situation: Situation): Decision | undefined {
    const mayGo = reason === 'replica-lost' && !situation.topology.hasReplica && query.mayReadFar
    return mayGo ? routeToFarReplica(situation) : undefined
  }

  /**
   * Whether a read that goes to the primary for `reason` may run on a replica of another region when that does not answer, or has
   * no place for it (X10).
   */
  mayReadFar(reason: Decision['reason'], query: RoutedQuery): boolean {
    if (!FOR_WANT_OF_A_REPLICA.has(reason) || !query.mayReadFar || this.#options.reads.readsElsewhere === 'never')
      return false
    return this.#fleet.replicasOf(query.frame?.group).far.length > 0
  }

  /** Announces that such a read does so. */
  decideForFar(query: RoutedQuery): Situation {
    const situation = this.situationOf(query)
    this.#announce(FAR_REPLICA, query, situation)
    return situation
  }

  /**
   * Where a lone read goes that the primary did not answer: to a replica, if that may answer it. `undefined` when it was to run at
   * the primary.
   */
  decideAfterPrimary(query: RoutedQuery): Decision | undefined {
    const { access, control } = query.statement
    const { transaction, isPinned } = query.holder
    if (access !== 'read' || control !== undefined || transaction.phase !== 'none' || isPinned) return undefined
    const situation = this.situationOf(query)
    const decision = route(query.statement, situation)
    const isHere = decision.route === 'replica' && decision.reason !== 'tried'
    const again = isHere ? decision : this.mayReadFar(decision.reason, query) ? FAR_REPLICA : undefined
    return again === undefined ? undefined : this.#announce(again, query, situation)
  }

  /** Whether reads that go to the primary for `reason` have a limit there, because replicas should answer them (X3). */
  isLimited(reason: Decision['reason']): boolean {
    return (reason === 'lagging' || IN_PLACE_OF_A_REPLICA.has(reason)) && this.#fleet.expectsReplicas
  }

  /** Whether a read that needs the primary for its freshness alone may get an older state when that gives no connection. */
  mayTakeOlder(query: RoutedQuery): boolean {
    return query.isForFreshness && this.#options.freshness.onPrimaryUnreachable === 'serve-stale'
  }

  /**
   * The situation in which a read takes any replica, since the primary that it needs for its freshness alone gives no connection
   * and the app would rather show an older state than none. `undefined` when it may not.
   */
  decideForOlder(query: RoutedQuery, error: unknown): Situation | undefined {
    if (!this.mayTakeOlder(query) || !(error instanceof PrimaryUnavailable)) return undefined
    const situation: Situation = { ...this.situationOf(query), consistency: 'eventual' }
    const decision = route(query.statement, situation)
    if (decision.route !== 'replica') return undefined
    this.#announce(decision, query, situation)
    return situation
  }

  /**
   * Decides where a held transaction will begin, when no statement in it can change that. `undefined` when its first statement
   * decides, and in the primary's region.
   */
  decideAtBegin(query: RoutedQuery): Decision | undefined {
    const situation = this.situationOf(query)
    const { transaction, forced, topology } = situation
    if (transaction.phase !== 'held' || topology.isAtHome) return undefined
    const { isReadOnly, isolation } = transaction.modes
    if (isReadOnly !== false && isolation !== 'serializable' && forced !== 'primary') return undefined
    const decision = routeHere(NOTHING, situation)
    this.#publish(decision, NOTHING, query, situation)
    return decision
  }

  #announce(decision: Decision, query: RoutedQuery, situation: Situation): Decision {
    this.#publish(decision, query.statement, query, situation)
    const isSent = decision.route === 'primary' || decision.route === 'direct'
    if (!isSent) return decision
    this.#mark(query, situation, decision)
    const scope = query.frame?.scope
    if (scope?.kind !== 'request' || scope.hasBegunToAnswer) this.#noteWhy(query, decision)
    this.#verdicts.noteSchemaChange(query)
    return decision
  }

  #publish(decision: Decision, { access }: Statement, query: RoutedQuery, { topology }: Situation): void {
    const { frame } = query
    if (isTraced(frame)) traceDecision(query, decision)
    if (!diagnostics.route.hasSubscribers) return
    const { isAtHome } = topology
    diagnostics.route.publish({ access, decision, isAtHome, scope: frame?.scope?.number } satisfies RouteEvent)
  }

  /** Notes why a read outside a request, or in a stream that has begun, goes to the primary (R9, and R4 in a job): behind it the position is asked for. */
  #noteWhy(query: RoutedQuery, { reason }: Decision): void {
    const { ownWrites, jobs } = this.#reads
    const session = query.frame?.scope?.session
    if (session === undefined) {
      // After a promotion the position is one of another history.
      if (reason === 'another-timeline') ownWrites.doubt()
      if (NOT_FRESH.has(reason)) query.mustSee(ownWrites)
      return
    }
    if (reason === 'another-timeline') session.doubt(this.#fleet)
    if (NOT_FRESH.has(reason) || reason === 'seen-elsewhere') query.placeBehind(jobs.of(session))
  }

  /** A write that crosses regions outside of any scope: a job, or an app whose middleware is missing or behind its routes. */
  #warnOfDirectWrite({ frame }: RoutedQuery, { topology: { region, primaryRegion } }: Situation): void {
    if (frame?.scope !== undefined || region === undefined || primaryRegion === undefined) return
    this.#warnsOfDirectWrites = false
    warn('HEADWATER_WRITE_OUTSIDE_REQUEST', { region, primaryRegion }, { logger: this.#options.logger })
  }

  /** Notes what a statement does at the primary: in the scope's session, or outside any scope among the pool's own writes. */
  #mark(query: RoutedQuery, situation: Situation, { route: way }: Decision): void {
    const { ownWrites } = this.#reads
    const session = query.frame?.scope?.session ?? ownWrites
    if (query.statement.reason !== 'reads-only' && SETS_COMMIT.test(query.call.text ?? '')) {
      session.isCommitAsync = true
    }
    if (mayWrite(query.statement, situation)) {
      if (way === 'direct' && this.#warnsOfDirectWrites) this.#warnOfDirectWrite(query, situation)
      query.answerAwaited()
      query.writeSent(this.#fleet, ownWrites)
      this.#reads.noteWrite(query)
    } else {
      if (query.statement.control !== undefined && query.holder.isWriting) query.answerAwaited()
      if (situation.consistency !== 'eventual') query.readSent(this.#fleet, asksForNewest(query.frame))
    }
  }
}

/** Where a statement goes, in a scope that may have written before. */
function routeHere(statement: Statement, situation: Situation): Decision {
  return stay(route(statement, situation), situation)
}

function stay(decision: Decision, { scope }: Situation): Decision {
  return scope?.hasWritten === true ? withoutReplay(decision) : decision
}

/** Whether the app asked for the newest state right here (F9): where each read of the pool or table gets that, nothing can vanish. */
function asksForNewest(frame: Frame | undefined): boolean {
  return frame?.forced === 'primary' || (frame?.consistency ?? frame?.scope?.consistency) === 'strong'
}

/** Why a read goes to the primary that could run on a replica if that were fresh enough. */
const NOT_FRESH: ReadonlySet<Decision['reason']> = new Set(['after-write', 'behind', 'another-timeline', 'lagging'])

/** Why a read goes to the primary although a replica could answer it, if there were one that is fresh enough. */
const FOR_WANT_OF_A_REPLICA: ReadonlySet<Decision['reason']> = new Set([
  'no-replica',
  'replica-lost',
  'behind',
  'lagging',
  'seen-elsewhere',
  'another-timeline',
])

/** Why a read goes there when the replicas next door are gone. */
const IN_PLACE_OF_A_REPLICA: ReadonlySet<Decision['reason']> = new Set(['no-replica', 'replica-lost'])

const FAR_REPLICA: Decision = Object.freeze({ route: 'replica', reason: 'far-replica' })

const NOTHING: Statement = classify('')

/** Reasons that the catalog gives: a change of the schema may take them away. */
const BY_CATALOG: ReadonlySet<Statement['reason']> = new Set([
  'writing-function',
  'swallows-errors',
  'procedural-code',
  'unseen-function',
  'unseen-operator',
])

/** The setting that may make commits answered before they are flushed, for one transaction or session. */
const SETS_COMMIT = /synchronous_commit/i

/** Whether a later read may miss something of it: reads, and statements that set up a session or transaction, write nothing. */
function mayWrite(statement: Statement, situation: Situation): boolean {
  return accessIn(statement, situation.transaction) !== 'read' && statement.reason !== 'session-state'
}

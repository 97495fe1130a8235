import { diagnostics, type RouteEvent } from '@headwater/core'
import {
  accessIn,
  type ClientSession,
  classify,
  type Decision,
  NEVER_REACHED,
  type PrimaryReason,
  route,
  routeToPrimary,
  type Situation,
  type Statement,
} from '@headwater/core/internal'
import type { Fleet } from '../fleet/fleet.ts'
import type { ResolvedOptions } from '../options/options.ts'
import type { Reads } from '../reads/reads.ts'
import { TablePolicy } from '../reads/table-policy.ts'
import type { RoutedQuery } from './routed-query.ts'
import type { Verdicts } from './verdicts.ts'

/** Asks core where a query goes, publishes the decision, and marks the query's scope before anything is sent (R4). */
export class Decisions {
  readonly #options: ResolvedOptions
  readonly #fleet: Fleet
  readonly #reads: Reads
  readonly #verdicts: Verdicts
  readonly #tables: TablePolicy

  constructor(options: ResolvedOptions, fleet: Fleet, reads: Reads, verdicts: Verdicts) {
    this.#options = options
    this.#fleet = fleet
    this.#reads = reads
    this.#verdicts = verdicts
    this.#tables = new TablePolicy(options.freshness.primaryTables)
  }

  /** All that a decision about this query depends on, as of now. */
  situationOf({ frame, call, holder }: RoutedQuery): Situation {
    const seen = frame?.scope?.session.seen
    if (seen !== undefined && seen.timeline > this.#fleet.timeline && seen.lsn !== NEVER_REACHED) this.#fleet.hear(seen)
    const { routing, consistency, writesOutsideRequest } = this.#options
    return {
      topology: this.#fleet.topology,
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
    }
  }

  decide(query: RoutedQuery): Decision {
    const situation = this.situationOf(query)
    const decision = route(query.statement, situation)
    const isNewer = query.statement.reason === 'newer-than-catalog' && decision.reason === 'newer-than-catalog'
    if (isNewer) this.#verdicts.miss(query.statement)
    if (decision.route !== 'replica' && BY_CATALOG.has(query.statement.reason)) this.#reads.lookAtCatalog()
    return this.#announce(decision, query, situation)
  }

  /** Decides again, for the primary, after a replica could not answer. */
  decideAgain(reason: PrimaryReason, query: RoutedQuery): Decision {
    const situation = this.situationOf(query)
    return this.#announce(routeToPrimary(reason, situation), query, situation)
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
    const decision = route(NOTHING, situation)
    this.#publish(decision, NOTHING, query, situation)
    return decision
  }

  #announce(decision: Decision, query: RoutedQuery, situation: Situation): Decision {
    this.#publish(decision, query.statement, query, situation)
    const isSent = decision.route === 'primary' || decision.route === 'direct'
    if (!isSent) return decision
    const session = query.frame?.scope?.session
    if (session !== undefined) this.#mark(query, session, situation)
    this.#verdicts.noteSchemaChange(query)
    return decision
  }

  #publish(decision: Decision, { access }: Statement, { frame }: RoutedQuery, { topology }: Situation): void {
    if (!diagnostics.route.hasSubscribers) return
    const { isAtHome } = topology
    diagnostics.route.publish({ access, decision, isAtHome, scope: frame?.scope?.number } satisfies RouteEvent)
  }

  /** Notes in the scope's session what a statement does at the primary. */
  #mark(query: RoutedQuery, session: ClientSession, situation: Situation): void {
    if (query.statement.reason !== 'reads-only' && SETS_COMMIT.test(query.call.text ?? '')) {
      session.isCommitAsync = true
    }
    if (mayWrite(query.statement, situation)) {
      query.writeSent(this.#fleet)
      this.#reads.noteWrite(query)
    } else if (situation.consistency !== 'eventual') {
      query.readSent(this.#fleet)
    }
  }
}

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

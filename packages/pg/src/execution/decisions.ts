import { diagnostics, type RouteEvent } from '@headwater/core'
import {
  accessIn,
  classify,
  type Decision,
  type PrimaryReason,
  route,
  routeToPrimary,
  type Situation,
  type Statement,
  type Trail,
} from '@headwater/core/internal'
import type { Fleet } from '../fleet/fleet.ts'
import type { ResolvedOptions } from '../options/options.ts'
import type { ReplicaConnector } from '../reads/replica-connector.ts'
import { TablePolicy } from '../reads/table-policy.ts'
import type { RoutedQuery } from './routed-query.ts'
import type { Verdicts } from './verdicts.ts'

/** Asks core where a query goes, tells whoever listens, and marks the query's scope before anything is sent (R4). */
export class Decisions {
  readonly #options: ResolvedOptions
  readonly #fleet: Fleet
  readonly #reads: ReplicaConnector
  readonly #verdicts: Verdicts
  readonly #tables: TablePolicy

  constructor(options: ResolvedOptions, fleet: Fleet, reads: ReplicaConnector, verdicts: Verdicts) {
    this.#options = options
    this.#fleet = fleet
    this.#reads = reads
    this.#verdicts = verdicts
    this.#tables = new TablePolicy(options.freshness.tables)
  }

  /** All that a decision about this query depends on, as of now. */
  situationOf({ frame, call, holder }: RoutedQuery): Situation {
    const { mode, consistency, outsideRequest } = this.#options
    return {
      topology: this.#fleet.topology,
      mode,
      consistency: this.#tables.mayRead(call.text)
        ? 'strong'
        : (frame?.consistency ?? frame?.scope?.consistency ?? consistency),
      outsideRequest,
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
    const isNewer = query.statement.because === 'newer-than-catalog' && decision.reason === 'newer-than-catalog'
    if (isNewer) this.#verdicts.miss(query.statement)
    return this.#announce(decision, query, situation)
  }

  /** Decides again, for the primary, after a replica could not answer. */
  decideAgain(reason: PrimaryReason, query: RoutedQuery): Decision {
    const situation = this.situationOf(query)
    return this.#announce(routeToPrimary(reason, situation), query, situation)
  }

  /**
   * Where a transaction that is held back will begin, when nothing in it can change that; `undefined` while its first
   * statement will tell, and at home.
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
    const trail = query.frame?.scope?.trail
    if (trail !== undefined) this.#mark(query, trail, situation)
    this.#verdicts.noteSchemaChange(query)
    return decision
  }

  #publish(decision: Decision, { access }: Statement, { frame }: RoutedQuery, { topology }: Situation): void {
    if (!diagnostics.route.hasSubscribers) return
    const { isAtHome } = topology
    diagnostics.route.publish({ access, decision, isAtHome, scope: frame?.scope?.number } satisfies RouteEvent)
  }

  /** Notes in the trail of its scope what a statement does at the primary. */
  #mark(query: RoutedQuery, trail: Trail, situation: Situation): void {
    if (query.statement.because !== 'reads-only' && SETS_COMMIT.test(query.call.text ?? '')) {
      trail.isCommitAsync = true
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

/** What may make a commit be answered before it is flushed, for one transaction or session. */
const SETS_COMMIT = /synchronous_commit/i

/** Reads, and what sets up a session or a transaction, leave nothing for a later read to miss. */
function mayWrite(statement: Statement, situation: Situation): boolean {
  return accessIn(statement, situation.transaction) !== 'read' && statement.because !== 'session-state'
}

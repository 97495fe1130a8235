import { accessIn, type Decision, isShared, type PrimaryReason, type Situation } from '@headwater/core/internal'
import type { Fleet } from '../fleet/fleet.ts'
import type { Connected, Connection } from '../node/pool-node.ts'
import type { ConnectedToReplica, NoReplica } from '../reads/read-in-search.ts'
import type { Reads } from '../reads/reads.ts'
import type { Reach } from '../reads/replica-order.ts'
import type { Decisions } from './decisions.ts'
import type { Outcomes } from './outcomes.ts'
import { type OwnSession, sessionNeedAt, sessionUnavailable } from './own-session.ts'
import type { RoutedQuery } from './routed-query.ts'
import { isAheadOf } from './unshown-commits.ts'

/** Is given a query with its connection. */
export type Begin = (query: RoutedQuery, connection: Connection) => void

/** Gives a query its connection: where it was decided to run, or where it goes after a server could not run it. */
export class Connecting {
  readonly #fleet: Fleet
  readonly #reads: Reads
  readonly #decisions: Decisions
  readonly #outcomes: Outcomes
  readonly #begin: Begin

  constructor(fleet: Fleet, reads: Reads, decisions: Decisions, outcomes: Outcomes, begin: Begin) {
    this.#fleet = fleet
    this.#reads = reads
    this.#decisions = decisions
    this.#outcomes = outcomes
    this.#begin = begin
  }

  /** Takes the way of a decision, which was made in `situation`. */
  follow(query: RoutedQuery, decision: Decision, situation?: Situation): void {
    switch (decision.route) {
      case 'replica':
        return this.toReplica(query, decision.reason === 'far-replica' ? 'far' : 'next-door', situation)
      case 'primary':
      case 'direct':
        return this.toPrimary(query, decision.reason)
      case 'replay':
      case 'impossible':
      case 'refuse':
        return query.finishLater(this.#outcomes.errorOf(decision, query.frame))
    }
  }

  /** Takes a connection to the primary, whose need has `reason`. */
  toPrimary(query: RoutedQuery, reason: Decision['reason']): void {
    const { holder, statement } = query
    if (accessIn(statement, holder.transaction) !== 'read') holder.pin()
    const own = sessionNeedAt(this.#fleet.primary, query)
    if (own !== undefined) return this.#onOwnSession(query, own, reason)
    const held = holder.connectionTo('primary')
    if (held !== undefined) return this.#begin(query, held)
    this.#connectToPrimary(query, reason, false)
  }

  /** A query that leaves something in its session, or relies on it (B2): never on a session that others get. */
  #onOwnSession(query: RoutedQuery, own: OwnSession, reason: Decision['reason']): void {
    const { holder } = query
    const { primary } = this.#fleet
    const held = holder.connectionTo('primary')
    const isOpen = holder.transaction.phase === 'open'
    if (held !== undefined) {
      const { node, client } = held
      if (node.traits.pooling === undefined && (isOpen || primary.direct === undefined)) {
        return node.endpoint.whenPoolingIsKnown(client, () => this.#onHeldSession(query, own, held))
      }
      if (!isShared(node.traits) && node !== primary) return this.#begin(query, held)
      if (isOpen || primary.direct === undefined) return this.#onHeldSession(query, own, held)
      // Behind the pooler nothing of this client's is on that session.
      holder.giveUp(held)
    }
    if (primary.direct === undefined && isShared(primary.traits)) {
      query.notSent()
      return this.#cannotBegin(query, sessionUnavailable(own, primary, false))
    }
    this.#connectToPrimary(query, reason, primary.direct !== undefined, (connection) => {
      connection.node.endpoint.whenPoolingIsKnown(connection.client, () => this.#onHeldSession(query, own, connection))
    })
  }

  #onHeldSession(query: RoutedQuery, own: OwnSession, held: Connection): void {
    const { holder } = query
    if (!own.isRequired || !isShared(held.node.traits)) return this.#begin(query, held)
    query.notSent()
    const isOpen = holder.transaction.phase === 'open'
    if (!isOpen) {
      holder.answered(held)
      holder.giveUp(held)
    }
    this.#cannotBegin(query, sessionUnavailable(own, held.node, isOpen && this.#fleet.primary.direct !== undefined))
  }

  #connectToPrimary(
    query: RoutedQuery,
    reason: Decision['reason'],
    isDirect: boolean,
    taken = (connection: Connection) => this.#begin(query, connection),
  ): void {
    const { holder } = query
    const isLimited = this.#decisions.isLimited(reason)
    const mayReadFar = this.#decisions.mayReadFar(reason, query)
    if (mayReadFar && isLimited && !this.#fleet.places.hasFree) {
      query.notSent()
      return this.toReplica(query, 'far', this.#decisions.decideForFar(query))
    }
    holder.awaits(query)
    // Another answer is there already: nobody waits for the primary to come back.
    const deadline = mayReadFar || this.#decisions.mayTakeOlder(query) ? 0 : query.deadline
    const connected: Connected = (error, connection) => {
      if (!holder.receives(query, connection)) return
      if (connection !== undefined) return taken(connection)
      query.notSent()
      // Nothing was sent, so it does not matter why there is no session.
      if (mayReadFar && !this.#fleet.primary.hasEnded) {
        return this.toReplica(query, 'far', this.#decisions.decideForFar(query))
      }
      const situation = this.#decisions.decideForOlder(query, error)
      if (situation !== undefined) this.toReplica(query, 'next-door', situation)
      else this.#cannotBegin(query, this.#outcomes.errorWithoutPrimary(query, error))
    }
    if (isLimited && !isDirect) this.#fleet.places.connect(connected, deadline)
    else {
      // On a shared one it could not wait.
      const sharedText = isAheadOf(query, this.#fleet.primary) ? undefined : query.sharedText
      this.#fleet.access.connect(connected, deadline, isDirect, sharedText)
    }
  }

  /** Takes a connection to a replica that is fit for it. `whyNotTheLast`: why the one that it has left is none. */
  toReplica(
    query: RoutedQuery,
    reach: Reach,
    situation: Situation = this.#decisions.situationOf(query),
    whyNotTheLast?: NoReplica,
  ): void {
    const { holder } = query
    query.requirement = undefined
    if (reach === 'far') query.hasTriedFar = true
    const held = holder.connectionTo('replica')
    if (held !== undefined) {
      // A transaction lives on one node; a statement outside one may ask for more than the last.
      if (holder.transaction.phase === 'open' || this.#isFit(held, query, reach, situation)) {
        query.noteTried(held.node)
        return this.#begin(query, held)
      }
      holder.giveUp(held)
    }
    holder.awaits(query)
    const connected: ConnectedToReplica = (error, connection, why = 'replica-lost') => {
      if (!holder.receives(query, connection)) return
      if (error) this.#cannotBegin(query, error)
      else if (connection === undefined) this.elsewhere(query, why, query.lostTo)
      else this.#begin(query, connection)
    }
    this.#reads.connect(query, situation, reach, connected, whyNotTheLast)
  }

  /** What a lease holds far away, or of another group, is left for a replica that it should read from now. */
  #isFit(held: Connection, query: RoutedQuery, reach: Reach, situation: Situation): boolean {
    const { local, far } = this.#fleet.replicasOf(query.frame?.group)
    const nodes = reach === 'far' ? far : local
    return nodes.includes(held.node) && this.#reads.isFit(held, query, situation)
  }

  #cannotBegin(query: RoutedQuery, error: unknown): void {
    query.holder.cannotBegin(error)
    query.holder.finish(query, error)
  }

  /** Goes to the primary with a query that a replica could not run. */
  elsewhere(query: RoutedQuery, reason: PrimaryReason, cause: unknown): void {
    const decision = this.#decisions.decideAgain(reason, query)
    if (decision.route === 'primary' || decision.route === 'direct') return this.toPrimary(query, reason)
    if (decision.route === 'replica') return this.toReplica(query, 'far')
    // An object may simply not exist: the replica's error says more than that no replay was possible.
    const isOwnError = decision.route === 'impossible' && reason === 'unknown-object'
    query.holder.finish(query, isOwnError ? cause : this.#outcomes.errorOf(decision, query.frame, cause))
  }
}

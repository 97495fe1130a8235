import { OptionsInvalid } from '@headwater/core'
import type { Fleet } from '../fleet/fleet.ts'
import type { Reads } from '../reads/reads.ts'
import { Answers } from './answers.ts'
import { Connecting } from './connecting.ts'
import type { Decisions } from './decisions.ts'
import { Losses } from './losses.ts'
import type { Outcomes } from './outcomes.ts'
import type { RoutedQuery } from './routed-query.ts'
import { Sending } from './sending.ts'

/**
 * The one way that every query goes: decide, connect, send, interpret the answer, and go elsewhere if need be. It is the same
 * for a lone query and for a leased client's; what they keep between queries is in their holder.
 */
export class Execution {
  readonly #fleet: Fleet
  readonly #decisions: Decisions
  readonly #outcomes: Outcomes
  readonly #connecting: Connecting

  constructor(fleet: Fleet, reads: Reads, decisions: Decisions, outcomes: Outcomes) {
    this.#fleet = fleet
    this.#decisions = decisions
    this.#outcomes = outcomes
    const losses = new Losses(fleet)
    this.#connecting = new Connecting(fleet, reads, decisions, outcomes, (query, connection) =>
      sending.begin(query, connection),
    )
    const answers = new Answers(fleet, decisions, outcomes, losses, this.#connecting)
    const sending = new Sending(reads, outcomes, losses, this.#connecting, answers)
  }

  /** Runs a query until its holder's `finish`, which is called once. */
  run(query: RoutedQuery): void {
    if (this.#fleet.firstNews.isAwaited) return this.#runLater(query)
    const { holder, statement } = query
    const spentBy = query.frame?.scope?.replay
    // P3. Only a ROLLBACK still passes: it undoes the transaction, and saves its connection.
    if (spentBy !== undefined && !(statement.control?.kind === 'rollback' && holder.transaction.phase !== 'none')) {
      return query.finishLater(spentBy)
    }
    const reason = holder.reasonToRefuse(query) ?? this.#unknownGroup(query)
    if (reason !== undefined) return query.finishLater(reason)
    const answer = holder.hold(query)
    if (answer !== undefined) {
      const refusal = this.#refusalOfHeld(query)
      if (refusal !== undefined) holder.forgetHeld()
      return query.finishLater(refusal, answer)
    }
    const situation = this.#decisions.situationOf(query)
    this.#connecting.follow(query, this.#decisions.decide(query, situation), situation)
  }

  #unknownGroup({ frame }: RoutedQuery): OptionsInvalid | undefined {
    const group = frame?.group
    if (group === undefined || this.#fleet.groups.has(group)) return undefined
    const known = [...this.#fleet.groups].map((name) => JSON.stringify(name)).join(', ')
    const expected = known === '' ? 'no replica names one; give a replica the option `group`' : `expected ${known}`
    return new OptionsInvalid('group', `${JSON.stringify(group)} is not a group of this pool's replicas; ${expected}`)
  }

  #runLater(query: RoutedQuery): void {
    this.#fleet.begin()
    this.#fleet.firstNews.wait(() => this.run(query))
  }

  /** The error of a transaction that no replica can run: its request is replayed at BEGIN, before any work. */
  #refusalOfHeld(query: RoutedQuery): Error | undefined {
    const decision = this.#decisions.decideAtBegin(query)
    const isOut = decision?.route === 'replay' || decision?.route === 'impossible'
    return isOut ? this.#outcomes.errorOf(decision, query.frame) : undefined
  }
}

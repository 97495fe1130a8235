import type { PrimaryConflict } from '@headwater/core'
import {
  elect,
  hearOf,
  type LastReport,
  type Lineage,
  NO_LINEAGE,
  type Position,
  type ServerRole,
} from '@headwater/core/internal'
import type { PoolNode } from '../node/pool-node.ts'
import type { Arbiter, Candidate } from './arbiter.ts'
import type { ServerSample } from './server-sample.ts'

/** What an election says of the server that was the primary before. */
export interface Outcome {
  /** The primary from now on; `undefined` while none is known. */
  readonly elected: PoolNode | undefined
  /** Whether the one before is known to be it no more. */
  readonly isOver: boolean
}

/** What the servers of a fleet have said of themselves, and who is the primary by it (X7). */
export class FleetElection {
  /** It names the cluster, and is believed before it has answered. */
  readonly #guess: PoolNode
  readonly #arbiter: Arbiter
  readonly #reports = new Map<PoolNode, 'silent' | ServerSample>()
  readonly #roles = new Map<PoolNode, ServerRole>()
  #lineage: Lineage = NO_LINEAGE
  /** The timeline on which the primary was elected; 0 while it is the first guess. */
  electedOn = 0
  #isContested = false

  constructor(guess: PoolNode, arbiter: Arbiter) {
    this.#guess = guess
    this.#arbiter = arbiter
  }

  /** The highest timeline that was seen; 0 before the first answer. */
  get timeline(): number {
    return this.#lineage.timeline
  }

  /** The cluster's system identifier; `undefined` before it is known. */
  get cluster(): bigint | undefined {
    return this.#lineage.cluster
  }

  /** Why nobody writes while servers are in conflict; `undefined` while they are not. */
  get conflict(): PrimaryConflict | undefined {
    return this.#isContested ? this.#arbiter.error : undefined
  }

  /** What a server is, by the last election; `unknown` before it was asked, and where it is not asked. */
  roleOf(node: PoolNode): ServerRole {
    return this.#roles.get(node) ?? 'unknown'
  }

  /** Whether a server has answered, or is known not to. */
  hasHeard(node: PoolNode): boolean {
    return this.#reports.has(node)
  }

  /** Takes in what a server said of itself, or that it does not answer. Says whether that is news. */
  take(node: PoolNode, said: ServerSample | 'silent'): boolean {
    const isNews = !isSameReport(this.#reports.get(node), said)
    this.#reports.set(node, said)
    return isNews
  }

  /** Takes in a timeline that a signed token or a replay names. Says whether it is a later one. */
  hear(position: Pick<Position, 'cluster' | 'timeline'>): boolean {
    const before = this.#lineage
    this.#lineage = hearOf(before, position)
    return this.#lineage.timeline > before.timeline
  }

  /** A server has left. */
  forget(node: PoolNode): void {
    this.#reports.delete(node)
    this.#roles.delete(node)
  }

  /** Says who is who among `nodes`, `primary` having been it before. */
  hold(nodes: readonly PoolNode[], primary: PoolNode): Outcome {
    const reports = nodes.map((node) => this.#reports.get(node))
    const guess = nodes.indexOf(this.#guess)
    let election = elect(this.#lineage, reports, guess)
    const candidates = election.contested.flatMap((index): Candidate[] => {
      const [node, sample] = [nodes[index], reports[index]]
      return node !== undefined && typeof sample === 'object' ? [{ node, sample }] : []
    })
    const chosen = this.#arbiter.choose(candidates)
    if (chosen !== undefined) election = elect(this.#lineage, reports, guess, election.contested[chosen])
    this.#arbiter.watch(candidates)
    const { lineage, roles } = election
    const elected = election.primary === undefined ? undefined : nodes[election.primary]
    this.#isContested = candidates.length > 0 && election.primary === undefined
    this.#lineage = lineage
    for (const [index, node] of nodes.entries()) this.#roles.set(node, roles[index] ?? 'unknown')
    if (elected !== undefined) this.electedOn = lineage.timeline
    // A primary that is silent stays the primary until a later timeline is known: its own breaker says that it cannot be reached.
    const isSuperseded = this.electedOn > 0 && lineage.timeline > this.electedOn
    return { elected, isOver: elected === undefined && (this.roleOf(primary) !== 'unknown' || isSuperseded) }
  }

  /** Asks no outside authority any more. */
  end(): void {
    this.#arbiter.end()
  }
}

function isSameReport(before: LastReport, said: ServerSample | 'silent'): boolean {
  if (typeof before !== 'object' || said === 'silent') return before === said
  return (
    before.cluster === said.cluster &&
    before.timeline === said.timeline &&
    before.isStandby === said.isStandby &&
    before.isReadOnly === said.isReadOnly &&
    before.startedAt === said.startedAt
  )
}

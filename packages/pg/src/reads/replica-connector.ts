import { ReplicaBehind } from '@headwater/core'
import {
  type Frame,
  isTried,
  NO_NODE,
  type ReplicaState,
  type Seen,
  type Situation,
  type Statement,
} from '@headwater/core/internal'
import { askReplica } from '../fleet/ask-replica.ts'
import type { Fleet } from '../fleet/fleet.ts'
import type { Connected, Connection, PoolNode } from '../node/pool-node.ts'
import { processIdOf } from '../node/read-only-session.ts'
import type { ResolvedFreshness } from '../options/freshness-options.ts'
import { type Need, ReplicaChooser, type Unfit } from './replica-chooser.ts'
import { StaleReadDetector } from './stale-read-detector.ts'

/** What was wrong with the last replica: not fresh enough, no session to be had, or none that what is tried may run in. */
type NoReplica = Unfit | 'replica-lost' | 'unknown'

/** As `Connected`; without an error and a connection there is none to be had, and `why` says what was wrong with the last. */
export type ConnectedToReplica = (error: unknown, connection?: Connection, why?: NoReplica) => void

export interface ConnectorOptions extends ResolvedFreshness {
  readonly fleet: Fleet
}

/** A read that looks for its replica: what it reads, who asked, and where it has been. */
export interface ReadInSearch {
  readonly call: { readonly text: string | undefined }
  readonly frame: Frame | undefined
  readonly statement: Statement
  noteTried(node: PoolNode): void
  hasTried(node: PoolNode): boolean
}

/** Finds the replica that a read may run on, and a connection to it. */
export class ReplicaConnector {
  readonly #local: readonly PoolNode[]
  readonly #chooser: ReplicaChooser
  readonly #detector: StaleReadDetector | undefined
  readonly #whenUnreachable: 'refuse' | 'stale'
  #turn = 0

  constructor(options: ConnectorOptions) {
    this.#local = options.fleet.local
    this.#chooser = new ReplicaChooser(options)
    this.#detector = options.warnsOfStaleReads ? new StaleReadDetector() : undefined
    this.#whenUnreachable = options.whenUnreachable
  }

  /** Ends the watches; the pools are ended by their owner. */
  end(): Promise<void> {
    return this.#chooser.end()
  }

  /** Whether every replica of the app is known to have all that was seen. */
  hasEveryReplica(seen: Seen): boolean {
    return this.#chooser.hasEveryReplica(seen)
  }

  /** Notes a write on its way to the primary, for the warning about reads that may miss it. */
  noteWrite({ call, frame }: ReadInSearch): void {
    if (frame?.scope !== undefined) this.#detector?.noteWrite(call.text, frame.scope.trail, performance.now())
  }

  /**
   * Takes a connection to a replica next door that is fresh enough for `query`, trying each once (F1, F5, F6).
   *
   * Without an error and a connection there is none.
   */
  connect(
    query: ReadInSearch,
    situation: Situation,
    connected: ConnectedToReplica,
    whyNotTheLast: NoReplica = 'replica-lost',
  ): void {
    const need = this.#chooser.needOf(query.frame, situation.consistency)
    if (need === undefined) return this.#connectToAny(query, situation, connected, whyNotTheLast)
    const preferred = this.#preferred(query, need.seen)
    if (preferred !== undefined && !preferred.isBalanced && this.#isKnownFit(preferred, need)) {
      return this.#connectToFit(preferred, query, situation, need, connected)
    }
    const nodes = this.#inOrder(query, need.seen)
    if (nodes.length === 0) return connected(undefined, undefined, whyNotTheLast)
    this.#chooser.choose(nodes, need, query.frame, (node, why) => {
      if (node !== undefined) this.#connectToFit(node, query, situation, need, connected)
      else if (query.frame?.scope?.whenBehind === 'throw') connected(new ReplicaBehind())
      else if (this.#mayBeStale(query.frame)) this.#connectToAny(query, situation, connected, why)
      else connected(undefined, undefined, why)
    })
  }

  /** Whether a connection that is held already leads to a replica that is fresh enough for `query`. */
  isFit(connection: Connection, query: ReadInSearch, situation: Situation): boolean {
    if (!mayRunOn(connection, query, situation)) return false
    const need = this.#chooser.needOf(query.frame, situation.consistency)
    if (need === undefined) return true
    const state = this.#chooser.stateOf(connection.node, connection.client)
    if (connection.node.isBalanced || this.#chooser.unfitnessOf(state, need) !== undefined) return false
    if (state !== undefined) query.frame?.scope?.trail.readAtReplica(state)
    return true
  }

  #connectToAny(
    query: ReadInSearch,
    situation: Situation,
    connected: ConnectedToReplica,
    whyNotTheLast: NoReplica,
  ): void {
    const node = this.#pick(query)
    if (node === undefined) return connected(undefined, undefined, whyNotTheLast)
    this.#detector?.check(query.call.text, query.frame, node.name, this.#chooser.stateOf(node), performance.now())
    this.#connectTo(node, query, situation, connected, (why) => this.#connectToAny(query, situation, connected, why))
  }

  /** Looks again once the connection is there: it may be younger than what is known, or lead anywhere. */
  #connectToFit(
    node: PoolNode,
    query: ReadInSearch,
    situation: Situation,
    need: Need,
    connected: ConnectedToReplica,
  ): void {
    const take: Connected = (error, connection) => {
      if (connection === undefined) return connected(error)
      const state = this.#chooser.stateOf(node, connection.client)
      if (state === undefined) return this.#askThere(connection, query, situation, need, connected)
      this.#takeIfFit(connection, state, query, situation, need, connected)
    }
    this.#connectTo(node, query, situation, take, (why) => this.connect(query, situation, connected, why))
  }

  #askThere(
    connection: Connection,
    query: ReadInSearch,
    situation: Situation,
    need: Need,
    connected: ConnectedToReplica,
  ): void {
    const { node, client } = connection
    const isEnough = (state: ReplicaState) => this.#chooser.unfitnessOf(state, need) !== 'behind'
    askReplica(client, isEnough, node.isBalanced ? this.#chooser.maxWait : 0, (failure, state) => {
      if (state !== undefined && node.isBalanced && state.processId !== processIdOf(client)) {
        // The next statement may meet another server than this answer came from.
        connection.release()
        return this.connect(query, situation, connected, 'behind')
      }
      if (state !== undefined) {
        this.#chooser.note(node, client, state)
        return this.#takeIfFit(connection, state, query, situation, need, connected)
      }
      connection.release(true)
      node.publish('connection-error', failure)
      this.connect(query, situation, connected)
    })
  }

  #takeIfFit(
    connection: Connection,
    state: ReplicaState,
    query: ReadInSearch,
    situation: Situation,
    need: Need,
    connected: ConnectedToReplica,
  ): void {
    const why = this.#chooser.unfitnessOf(state, need)
    if (why === undefined) {
      query.frame?.scope?.trail.readAtReplica(state)
      return connected(undefined, connection)
    }
    connection.release()
    this.connect(query, situation, connected, why)
  }

  #isKnownFit(node: PoolNode, need: Need): boolean {
    return this.#chooser.unfitnessOf(this.#chooser.stateOf(node), need) === undefined
  }

  /** No session there is no error of the read: nothing was sent, and `elsewhere` is gone to (X2). */
  #connectTo(
    node: PoolNode,
    query: ReadInSearch,
    situation: Situation,
    connected: Connected,
    elsewhere: (why: NoReplica) => void,
  ): void {
    query.noteTried(node)
    const take: Connected = (error, connection) => {
      if (connection === undefined || mayRunOn(connection, query, situation)) return connected(error, connection)
      connection.release()
      elsewhere('unknown')
    }
    node.connect(take, (error) => {
      if (node.pool.ending) connected(error)
      else elsewhere('replica-lost')
    })
  }

  /** The primary's region cannot be reached, and the app would rather show an older state than none. */
  #mayBeStale(frame: Frame | undefined): boolean {
    return this.#whenUnreachable === 'stale' && frame?.scope?.obstacle === 'replay-failed'
  }

  /** One scope stays with one replica while it can be reached; outside a scope they take turns. */
  #pick(query: ReadInSearch): PoolNode | undefined {
    const count = this.#local.length
    const start = query.frame?.scope?.number ?? this.#turn++
    for (let step = 0; step < count; step += 1) {
      const node = this.#local[(start + step) % count]
      if (node !== undefined && !query.hasTried(node) && !node.isDown()) return node
    }
    return undefined
  }

  /** Where the client has read before (F5), else the one that is the scope's turn. Asks nobody down to be the probe. */
  #preferred(query: ReadInSearch, seen: Seen | undefined): PoolNode | undefined {
    const local = this.#local
    const known = seen === undefined || seen.node === NO_NODE ? undefined : this.#markedBy(seen.node)
    const node = known ?? local[(query.frame?.scope?.number ?? this.#turn) % Math.max(1, local.length)]
    return node === undefined || query.hasTried(node) || node.isResting() ? undefined : node
  }

  #markedBy(mark: number): PoolNode | undefined {
    for (const node of this.#local) if (this.#chooser.stateOf(node)?.node === mark) return node
    return undefined
  }

  /** All that are left, one after the other; in front the one where the client has read before. */
  #inOrder(query: ReadInSearch, seen: Seen | undefined): PoolNode[] {
    const start = (query.frame?.scope?.number ?? this.#turn++) % Math.max(1, this.#local.length)
    const nodes = [...this.#local.slice(start), ...this.#local.slice(0, start)]
    const left = nodes.filter((node) => !query.hasTried(node) && !node.isResting())
    const known = seen === undefined || seen.node === NO_NODE ? undefined : this.#markedBy(seen.node)
    return known === undefined || !left.includes(known) ? left : [known, ...left.filter((node) => node !== known)]
  }
}

/** What is merely tried runs in a session that is forced read-only, or not at all (X1). */
function mayRunOn({ client }: Connection, { statement }: ReadInSearch, situation: Situation): boolean {
  return client.isForcedReadOnly || !isTried(statement, situation)
}

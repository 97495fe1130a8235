import { ReplicaBehind } from '@headwater/core'
import { type Frame, isDirect, isTried, type ReplicaState, type Situation } from '@headwater/core/internal'
import { boundHere } from '../driver/bound-here.ts'
import { isOwnProcess } from '../driver/own-process.ts'
import { askReplica } from '../fleet/ask-replica.ts'
import type { ServerSample } from '../fleet/server-sample.ts'
import type { Connected, Connection, PoolNode } from '../node/pool-node.ts'
import type { CatalogCheck } from './catalog-check.ts'
import type { LateReads } from './late-reads.ts'
import type { ConnectedToReplica, NoReplica, ReadInSearch } from './read-in-search.ts'
import { type ReadRequirement, whyStale } from './read-requirement.ts'
import type { ReplicaChooser } from './replica-chooser.ts'
import type { Reach, ReplicaOrder } from './replica-order.ts'
import type { StaleReadDetector } from './stale-read-detector.ts'

/** What all searches of a pool share. */
export interface SearchGround {
  readonly order: ReplicaOrder
  readonly late: LateReads
  readonly chooser: ReplicaChooser
  readonly detector: StaleReadDetector | undefined
  /** Sees to it that a read runs where its verdict holds; none when no catalog is read. */
  readonly catalog: CatalogCheck | undefined
  /** Whether a read may get an older state while the primary's region cannot be reached. */
  readonly mayServeStale: boolean
}

/** The search of one read for a connection to a replica that may answer it. Each replica is tried once (X2). */
export class ReplicaSearch {
  readonly #ground: SearchGround
  readonly #query: ReadInSearch
  readonly #situation: Situation
  /** `undefined`: any replica will do. */
  readonly #requirement: ReadRequirement | undefined
  readonly #reach: Reach
  readonly #connected: ConnectedToReplica
  /** Whether an older state is better than none now. */
  #mayBeOlder = false
  #hasLooked = false

  constructor(
    ground: SearchGround,
    query: ReadInSearch,
    situation: Situation,
    requirement: ReadRequirement | undefined,
    reach: Reach,
    connected: ConnectedToReplica,
  ) {
    this.#ground = ground
    this.#query = query
    this.#situation = situation
    this.#requirement = requirement
    this.#reach = reach
    this.#connected = connected
  }

  /** Goes on to the next replica. When there is none, `whyNotTheLast` is passed on. */
  goOn(whyNotTheLast: NoReplica = 'replica-lost'): void {
    const requirement = this.#requirement
    if (requirement === undefined || this.#mayBeOlder) return this.#takeAny(whyNotTheLast)
    const { order, chooser, late } = this.#ground
    const query = this.#query
    const reach = this.#reach
    const all = order.among(query, reach)
    const known = this.#hasLooked ? undefined : chooser.whyNone(all, requirement, query.frame, reach)
    this.#hasLooked = true
    if (known !== undefined) return this.#settleWithout(known)
    const preferred = order.preferred(query, requirement.seen, reach)
    if (preferred?.traits.isOneServer === true) {
      const isFit = whyStale(chooser.watch.stateOf(preferred), requirement, chooser.watch) === undefined
      if (isFit) return this.#takeFresh(preferred, requirement)
    }
    const nodes = order.all(query, requirement.seen, reach)
    if (nodes.length === 0) return this.#connected(undefined, undefined, whyNotTheLast)
    let isLate = false
    const chooseLate = (): PoolNode | undefined => {
      const node = late.choose(nodes, requirement, query)
      isLate = node !== undefined
      return node
    }
    const isWhole = nodes.length === all.length || !all.some((node) => query.hasTried(node))
    chooser.choose(isWhole ? all : undefined, nodes, requirement, query.frame, reach, chooseLate, (node, why) => {
      if (node !== undefined) this.#takeFresh(node, isLate ? late.relaxed(requirement) : requirement)
      else this.#settleWithout(why)
    })
  }

  #settleWithout(why: NoReplica): void {
    if (mustThrowWhenBehind(this.#query.frame)) this.#connected(new ReplicaBehind())
    else this.#settleForOlder(why)
  }

  /** Takes any replica where the primary's region cannot be reached and the app would rather show an older state than none. */
  #settleForOlder(why: NoReplica): void {
    this.#mayBeOlder = this.#ground.mayServeStale && this.#query.frame?.scope?.blocker === 'replay-failed'
    if (this.#mayBeOlder) this.#takeAny(why)
    else this.#connected(undefined, undefined, why)
  }

  #takeAny(whyNotTheLast: NoReplica): void {
    const { order, chooser, detector } = this.#ground
    const { call, frame } = this.#query
    const node = order.next(this.#query, this.#reach)
    if (node === undefined) return this.#connected(undefined, undefined, whyNotTheLast)
    detector?.check(call.text, frame, node.name, chooser.watch.stateOf(node), performance.now())
    this.#connectTo(node, this.#connected)
  }

  /** Checks again once connected: the connection may be younger than the last sample, or lead anywhere. */
  #takeFresh(node: PoolNode, requirement: ReadRequirement): void {
    const take: Connected = (error, connection) => {
      if (connection === undefined) return this.#connected(error)
      const state = this.#ground.chooser.watch.stateOf(node, connection.client)
      const isProven = state === undefined && !isDirect(node.traits) && this.#query.proves(connection, requirement)
      if (isProven) return this.#connected(undefined, connection)
      if (state === undefined && connection.isShared) this.#connectAlone(connection, take)
      else if (state === undefined) this.#askThere(connection, requirement)
      else this.#takeIfFresh(connection, state, requirement)
    }
    this.#connectTo(node, take)
  }

  #askThere(connection: Connection, requirement: ReadRequirement): void {
    const { node, client } = connection
    const { chooser } = this.#ground
    const isEnough = (state: ReplicaState) => whyStale(state, requirement, chooser.watch) !== 'behind'
    const answered = boundHere((failure: unknown, state?: ServerSample): void => {
      if (state === undefined) {
        connection.release(true)
        node.learn({ kind: 'connection-error', error: failure })
        this.goOn()
      } else if (!node.traits.isOneServer && !isOwnProcess(client, state.processId)) {
        // The next statement may meet another server than this answer came from.
        connection.release()
        this.goOn('behind')
      } else {
        chooser.watch.note(node, client, state)
        this.#takeIfFresh(connection, state, requirement)
      }
    })
    askReplica(client, isEnough, node.traits.isOneServer ? 0 : chooser.maxWaitMillisFor(this.#reach), answered)
  }

  #takeIfFresh(connection: Connection, state: ReplicaState, requirement: ReadRequirement): void {
    const why = whyStale(state, requirement, this.#ground.chooser.watch)
    if (why === undefined) {
      this.#query.frame?.scope?.session.readAtReplica(state)
      return this.#connected(undefined, connection)
    }
    connection.release()
    this.goOn(why)
  }

  /** Goes on elsewhere from a server whose catalog is newer than the one that the verdict comes from (R1). */
  #checkCatalog(connection: Connection, connected: Connected): void {
    const { catalog } = this.#ground
    if (catalog === undefined || !dependsOnCatalog(this.#query, this.#situation))
      return connected(undefined, connection)
    const { judgedBy } = this.#query
    if (catalog.mayBeSent(connection, judgedBy)) return connected(undefined, connection)
    if (connection.isShared) return this.#connectAlone(connection, connected)
    catalog.check(connection, judgedBy, (mayBeSent, failure) => {
      if (mayBeSent) return connected(undefined, connection)
      connection.release(failure !== undefined)
      this.goOn(failure === undefined ? 'newer-than-catalog' : 'replica-lost')
    })
  }

  /** No session there is no error of the read: nothing was sent, and it goes on elsewhere (X2). */
  #connectTo(node: PoolNode, connected: Connected, mayShare = true): void {
    this.#query.noteTried(node)
    if (this.#reach === 'far') this.#ground.chooser.watch.noteFarRead(node)
    const sharedText = mayShare ? this.#query.sharedText : undefined
    const free = node.takeFree(sharedText)
    if (free !== undefined) return this.#take(free, connected)
    node.connect(
      (error, connection) => (connection === undefined ? connected(error) : this.#take(connection, connected)),
      (error) => {
        if (node.hasEnded) connected(error)
        else this.goOn('replica-lost')
      },
      sharedText,
    )
  }

  #take(connection: Connection, connected: Connected): void {
    if (mayRunOn(connection, this.#query, this.#situation)) return this.#checkCatalog(connection, connected)
    connection.release()
    this.goOn('unknown')
  }

  /** A server is asked on a connection of one's own: on a shared one others would wait for the answer. */
  #connectAlone({ node, release }: Connection, connected: Connected): void {
    release()
    this.#connectTo(node, connected, false)
  }
}

/** Whether a job would rather run again later. Not once it has written: then it has begun, and its reads go on at the primary. */
function mustThrowWhenBehind(frame: Frame | undefined): boolean {
  return frame?.scope?.whenBehind === 'throw' && !frame.scope.hasWritten
}

/** Whether a statement goes to a replica by what the catalog says, and not by the app's own word (R6). */
export function dependsOnCatalog({ statement }: ReadInSearch, { forced }: Situation): boolean {
  return forced !== 'replica' && statement.reason !== 'override'
}

/** A statement may be tried only where it cannot write: in a session that is forced read-only, or alone in such a transaction (X1). */
export function mayRunOn({ client, node }: Connection, { statement }: ReadInSearch, situation: Situation): boolean {
  if (situation.transaction.phase !== 'none' && !node.traits.takesTransactions) return false
  if (client.isForcedReadOnly || !isTried(statement, situation)) return true
  // Among several there may be a COMMIT.
  return node.traits.takesTransactions && statement.count === 1
}

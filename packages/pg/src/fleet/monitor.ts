import {
  compareFreshness,
  databaseErrorIn,
  isDirect,
  isNotRunning,
  type ReadPosition,
  type ReplicaState,
} from '@headwater/core/internal'
import type pg from 'pg'
import { isFullPooler } from '../driver/pg-errors.ts'
import type { PoolNode } from '../node/pool-node.ts'
import { Pace, type Paced } from './pace.ts'
import { type Lag, PrimaryHistory } from './primary-history.ts'
import { isPositionRefused } from './primary-sample.ts'
import type { ServerSample } from './server-sample.ts'
import { ServerWatch } from './server-watch.ts'
import { Turns } from './turns.ts'
import type { Failure } from './watch.ts'

/** The least time between two questions that reads hurry, whoever is asked. */
const HURRY_PAUSE_MILLIS = 2
/** How many servers are first asked at once, where nobody waits for what they say; the next ones follow after a pause. */
const FIRST_ASKED_AT_ONCE = 2
/** The pause before each of them: connecting to a hundred servers first would keep the first read waiting. */
const FIRST_ASKED_AFTER_MILLIS = 10

/** What the monitor needs of the fleet whose servers it asks. */
export interface Monitored extends Paced {
  readonly nodes: readonly PoolNode[]
  /** Whether it has to be asked who is who: one server alone need not be. */
  readonly isMonitored: boolean
  /** Takes in what a server said, or that it does not answer. */
  report(node: PoolNode, said: ServerSample | 'silent'): void
}

export interface MonitorOptions {
  /** How exactly a lag in time must be known, in ms; `undefined`: not at all. */
  readonly maxLagMillis: number | undefined
  /** A server that gives no answer for twice this time, in ms, is down. */
  readonly suspectAfterMillis: number
  /** Whether the first queries wait for what the servers say: then all are asked at once. */
  readonly isAwaited: boolean
}

/** Asks every server of a fleet who it is and how far it is, over a connection of its own, so that no read has to ask (F4, X3, X7). */
export class Monitor {
  readonly #fleet: Monitored
  readonly #watches = new Map<PoolNode, ServerWatch>()
  /** Those of servers that have left. */
  readonly #ending = new Set<Promise<void>>()
  readonly #history = new PrimaryHistory()
  readonly #pace: Pace
  readonly #patienceMillis: number
  readonly #isAwaited: boolean
  #isRunning = false
  #starting: NodeJS.Timeout | undefined
  /** The servers that gave no answer last. */
  readonly #silent = new Set<PoolNode>()
  #hasEnded = false
  #hurriedAt = Number.NEGATIVE_INFINITY
  /** Who is hurried next. */
  readonly #turns = new Turns<PoolNode>()
  #sampled: ((node: PoolNode, state: ReplicaState) => void) | undefined
  /** Counts what was heard: as long as it stays, so does what is known of every server. */
  version = 0

  constructor(fleet: Monitored, { maxLagMillis, suspectAfterMillis, isAwaited }: MonitorOptions) {
    this.#fleet = fleet
    this.#pace = new Pace(fleet, maxLagMillis)
    this.#patienceMillis = 2 * suspectAfterMillis
    this.#isAwaited = isAwaited
  }

  /** Begins to ask a server, with the others. */
  watch(node: PoolNode): void {
    // Behind a load balancer each connection of a watch could lead to another server.
    if (!node.traits.isOneServer || this.#hasEnded) return
    const watch = new ServerWatch(node, {
      pause: () => this.#pace.pauseFor(node),
      isUsed: () => this.#pace.isWanted(),
      timeoutMillis: this.#patienceMillis,
      overdueAfterMillis: this.#patienceMillis / 2,
      onOverdue: () => this.#suspect(node),
      renewAfter: () => this.#pace.renewAfter(node),
      onSample: (sample) => this.#heard(node, sample),
      onFailure: (failure, error) => this.#failed(node, failure, error),
      onRest: () => this.#rests(node),
    })
    this.#watches.set(node, watch)
    node.isWatched = this.#fleet.isMonitored
    if (this.#isRunning) watch.watcher.start()
  }

  /** Asks a server no more. */
  forget(node: PoolNode): void {
    const watch = this.#watches.get(node)
    if (watch === undefined) return
    this.#watches.delete(node)
    this.#silent.delete(node)
    this.#pace.forget(node)
    const ended = watch.watcher.end()
    this.#ending.add(ended)
    void ended.finally(() => this.#ending.delete(ended))
  }

  /** Call with each query: it keeps the monitor going. One server alone is not asked: there is nothing to choose. */
  touch(): void {
    this.#pace.touch()
    if (!this.#isRunning && this.#fleet.isMonitored && !this.#hasEnded) this.#begin()
  }

  /** Call on evidence that a server is not what it was: every server is asked now, and every 100 ms until it is clear. */
  alarm(): void {
    if (this.#hasEnded || !this.#fleet.isMonitored) return
    const isNew = this.#pace.alarm()
    this.#start()
    if (isNew) for (const { watcher } of this.#watches.values()) watcher.hurry()
  }

  /** How long the primary takes to answer, in ms, without its slow answers; `undefined` before the first. */
  get roundTripMillis(): number | undefined {
    return this.#fleet.primary.roundTrip.millis
  }

  /** Has `sampled` called whenever a server has said how far it is. */
  onSample(sampled: (node: PoolNode, state: ReplicaState) => void): void {
    this.#sampled = sampled
  }

  /** The known state of a replica, or of the server behind `client`; see `ServerWatch.stateBehind`. */
  stateOf(node: PoolNode, client?: pg.PoolClient): ReplicaState | undefined {
    const watch = this.#watches.get(node)
    return client === undefined ? watch?.watcher.latest : watch?.stateBehind(client)
  }

  /** Notes what the server behind one connection has reported. */
  note(node: PoolNode, client: pg.PoolClient, state: ReplicaState): void {
    this.#watches.get(node)?.note(client, state)
  }

  /** The most that a replica in this state lags. */
  lagOf(state: ReplicaState): Lag {
    // A look at the primary keeps its watch going.
    void this.#watches.get(this.#fleet.primary)?.watcher.latest
    return this.#history.lagOf(state, performance.now())
  }

  /** Whether it asks this server by itself. */
  asks(node: PoolNode): boolean {
    return this.#fleet.isMonitored && this.#watches.has(node)
  }

  /** What is known of a server, as of its last answer; asks nothing, and keeps no watch going. */
  knownOf(node: PoolNode): {
    readonly sample: ServerSample | undefined
    readonly lag: Lag | undefined
    readonly openSince: number | undefined
  } {
    const watch = this.#watches.get(node)
    const sample = watch?.watcher.known
    const lag = sample?.isStandby === true ? this.#history.lagOf(sample, performance.now()) : undefined
    return { sample, lag, openSince: watch?.openSince }
  }

  /**
   * Asks one of these servers now, in turn, unless one was asked in the last 2 ms: it helps the next read. With many servers, asking
   * all of them for each read would cost more than the reads.
   */
  hurry(nodes: readonly PoolNode[]): void {
    const now = performance.now()
    if (now - this.#hurriedAt < HURRY_PAUSE_MILLIS) return
    this.#hurriedAt = now
    // The order of the nodes turns with the reads, so a place in it says nothing.
    const next = this.#turns.take(nodes)
    if (next !== undefined) this.#watches.get(next)?.watcher.hurry()
  }

  /**
   * Waits for each of `nodes` to become fit, for up to `maxWaitMillis`, and calls back for each with how many are left. `target`
   * is the position that may make it fit. Returns whether there is a node to wait for.
   */
  waitForAny(
    nodes: readonly PoolNode[],
    isFit: (state: ReplicaState | undefined) => boolean,
    target: ReadPosition['lsn'] | undefined,
    maxWaitMillis: number,
    settled: (left: number) => void,
  ): boolean {
    const watches = nodes.flatMap((node) => this.#watches.get(node) ?? [])
    let left = watches.length
    for (const { watcher } of watches) {
      watcher.waitUntil(
        () => isFit(watcher.latest),
        target,
        maxWaitMillis,
        () => settled(--left),
      )
    }
    return watches.length > 0
  }

  /** Whether every replica of the fleet is known to have replayed all that was seen. */
  isEverywhere(seen: ReadPosition): boolean {
    // Once all replicas have it, the replica that was read last does not matter any more.
    return this.#fleet.nodes.every((node) => {
      if (node === this.#fleet.primary) return true
      const state = this.stateOf(node)
      return state !== undefined && compareFreshness(state, { ...seen, node: state.node }) === 'caught-up'
    })
  }

  async end(): Promise<void> {
    this.#hasEnded = true
    clearTimeout(this.#starting)
    await Promise.all([...this.#ending, ...[...this.#watches.values()].map((watch) => watch.end())])
  }

  #begin(): void {
    if (this.#isAwaited) return this.#start()
    this.#isRunning = true
    this.#beginWith([...this.#watches.values()])
  }

  #beginWith(watches: readonly ServerWatch[]): void {
    if (watches.length === 0) return
    this.#starting = setTimeout(() => {
      for (const watch of watches.slice(0, FIRST_ASKED_AT_ONCE)) watch.start()
      this.#beginWith(watches.slice(FIRST_ASKED_AT_ONCE))
    }, FIRST_ASKED_AFTER_MILLIS).unref()
  }

  #start(): void {
    clearTimeout(this.#starting)
    this.#isRunning = true
    for (const watch of this.#watches.values()) watch.start()
  }

  /** Call for a server of another region that a read goes to. */
  noteFarRead(node: PoolNode): void {
    if (this.#pace.readFar(node)) this.#watches.get(node)?.watcher.hurry()
  }

  #heard(node: PoolNode, sample: ServerSample): void {
    if (!this.#watches.has(node)) return
    this.version += 1
    this.#silent.delete(node)
    this.#fleet.report(node, sample)
    if (node === this.#fleet.primary && !sample.isStandby) {
      this.#history.add(sample)
    }
    node.roundTrip.measure(sample.receivedAt - sample.sentAt)
    this.#sampled?.(node, sample)
  }

  /** Before its time is up for good, reads go elsewhere: the next one would hang there. */
  #suspect(node: PoolNode): void {
    node.health.isSuspect = true
    node.health.hasAnsweredQuery = false
  }

  #failed(node: PoolNode, failure: Failure, cause: unknown): void {
    const error = failure === 'silent' ? this.#silenceOf(node, cause) : cause
    this.version += 1
    node.health.isSuspect = false
    if (!this.#watches.has(node)) return
    // A server that stays away is no news.
    if (!this.#silent.has(node)) this.alarm()
    if (isPositionRefused(error)) return node.positionRefused(error)
    node.learn({ kind: 'connection-error', error })
    // A server that refuses this session alone (53300, 28P01, a full pooler) is alive; one that starts or stops is not.
    const isRefusal = databaseErrorIn(error) !== undefined && (!isNotRunning(error) || isFullPooler(error))
    if (failure === 'lost' || isRefusal) return
    this.#silent.add(node)
    this.#fleet.report(node, 'silent')
    node.learn({ kind: 'failed', error })
    // A pooler refuses new clients, and lets those wait that it has.
    if (failure !== 'silent' && isDirect(node.traits)) return
    // Where queries were answered all the while, some connections are dead, and not the server: what is under way on others may end.
    const isServerAlive = failure === 'silent' && node.health.hasAnsweredQuery
    node.cut(error, isServerAlive ? this.#patienceMillis / 2 : 0)
  }

  /** Whoever waits for a session there gets this error: to them it must be a server that cannot be reached (X9). */
  #silenceOf(node: PoolNode, cause: unknown): Error {
    const error = new Error(`[headwater] ${node.name} gave no answer within ${this.#patienceMillis} ms`, { cause })
    return Object.assign(error, { code: 'ETIMEDOUT' })
  }

  #rests(node: PoolNode): void {
    // One that has left says nothing of the others.
    if (!this.#watches.has(node)) return
    this.#isRunning = false
    // While the primary goes on unseen, a replica that stands still would look caught up.
    if (node === this.#fleet.primary) this.#history.forget()
  }
}

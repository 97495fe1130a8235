import { diagnostics, type NodeEvent } from '@headwater/core'
import {
  databaseErrorIn,
  type Evidence,
  HEALTHY,
  type Health,
  isEjected,
  isNotRunning,
  nextHealth,
  PRIMARY_BACKOFF,
  REPLICA_BACKOFF,
  runOutside,
} from '@headwater/core/internal'
import type { NodeRole } from './node-role.ts'

/** What went wrong with a server last, and when, in ms of the wall clock. */
export interface NodeProblem {
  readonly error: unknown
  readonly at: number
}

/** Whose health it is, and who is told of it. */
export interface HealthSubject {
  readonly name: string
  readonly region: string | undefined
  readonly role: NodeRole
  /** Whether the monitor asks it by itself. */
  readonly isWatched: boolean
  /** Called when more is known of it. */
  changed(): void
  /** Called when it proved to give no sessions. */
  gaveNone(error: unknown): void
}

/** Whether one server gives sessions and answers: what was learned of it, the verdict, and who is told. */
export class NodeHealth {
  readonly #subject: HealthSubject
  /** Whether the monitor's question has been open for too long: new reads go elsewhere. */
  isSuspect = false
  /** Whether a query was answered since this was last set to `false`. */
  hasAnsweredQuery = false
  #health: Health = HEALTHY
  /** When the monitor last had an answer, and when a session was last refused, by a monotonic clock in ms. */
  #answeredAt = Number.NEGATIVE_INFINITY
  #failedAt = Number.NEGATIVE_INFINITY
  /** Whether it gave its last session, or answered its last question; `undefined` before the first. */
  #isReachable: boolean | undefined
  #reachableSince = 0
  #lastProblem: NodeProblem | undefined

  constructor(subject: HealthSubject) {
    this.#subject = subject
  }

  /** The error of its last failure. */
  get lastError(): unknown {
    return this.#health.error
  }

  /** What went wrong last, also when all is well again. */
  get lastProblem(): NodeProblem | undefined {
    return this.#lastProblem
  }

  /** Whether it has given no session since its last failure. */
  get isFailing(): boolean {
    return this.#health.failures > 0
  }

  /** Whether it can be reached, and since when, by a monotonic clock in ms. */
  get reachability(): { readonly isReachable: boolean | undefined; readonly since: number } {
    return { isReachable: this.#isReachable, since: this.#reachableSince }
  }

  /** Whether it gave no session lately, or owes an answer, so that no read is sent here for a while (X3). */
  get isEjected(): boolean {
    if (this.isSuspect) return true
    return this.isFailing && (isEjected(this.#health, performance.now()) || this.#isLeftToMonitor)
  }

  /** Whether it has failed in a way that the monitor finds the end of: who asked it meanwhile could hang there. */
  get #isLeftToMonitor(): boolean {
    const { isWatched, role } = this.#subject
    return isWatched && role === 'replica' && isClearedByAnswer(this.#health.error)
  }

  /** Whether reads that may go elsewhere should: it does not answer, or did not when it was asked last. */
  get isDown(): boolean {
    if (this.isEjected) return true
    return this.isFailing && this.#subject.isWatched && isClearedByAnswer(this.#health.error)
  }

  /** Whether what began at `since`, by a monotonic clock in ms, says nothing: the server has answered after it. */
  hasAnsweredAfter(since: number): boolean {
    return since < this.#answeredAt
  }

  /** A query was answered: behind a pooler that is the first sign of its server. */
  gaveAnswer(): void {
    this.hasAnsweredQuery = true
    if (this.isFailing || this.#isReachable !== true) this.learn({ kind: 'answered' })
  }

  /** Takes what was learned into the verdict, and tells of it. */
  learn(evidence: Evidence): void {
    const { failures } = this.#health
    if (evidence.kind === 'answered') this.#noteReachable(true)
    if (evidence.kind === 'answered' && failures === 0) return
    const { role } = this.#subject
    const backoff = role === 'primary' ? PRIMARY_BACKOFF : REPLICA_BACKOFF
    this.#health = nextHealth(this.#health, evidence, performance.now(), Math.random(), backoff)
    switch (evidence.kind) {
      case 'probed':
        return
      case 'answered':
        return this.publish('up', undefined)
      case 'connection-error':
        this.#lastProblem = { error: evidence.error, at: Date.now() }
        this.#subject.changed()
        return this.publish('connection-error', evidence.error)
      case 'failed':
        this.#lastProblem = { error: evidence.error, at: Date.now() }
        this.#noteReachable(false)
        this.#subject.changed()
        this.#failedAt = performance.now()
        if (failures === 0) this.publish('down', evidence.error)
        this.#subject.gaveNone(evidence.error)
    }
  }

  /** Its watcher was answered: the server can be reached. That does not say whether it takes new sessions. */
  markReachable(askedAt: number): void {
    // An answer to a question from before the last failure says nothing about the time since.
    if (askedAt < this.#failedAt) return
    this.#answeredAt = performance.now()
    this.isSuspect = false
    if (!this.isFailing || isClearedByAnswer(this.#health.error)) this.learn({ kind: 'answered' })
  }

  /** Publishes a change of its server. It is news of the server, not of the query that met it. */
  publish(change: NodeEvent['change'], error: unknown): void {
    if (!diagnostics.node.hasSubscribers) return
    const { name, region } = this.#subject
    const event: NodeEvent = { node: name, region, change, error }
    runOutside(() => diagnostics.node.publish(event))
  }

  #noteReachable(isReachable: boolean): void {
    if (this.#isReachable === isReachable) return
    this.#isReachable = isReachable
    this.#reachableSince = performance.now()
    this.#subject.changed()
  }
}

/** Whether an answer to the monitor disproves it: other errors of a login are not disproved by an open session. */
function isClearedByAnswer(error: unknown): boolean {
  return databaseErrorIn(error) === undefined || isNotRunning(error)
}

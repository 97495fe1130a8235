import { isDirect } from '@headwater/core/internal'
import type { PoolNode } from '../node/pool-node.ts'

/** The pause between two questions to a local server while all is calm; shorter when `maxLag` needs a more exact answer. */
const CALM_MILLIS = 1_000
/** The same for a server of another region. */
const FAR_MILLIS = 10_000
const SHORTEST_PAUSE_MILLIS = 50
/** The pause while it is not clear who is who. */
const ALARM_PAUSE_MILLIS = 100
/** How long servers are asked that often after each piece of evidence. */
const ALARM_MILLIS = 30_000
/** The pause after that, while no server is known to be the primary, or the one that was gives no answer. */
const LEADERLESS_PAUSE_MILLIS = 250
/** How long a connection to an address that moves is asked, while all is calm, and after evidence. */
const RENEW_MILLIS = 5_000
const RENEW_IN_ALARM_MILLIS = 1_000
/** How long they are asked at all after the last query. */
const PATIENCE_MILLIS = 60_000

/** What the pace depends on. */
export interface Paced {
  /** The server that is taken for the primary now. */
  readonly primary: PoolNode
  /** Whether it may be: it is the first guess, or was elected. */
  readonly hasPrimary: boolean
  /** Whether there is none, or it gives no answer: another one may be promoted at any time. */
  readonly isPrimaryDown: boolean
  isLocal(node: PoolNode): boolean
}

/** How often the servers of a fleet are asked, and how long: by who reads them, and whether it is clear who is who. */
export class Pace {
  readonly #fleet: Paced
  readonly #needsLag: boolean
  readonly #lagPauseMillis: number
  #isUsed = false
  #usedAt = Number.NEGATIVE_INFINITY
  #alarmUntil = Number.NEGATIVE_INFINITY
  /** When reads of this region went to servers of others. */
  readonly #readFarAt = new Map<PoolNode, number>()

  /** `maxLagMillis`: how exactly a lag in time must be known, in ms; `undefined`: not at all. */
  constructor(fleet: Paced, maxLagMillis: number | undefined) {
    this.#fleet = fleet
    this.#needsLag = maxLagMillis !== undefined
    const limit = maxLagMillis ?? Number.POSITIVE_INFINITY
    this.#lagPauseMillis = Math.max(SHORTEST_PAUSE_MILLIS, Math.min(CALM_MILLIS, limit / 4))
  }

  /** Call with each query. */
  touch(): void {
    this.#isUsed = true
  }

  /** Call on evidence that a server is not what it was. Says whether all of them should be asked now: not again and again. */
  alarm(): boolean {
    const now = performance.now()
    const isNew = now > this.#alarmUntil - ALARM_MILLIS + ALARM_PAUSE_MILLIS
    this.#alarmUntil = now + ALARM_MILLIS
    return isNew
  }

  /** Call for a server of another region that a read goes to. Says whether it was not read lately. */
  readFar(node: PoolNode): boolean {
    const isNew = !this.#isReadFar(node)
    this.#readFarAt.set(node, performance.now())
    return isNew
  }

  forget(node: PoolNode): void {
    this.#readFarAt.delete(node)
  }

  /** The pause between two questions to a server, in ms. */
  pauseFor(node: PoolNode): number {
    if (performance.now() < this.#alarmUntil) return ALARM_PAUSE_MILLIS
    if (this.#fleet.isPrimaryDown) return LEADERLESS_PAUSE_MILLIS
    const isNear = this.#fleet.isLocal(node) || this.#isReadFar(node)
    if (this.#needsLag && (node === this.#fleet.primary || isNear)) return this.#lagPauseMillis
    if (isNear) return CALM_MILLIS
    return node.roundTrip.isMeasured ? FAR_MILLIS : ALARM_PAUSE_MILLIS
  }

  /** How long one connection to a server is asked, in ms. An open one stays where it is: where the address leads now, only a new one shows. */
  renewAfter(node: PoolNode): number {
    const { hasPrimary } = this.#fleet
    if (!node.traits.isMoving) {
      // A pooler that gives a session for as long as its client stays leads only new clients to another server.
      return hasPrimary || isDirect(node.traits) ? Number.POSITIVE_INFINITY : RENEW_IN_ALARM_MILLIS
    }
    if (!hasPrimary) return 0
    return performance.now() < this.#alarmUntil ? RENEW_IN_ALARM_MILLIS : RENEW_MILLIS
  }

  /** Whether the pool was used lately, or there is evidence to look into. */
  isWanted(): boolean {
    const now = performance.now()
    if (this.#isUsed) this.#usedAt = now
    this.#isUsed = false
    return now - this.#usedAt < PATIENCE_MILLIS || now < this.#alarmUntil
  }

  /** Whether reads of this region went there lately: then it is asked as often as a local one. */
  #isReadFar(node: PoolNode): boolean {
    return performance.now() - (this.#readFarAt.get(node) ?? Number.NEGATIVE_INFINITY) < FAR_MILLIS
  }
}
